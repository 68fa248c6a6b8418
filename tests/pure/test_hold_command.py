"""generate --hold and improve: as if the teacher had been there, wherever they are stopped."""

import functools
import json
import shutil

import numpy
import pytest
import torch
from PIL import Image

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.holding.folder import HeldFolder
from adaptive_diffusion.standalone import demo, holding, models, runs
from adaptive_diffusion.standalone.improved import put_back
from adaptive_diffusion.standalone.teaching import Teaching
from tests.pure import tiny

torch.set_num_threads(1)
PROMPTS = demo.PROMPTS[:6]
STEPS, K = 2, 50


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Every model is read from disk only once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_student", "load_teacher", "load_estimator"):
            patch.setattr(models, name, functools.cache(getattr(models, name)))
        yield


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    return tmp_path


def generate(out: str, *options: str) -> None:
    given = ["--prompts", "prompts.txt", "--seed", "3", "--unit", "4", "--batch", "2", "--student-steps", "1"]
    main(["generate", *given, "--k", str(K), "--out", out, *options])


def improve(*options: str) -> None:
    main(["improve", "held", "--teacher-steps", str(STEPS), "--batch", "2", *options])


def results(place) -> list:
    return sorted((place / "held" / "improved").iterdir())


def test_what_was_held_becomes_what_the_teacher_would_have_made_of_it(place, capsys):
    generate("plain", "--teacher-steps", str(STEPS))
    generate("run", "--hold", "held")
    plain, held = runs.read(place / "plain"), runs.read(place / "run")
    rejected = [record for record in plain if record["verdict"] == "rejected"]
    assert 0 < len(rejected) < len(PROMPTS)
    assert f"{len(rejected)} wait for a teacher in 'held'" in capsys.readouterr().out
    assert [(r["verdict"], r["score"]) for r in held] == [(r["verdict"], r["score"]) for r in plain]
    assert {record["taken"] for record in held} == {False}
    improve()
    told = f"{len(rejected)} improved; the results are in 'held/improved', and 0 images wait"
    assert capsys.readouterr().out.strip() == told
    for path, record in zip(results(place), rejected, strict=True):
        with Image.open(path) as image, Image.open(place / "plain" / record["image"]) as expected:
            difference = numpy.asarray(image, dtype=float) - numpy.asarray(expected, dtype=float)
            entry = json.loads(image.text["adaptive_diffusion"])
        assert abs(difference).max() <= 1 and abs(difference).mean() < 0.01
        same = ("prompt", "seed", "score", "verdict", "taken", "steps", "evaluations", "threshold", "table")
        assert {name: entry[name] for name in same} == {name: record[name] for name in same}


def test_no_teacher_is_loaded_to_hold_and_no_student_to_improve(place, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(models, "load_teacher", lambda *_: pytest.fail("the teacher was loaded"))
        generate("run", "--hold", "held")
    monkeypatch.setattr(models, "load_student", lambda *_: pytest.fail("the student was loaded"))
    monkeypatch.setattr(models, "load_estimator", lambda *_: pytest.fail("the estimator was loaded"))
    improve()
    assert results(place)


def test_stopped_at_every_result_each_is_there_once(place, monkeypatch, capsys):
    generate("run", "--hold", "held")
    shutil.copytree(place / "held", place / "whole")
    main(["improve", "whole", "--teacher-steps", str(STEPS), "--batch", "2"])
    expected = {path.name: path.read_bytes() for path in (place / "whole" / "improved").iterdir()}
    finish, count = HeldFolder.finish, len(expected)

    def stopped(self, name, result):
        if len([*(place / "held").glob("improved/*")]) > done:
            raise KeyboardInterrupt
        finish(self, name, result)

    for done in range(count - 1):
        with monkeypatch.context() as patch:
            patch.setattr(HeldFolder, "finish", stopped)
            with pytest.raises(SystemExit, match="^130$"):
                improve()
        assert len(results(place)) == done + 1
    improve()
    assert sorted(path.name for path in results(place)) == sorted(expected)
    improve()
    assert "nothing waited" in capsys.readouterr().out.splitlines()[-1]


def test_some_at_most_and_the_rest_later(place, capsys):
    generate("run", "--hold", "held", "--k", "100")
    improve("--most", "4")
    assert capsys.readouterr().out.splitlines()[-1].endswith("and 2 images wait")
    improve()
    assert len(results(place)) == len(PROMPTS)


def refused(capsys, command, *options: str) -> str:
    with pytest.raises(SystemExit, match="^2$"):
        command(*options)
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_bad_input_is_one_sentence(place, capsys):
    assert refused(capsys, improve) == ("error: nothing was held in 'held'; hold images there, or name another folder")
    leave = "error: --hold keeps images for a teacher in one process; leave --teacher, --shard and --cluster out"
    assert refused(capsys, generate, "run", "--hold", "held", "--teacher", "demo") == leave
    generate("run", "--hold", "held")
    different = refused(capsys, generate, "other", "--hold", "held", "--k", "70")
    assert different == "error: the images in 'held' have k 50.0 instead of 70.0; hold these in another folder"
    generate("again", "--hold", "held")
    with HeldFolder(place / "held").taking():
        assert "the images in 'held' are taken already" in refused(capsys, improve)
    for path in (place / "held").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    assert "is no whole image that was held; copy it again, or delete it" in refused(capsys, improve)


def test_a_student_of_unknown_name_needs_a_teacher_that_is_named(place, capsys):
    generate("run", "--hold", "held")
    about = place / "held" / "held.json"
    content = json.loads(about.read_bytes())
    content["student"]["name"] = "another"
    about.write_text(json.dumps(content))
    assert refused(capsys, improve) == "error: nothing improves the images; name the teacher's folder with --teacher"


VAES = {"scaled": {}, "shifted": {"scaling_factor": 1.5305, "shift_factor": 0.0609}}


@pytest.mark.parametrize("vae", VAES.values(), ids=VAES)
def test_latents_are_kept_as_the_decoder_takes_them_and_refined_as_they_were_drawn(vae, tmp_path):
    """With the student's own decoder the teacher starts from its latents, with another one from its pixels."""
    starts = []
    for own in (True, False):
        parts = {"autoencoder": tiny.vae(**vae)}
        student = tiny.new_student(**parts)
        teacher = tiny.new_teacher(**(parts if own else {"autoencoder": tiny.vae(seed=9)}))
        folder = HeldFolder(tmp_path / str(own))
        pipeline = tiny.AdaptiveDiffusionPipeline(tiny.Judge(0.1, 0.2, 0.3, 0.4, 0.5), student, teacher)
        plain = pipeline(tiny.PROMPTS, k=100, **tiny.QUICK)
        pipeline(tiny.PROMPTS, k=100, hold=holding.Holding(folder, student), **tiny.QUICK)
        teaching = Teaching.of("refine", 3, 8.0, None, 0.7, None, 8)
        kept = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holding, "put_back", lambda *given, kept=kept: kept.append(put_back(*given)) or kept[-1])
            assert [*holding.improve_held(folder, folder.take(9).images, teacher, teaching)] == ["improved"] * 5
        finals = torch.cat([pixels for pixels, _ in kept])
        assert (finals - plain.pixels).abs().max() <= 1e-4 * plain.pixels.std()
        starts.append(finals)
    assert not torch.equal(*starts)
