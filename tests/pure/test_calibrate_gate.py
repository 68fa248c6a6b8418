"""python -m adaptive_diffusion calibrate --gate and merge-pairs, on the models that come with the pack."""

import functools
from dataclasses import replace

import numpy
import pytest
import torch

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.gate import fitted as fitted_gate
from adaptive_diffusion.gate import fitting
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.standalone import demo, models
from adaptive_diffusion.standalone.oracle import ExactJudge
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline

torch.set_num_threads(1)
PROMPTS = demo.PROMPTS[:7]
SEED, BATCH, STEPS = 5, 3, 2


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Every model is read from disk only once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_student", "load_teacher", "load_estimator"):
            patch.setattr(models, name, functools.cache(getattr(models, name)))
        yield


@pytest.fixture
def files(tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    return {"prompts": tmp_path / "prompts.txt", "gate": tmp_path / "gates" / "own.safetensors"}


@pytest.fixture(autouse=True)
def fitted(monkeypatch):
    """What gates were fitted to, without fitting: a few pairs are too few."""
    found = []

    class Gate:
        def save(self, path):
            path.write_text("a gate")

    monkeypatch.setattr(fitting, "fit", lambda pairs, name: (found.append(replace(pairs, name=name)), Gate())[1])
    monkeypatch.setattr(fitted_gate, "summary", lambda gate: "fitted")
    return found


def calibrate(**options) -> None:
    given = {"seed": SEED, "batch": BATCH, "student_steps": 1, "teacher_steps": STEPS, **options}
    main(["calibrate", *(f"--{key.replace('_', '-')}={value}" for key, value in given.items())])


def pairs_of(files) -> Pairs:
    return Pairs.load(files["gate"].with_name("own.pairs.safetensors"))


def test_the_pairs_are_what_the_pipeline_draws_when_all_images_go_to_the_teacher(files, fitted, capsys):
    calibrate(**files, judge="oracle")
    settings = demo.settings()
    pipeline = AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), demo.load_teacher())
    alone = pipeline(
        PROMPTS,
        num_inference_steps_student=1,
        num_inference_steps_teacher=STEPS,
        student_guidance=settings["student"]["cfg"],
        teacher_guidance=settings["teacher"]["cfg"],
        sigma=settings["teacher"]["rollback"],
        k=100,
        seed=SEED,
        batch_size=BATCH,
    )
    pairs, order = pairs_of(files), pairs_of(files).numbers
    scores = alone.decision.scores
    assert pairs.scores == pytest.approx(numpy.array(scores.values)[order], abs=1e-4)
    assert pairs.features == pytest.approx(scores.features[order], abs=1e-4)
    better = demo.load_estimator().score(alone.pixels, PROMPTS).numpy()
    assert pairs.teacher_scores == pytest.approx(better[order], abs=1e-4)
    exact = [ExactJudge().score(pixels, PROMPTS).numpy() for pixels in (alone.student_pixels, alone.pixels)]
    assert (pairs.judged == numpy.array(exact).T[order]).all()
    about = pairs.about
    assert (about.teacher.name, about.teacher.strategy, about.teacher.steps) == ("demo", "refine", STEPS)
    assert (about.judge.name, about.student.name) == ("oracle", "demo")
    [given] = fitted
    assert given.name == "own" and (given.scores == pairs.scores).all()
    assert capsys.readouterr().out == f"Gate {files['gate']}: fitted\n"
    assert sorted(path.name for path in files["gate"].parent.iterdir()) == ["own.pairs.safetensors", "own.safetensors"]


@pytest.mark.parametrize("batch", [0, 2])
def test_stopped_it_goes_on_to_the_same_pairs_and_draws_nothing_twice(files, monkeypatch, capsys, batch):
    calibrate(**files)
    whole = pairs_of(files)
    other = files | {"gate": files["gate"].parent / "other" / "own.safetensors"}
    stopped = stopped_at(monkeypatch, batch)
    with pytest.raises(SystemExit, match="^130$"):
        calibrate(**other)
    stopped.at = None
    calibrate(**other)
    again = pairs_of(other)
    assert stopped.calls == 3 and (again.scores == whole.scores).all()
    assert (again.teacher_scores == whole.teacher_scores).all() and (again.features == whole.features).all()


class stopped_at:
    """Ctrl-C when that batch is to be drawn. calls: batches that were."""

    def __init__(self, monkeypatch, at):
        self.at, self.calls, self.call = at, 0, AdaptiveDiffusionPipeline.__call__
        monkeypatch.setattr(AdaptiveDiffusionPipeline, "__call__", lambda *args, **options: self(*args, **options))

    def __call__(self, *args, **options):
        if self.calls == self.at:
            raise KeyboardInterrupt
        self.calls += 1
        return self.call(*args, **options)


def test_verdicts_of_people_are_the_labels_and_the_pairs_stay_as_they_were_drawn(files, fitted, tmp_path):
    said = ["teacher", "student", "equal", "teacher", "teacher", "student", "equal"]
    (tmp_path / "said.csv").write_text("index,verdict\n" + "".join(f"{i},{one}\n" for i, one in enumerate(said)))
    calibrate(**files)
    calibrate(**files, verdicts=tmp_path / "said.csv")
    assert fitted[0].judged is None and pairs_of(files).judged is None
    improved = dict(zip(fitted[1].numbers.tolist(), fitted[1].improved.tolist(), strict=True))
    assert improved == {i: one == "teacher" for i, one in enumerate(said)}
    assert fitted[1].about.judge.name == "people"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gate": "gate.json"}, "'gate.json' does not end in .safetensors; name the gate so"),
        ({"student": "demo_models", "estimator": "demo", "size": 64}, "name its folder with --teacher"),
        ({"sigma": 1.5}, "sigma is 1.5; choose a value between 0 and 1"),
        ({"teacher": "nowhere"}, "there is no model in 'nowhere'"),
        ({"verdicts": "nothing.csv"}, "nothing.csv"),
    ],
)
def test_what_cannot_be_calibrated_is_one_sentence_and_nothing_is_written(files, capsys, change, sentence):
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files | change)
    said = capsys.readouterr().err
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1
    assert not list(files["gate"].parent.glob("*.safetensors"))


def test_a_table_and_a_gate_are_not_made_at_once(files, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files, out="table.json")
    assert "not allowed with argument" in capsys.readouterr().err


def test_pairs_of_other_steps_are_refused_and_kept(files, capsys):
    calibrate(**files)
    before = files["gate"].with_name("own.pairs.safetensors").read_bytes()
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files | {"teacher_steps": 3})
    assert "pairs 'own.pairs' exists with teacher steps 2 instead of 3; choose another name" in capsys.readouterr().err
    assert files["gate"].with_name("own.pairs.safetensors").read_bytes() == before


def test_pairs_are_merged_in_any_order_to_the_same_bits_and_fitted(files, fitted, capsys, tmp_path):
    calibrate(**files)
    other = files | {"gate": tmp_path / "gates" / "second.safetensors"}
    calibrate(**other | {"seed": 50})
    parts = [tmp_path / "gates" / f"{name}.pairs.safetensors" for name in ("own", "second")]
    for name, order in (("both", parts), ("again", parts[::-1])):
        main(["merge-pairs", *map(str, order), "--out", str(tmp_path / name), "--gate", str(tmp_path / f"{name}.gate")])
    assert (tmp_path / "both").read_bytes() == (tmp_path / "again").read_bytes()
    assert len(fitted[-1]) == 14 and (fitted[-1].scores == fitted[-2].scores).all()
    assert "14 pairs of 2 files are in" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="^2$"):
        main(["merge-pairs", *map(str, parts), "--out", str(tmp_path / "both")])
    assert "is there already; choose another name" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="^2$"):
        main(["merge-pairs", str(parts[0]), str(parts[0]), "--out", str(tmp_path / "twice")])
    assert "hold 7 images in common" in capsys.readouterr().err and not (tmp_path / "twice").exists()
    with pytest.raises(SystemExit, match="^2$"):
        main(["merge-pairs", *map(str, parts)])
    assert "nothing would be written" in capsys.readouterr().err
