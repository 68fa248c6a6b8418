"""python -m adaptive_diffusion generate, on the models that come with the pack."""

import copy
import functools
import json
import os
import random
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.estimators import Estimator
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student, differences
from adaptive_diffusion.parts import parts
from adaptive_diffusion.standalone import demo, drawing, models, runs
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from tests.processes import needs_fork, start

torch.set_num_threads(1)
PACK = Path(__file__).parents[2]
PROMPTS = demo.PROMPTS[:7]
SEED, BATCH, K, STEPS = 5, 3, 50, 2
JUDGE = {"name": "Demo", "dtype": "float32"}
QUICK = {"num_inference_steps_student": 1, "num_inference_steps_teacher": STEPS, "sigma": 0.6}


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Every model is read from disk only once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_student", "load_teacher", "load_estimator"):
            patch.setattr(models, name, functools.cache(getattr(models, name)))
        yield


@functools.cache
def pipeline() -> AdaptiveDiffusionPipeline:
    return AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), demo.load_teacher())


@functools.cache
def student_scores() -> tuple[float, ...]:
    cfg = demo.settings()["student"]["cfg"]
    return pipeline()(PROMPTS, seed=SEED, k=0, student_guidance=cfg, **QUICK).decision.scores.values


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A prompts file, and a table of which half of its images are rejected."""
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    PercentileTable.from_scores("own", student_scores(), JUDGE).save(tmp_path / "own.json")
    return {"prompts": tmp_path / "prompts.txt", "table": tmp_path / "own.json", "out": tmp_path / "run"}


def generate(**options) -> None:
    fixed = {
        "seed": SEED,
        "batch": BATCH,
        "unit": BATCH,
        "k": K,
        "teacher_steps": STEPS,
        "student_steps": 1,
        "sigma": 0.6,
    }
    given = {key: value for key, value in {**fixed, **options}.items() if value is not None}
    main(["generate", *(f"--{key.replace('_', '-')}={value}" for key, value in given.items())])


def refused(capsys, **options) -> str:
    with pytest.raises(SystemExit, match="^2$"):
        generate(**options)
    return capsys.readouterr().err


def never(*_):
    pytest.fail("a model was loaded that is not needed")


def without_seconds(folder) -> list[dict]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in runs.read(folder)]


def pixels(folder) -> numpy.ndarray:
    pictures = []
    for record in runs.read(folder):
        with Image.open(folder / record["image"]) as image:
            pictures.append(numpy.array(image))
    return numpy.stack(pictures)


def test_images_scores_verdicts_and_steps_are_the_pipelines(files, capsys):
    generate(**files)
    own = PercentileTable.load(files["table"])
    student, teacher = demo.settings()["student"], demo.settings()["teacher"]
    guidance = {"student_guidance": student["cfg"], "teacher_guidance": teacher["cfg"]}
    result = pipeline()(PROMPTS, seed=SEED, k=K, table=own, batch_size=BATCH, **guidance, **QUICK)
    rejected = set(result.decision.rejected)
    assert 0 < len(rejected) < len(PROMPTS)
    records = runs.read(files["out"])
    assert [record["prompt"] for record in records] == list(PROMPTS)
    assert [record["seed"] for record in records] == list(range(SEED, SEED + len(PROMPTS)))
    assert [record["verdict"] for record in records] == [
        "rejected" if i in rejected else "accepted" for i in range(len(PROMPTS))
    ]
    assert [record["steps"] for record in records] == list(result.steps)
    assert [record["evaluations"] for record in records] == [
        1 + 2 * STEPS if i in rejected else 1 for i in range(len(PROMPTS))
    ]
    assert [record["score"] for record in records] == pytest.approx(result.decision.scores.values, abs=1e-4)
    assert {record["threshold"] for record in records} == {own.threshold(K)}
    expected = (result.pixels * 255).round().numpy()
    assert abs(pixels(files["out"]) - expected).max() <= 1
    assert re.match(rf"7 images are in .*run: {len(rejected)} went to the teacher; ", capsys.readouterr().out)


def test_the_rejected_images_of_a_unit_fill_the_teachers_batches(files, monkeypatch):
    rows: list[tuple[bool, int]] = []
    draw = drawing._draw_batch

    def watched(drawer, prompts, *arguments):
        rows.append((drawer is not student, len(prompts)))
        return draw(drawer, prompts, *arguments)

    monkeypatch.setattr(drawing, "_draw_batch", watched)
    student = models.load_student("demo", "cpu", "float32")
    generate(**files | {"batch": 2, "unit": 6})
    rejected = [
        [record["verdict"] == "rejected" for record in runs.read(files["out"])[i : i + 6]].count(True) for i in (0, 6)
    ]
    assert [count for teacher, count in rows if not teacher] == [2, 2, 2, 1]
    assert [count for teacher, count in rows if teacher] == [
        part.stop - part.start for count in rejected for part in parts(count, 2)
    ]


def test_the_rollbacks_scale_reaches_the_teacher_and_is_remembered(files, capsys):
    scale = {"rollback_scale": "model sigma", "sigma": 0.9}
    generate(**files | scale)
    own, guidance = PercentileTable.load(files["table"]), demo.settings()["teacher"]["cfg"]
    options = {**QUICK, **scale, "student_guidance": demo.settings()["student"]["cfg"], "teacher_guidance": guidance}
    result = pipeline()(PROMPTS, seed=SEED, k=K, table=own, batch_size=BATCH, **options)
    assert result.decision.any_rejected
    assert abs(pixels(files["out"]) - (result.pixels * 255).round().numpy()).max() <= 1
    assert json.loads((files["out"] / "run.json").read_text())["rollback_scale"] == "model sigma"
    assert "has rollback_scale 'model sigma' instead of None" in refused(capsys, **files | {"sigma": 0.9})


def test_a_run_from_before_there_were_scales_and_evaluations_goes_on_as_it_was(files, capsys):
    generate(**files)
    whole, about = pixels(files["out"]), json.loads((files["out"] / "run.json").read_text())
    assert about.pop("rollback_scale") is None
    (files["out"] / "run.json").write_text(json.dumps(about))
    kept = runs.read(files["out"])[:BATCH]
    assert all(record.pop("evaluations") for record in kept)
    (files["out"] / "images.jsonl").write_text("".join(json.dumps(record) + "\n" for record in kept))
    generate(**files)
    assert ["evaluations" in record for record in runs.read(files["out"])] == [False] * BATCH + [True] * 4
    assert (pixels(files["out"]) == whole).all()
    assert "has rollback_scale None instead of 'schedule'" in refused(capsys, **files | {"rollback_scale": "schedule"})


def test_seconds_are_more_for_what_the_teacher_drew(files):
    generate(**files)
    batch = runs.read(files["out"])[:BATCH]
    seconds = {
        verdict: {r["seconds"] for r in batch if r["verdict"] == verdict} for verdict in ("accepted", "rejected")
    }
    assert len(seconds["accepted"]) <= 1 and len(seconds["rejected"]) <= 1
    assert all(0 < low < high for low in seconds["accepted"] for high in seconds["rejected"])


def test_one_prompt_is_one_image(tmp_path):
    main(["generate", "a red circle above a blue square on sky", "--out", str(tmp_path / "one"), "--k=100"])
    [record] = runs.read(tmp_path / "one")
    assert (record["prompt"], record["threshold"], record["verdict"]) == (
        "a red circle above a blue square on sky",
        None,
        "rejected",
    )
    settings = demo.settings()
    assert record["steps"] == settings["student"]["steps"] + settings["teacher"]["steps"]


def test_a_teacher_that_draws_anew_takes_the_steps_it_needs_alone(tmp_path):
    main(["generate", PROMPTS[0], "--out", str(tmp_path / "one"), "--k=100", "--strategy=regenerate"])
    [record] = runs.read(tmp_path / "one")
    settings = demo.settings()
    assert settings["teacher"]["steps_alone"] != settings["teacher"]["steps"]
    assert record["steps"] == settings["student"]["steps"] + settings["teacher"]["steps_alone"]


def test_several_pictures_of_a_prompt_are_drawn_from_seeds_of_their_own(tmp_path):
    main(["generate", PROMPTS[0], "--out", str(tmp_path / "three"), "--k=0", "--pictures=3", f"--seed={SEED}"])
    records = runs.read(tmp_path / "three")
    assert [(record["prompt"], record["seed"]) for record in records] == [(PROMPTS[0], SEED + i) for i in range(3)]
    assert len({picture.tobytes() for picture in pixels(tmp_path / "three")}) == 3


def test_prompts_added_to_the_file_are_drawn_into_the_finished_run(files, tmp_path):
    generate(**files)
    before = pixels(files["out"])
    files["prompts"].write_text("\n".join([*PROMPTS, demo.PROMPTS[7]]))
    generate(**files)
    generate(**files | {"out": tmp_path / "at once"})
    assert without_seconds(files["out"]) == without_seconds(tmp_path / "at once")
    assert (pixels(files["out"]) == pixels(tmp_path / "at once")).all()
    assert abs(pixels(files["out"])[:6].astype(int) - before[:6]).max() == 0
    assert len(before) == len(PROMPTS) and len(runs.read(files["out"])) == len(PROMPTS) + 1


class Lenient(Estimator):
    """Likes every image of any prompt; reads nine words of it."""

    name, max_tokens = "Demo", 9

    def __init__(self):
        super().__init__(torch.nn.Linear(1, 1))

    def encode(self, images):
        return images

    def judge(self, features, prompts):
        return torch.ones(len(prompts))

    def count_tokens(self, prompt):
        return len(prompt.split())


CUT = ("the student reads the first 24", "Demo reads the first 9")
LONG = "a small red circle left of a large blue square and a green cross above and a yellow triangle below on sky"


@pytest.mark.parametrize("command", ["generate", "calibrate"])
def test_prompts_that_a_model_cuts_are_told_in_a_line_each(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "load_estimator", lambda *_: Lenient())
    prompts = [f"{LONG} and {LONG}", LONG, PROMPTS[0]]
    (tmp_path / "long.txt").write_text("\n".join(prompts))
    given = [f"--prompts={tmp_path / 'long.txt'}", f"--out={tmp_path / 'out.json'}", "--negative", f"{LONG} {LONG}"]
    main([command, *given, "--student-steps=1", *(["--k=0"] if command == "generate" else [])])
    said = [f"warning: {cut} of .. tokens of 'a small red circle .*', and cuts 1 more" for cut in CUT]
    assert all(map(re.fullmatch, said, capsys.readouterr().err.splitlines()))


@pytest.mark.parametrize("option", ["--negative=a \udcff", "a \udcff cat"])
def test_what_is_no_text_is_one_sentence_before_anything_is_loaded_or_written(option, tmp_path, monkeypatch, capsys):
    for name in ("load_student", "load_teacher", "load_estimator"):
        monkeypatch.setattr(models, name, never)
    prompt = [PROMPTS[0]] if option.startswith("--") else []
    folder = str(PACK / "demo_models")
    with pytest.raises(SystemExit, match="^2$"):
        main(
            [
                "generate",
                *prompt,
                option,
                "--out",
                str(tmp_path / "x"),
                "--k=0",
                "--student",
                folder,
                "--estimator=y.pt",
            ]
        )
    said = capsys.readouterr().err
    assert said.startswith("error: the prompt 'a \\udcff") and said.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_complete_run_loads_no_model_and_changes_nothing(files, monkeypatch, capsys):
    generate(**files)
    before = {path.name: path.read_bytes() for path in files["out"].iterdir()}
    for name in ("load_student", "load_teacher", "load_estimator"):
        monkeypatch.setattr(models, name, never)
    generate(**files)
    assert {path.name: path.read_bytes() for path in files["out"].iterdir()} == before
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_an_image_that_was_removed_or_cut_is_drawn_again_with_the_same_bytes(files, monkeypatch):
    generate(**files)
    folder = files["out"]
    before, written = {path.name: path.read_bytes() for path in folder.iterdir()}, seen(folder)
    (folder / "00005.png").unlink()
    (folder / "00000.png").write_bytes(before["00000.png"][:-100])
    drawn: list[tuple[str, ...]] = []
    draw = AdaptiveDiffusionPipeline.__call__

    def counted(self, prompt, *arguments, **options):
        drawn.append(tuple(prompt))
        return draw(self, prompt, *arguments, **options)

    monkeypatch.setattr(AdaptiveDiffusionPipeline, "__call__", counted)
    generate(**files)
    assert drawn == [PROMPTS[:3], PROMPTS[3:6]], "in the batches in which they were drawn"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    now = seen(folder)
    assert [name for name in now if now[name] != written[name]] == ["00000.png", "00005.png"]


def test_the_teacher_is_not_loaded_where_nothing_is_rejected(files, monkeypatch):
    monkeypatch.setattr(models, "load_teacher", never)
    generate(**files | {"k": 0})
    assert {record["verdict"] for record in runs.read(files["out"])} == {"accepted"}


def quietly(**options) -> None:
    with open(os.devnull, "w") as sys.stdout:
        generate(**options)


def kill_after(seconds: float, **options) -> bool:
    """Generate in a copy of this process and kill it so much later; whether it was still running."""
    process = start(partial(quietly, **options))
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode != 0


def seen(folder) -> dict[str, tuple[int, int]]:
    """When the recorded images were written, and to where on the disk."""
    status = {record["image"]: (folder / record["image"]).stat() for record in runs.read(folder)}
    return {name: (known.st_mtime_ns, known.st_ino) for name, known in status.items()}


@needs_fork
def test_killed_at_random_moments_no_image_is_lost_drawn_twice_or_out_of_order(files, tmp_path):
    begun = time.monotonic()
    generate(**files | {"unit": 1})
    longest, folder, kills = time.monotonic() - begun, tmp_path / "often", 0
    for _ in range(12):
        before = seen(folder) if folder.exists() else {}
        kills += kill_after(random.uniform(0, longest / 2), **files | {"unit": 1, "out": folder})
        assert before.items() <= seen(folder).items() if before else True
    generate(**files | {"unit": 1, "out": folder})
    assert kills
    assert without_seconds(folder) == without_seconds(files["out"])
    assert (pixels(folder) == pixels(files["out"])).all()
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in files["out"].iterdir())


def test_any_folder_in_diffusers_format_serves_as_student_and_teacher(files):
    folder = PACK / "demo_models"
    generate(**files | {"student": folder, "teacher": folder, "estimator": "demo", "student_steps": 2, "size": 64})
    records = runs.read(files["out"])
    assert {record["steps"] for record in records} <= {2, 2 + STEPS}
    assert json.loads((files["out"] / "run.json").read_text())["student"] == str(folder)
    assert pixels(files["out"]).shape == (len(PROMPTS), 64, 64, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompts": None}, "give either a prompt or a file of them with --prompts"),
        ({"student": "demo_models"}, "nothing scores the images; name an estimator's file with --estimator"),
        ({"student": "demo_models", "estimator": "demo"}, "k is 50, but there is no teacher; name its folder"),
        (
            {"student": "demo_models", "estimator": "demo", "teacher": "demo", "table": None},
            "the threshold must be known before the last image is drawn; name a percentile table with --table",
        ),
        ({"teacher": "nowhere"}, "there is no model in 'nowhere'; name a folder with diffusers' model_index.json"),
        ({"table": "nothing"}, "there is no table 'nothing'; name a file, or one of Demo, ImageReward"),
        ({"table": "ImageReward - LCM-SDXL"}, "was made for the estimator ImageReward, but the scores are of Demo"),
        ({"k": 120}, "k is 120; choose a percentage from 0 to 100"),
        ({"sigma": 1.5}, "sigma is 1.5; choose a value between 0 and 1"),
        ({"rollback_scale": "strength"}, "there is no rollback scale 'strength'; choose one of schedule, variance,"),
        ({"rollback_scale": "variance", "sigma": 1.5}, "rollback is 1.5; in scale 'variance' choose a value above 0"),
        (
            {"rollback_scale": "model sigma", "sigma": 20},
            "rollback is 20; in scale 'model sigma' choose a value above 0 and at most",
        ),
        ({"negative": "a dragon"}, "the demo models do not know 'dragon'"),
        ({"estimator": "missing.pt"}, "there is no weight file 'missing.pt'"),
        ({"prompts": "missing.txt"}, "'missing.txt' cannot be read"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_no_image(files, capsys, monkeypatch, change, sentence):
    monkeypatch.chdir(PACK)
    said = refused(capsys, **files | change)
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1
    assert not list(files["out"].glob("*.png"))


@pytest.mark.parametrize(("k", "student_reads"), [(100, 24), (100, 12), (0, 24)])
def test_prompts_that_only_the_teacher_cuts_are_told_once_when_it_is_loaded(
    files, capsys, monkeypatch, k, student_reads
):
    def reading(load, most):
        def loading(*named):
            pipeline = load(*named)
            pipeline.tokenizer = copy.deepcopy(pipeline.tokenizer)
            pipeline.tokenizer.model_max_length = most
            return pipeline

        return loading

    monkeypatch.setattr(models, "load_student", reading(models.load_student.__wrapped__, student_reads))
    monkeypatch.setattr(models, "load_teacher", reading(models.load_teacher.__wrapped__, 9))
    lengths = {prompt: len(demo.load_student().tokenizer(prompt).input_ids) for prompt in PROMPTS}
    only = [prompt for prompt, length in lengths.items() if 9 < length <= student_reads]
    assert 1 < len(only) < len(PROMPTS)
    generate(**files | {"k": k, "table": None if k else files["table"]})
    told = [line for line in capsys.readouterr().err.splitlines() if "the teacher reads" in line]
    first = f"the teacher reads the first 9 of {lengths[only[0]]} tokens of '{only[0][:40].strip()}...', and cuts"
    assert told == ([f"warning: {first} {len(only) - 1} more"] if k else [])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "-1", "x", ""])
@pytest.mark.parametrize(
    "option",
    [
        "k",
        "sigma",
        "student_cfg",
        "teacher_cfg",
        "student_steps",
        "teacher_steps",
        "batch",
        "pictures",
        "count",
        "size",
        "keep_safe",
    ],
)
def test_a_number_that_is_none_or_out_of_range_is_refused_and_nothing_is_written(files, capsys, option, value):
    said = refused(capsys, **files | {option: value})
    assert re.match(rf"error: (--)?{option.replace('_', '-')} is .*; (choose|give|write) ", said), said
    assert said.count("\n") == 1 and not files["out"].exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seed": "nan"}, "--seed is 'nan'; give a whole number"),
        ({"seed": 2**64}, f"--seed is {2**64}; choose a whole number from -9223372036854775808 to"),
        ({"seed": 1.5}, "--seed is '1.5'; give a whole number"),
        ({"sigma": "nan", "strategy": "regenerate"}, "--sigma is nan; choose a finite number"),
        ({"sigma": 0.001, "teacher_steps": 12}, "12 teacher steps at sigma 0.001 need a schedule of 12001 steps"),
        ({"teacher_cfg": 100.5}, "--teacher-cfg is 100.5; choose a number from 0 to 100"),
        ({"student_steps": 1001}, "--student-steps is 1001; choose a whole number from 1 to 1000"),
        ({"size": "64x0"}, "--size is 0; choose a whole number from 8 to 16384"),
        ({"size": "64x60"}, "--size is 60; choose a multiple of 8"),
        ({"size": "9" * 30}, "write 1024, or 1024x768 for width x height"),
        ({"batch": "9" * 5000}, "--batch is '999"),
        ({"dtype": "float8"}, "--dtype: invalid choice: 'float8'"),
    ],
)
def test_what_is_out_of_range_is_one_sentence_and_nothing_is_written(files, capsys, change, sentence):
    said = refused(capsys, **files | change)
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1
    assert not files["out"].exists()


def test_what_was_refused_can_be_put_right_in_the_same_folder(files, capsys):
    refused(capsys, **files | {"sigma": 1.5})
    generate(**files)
    assert len(runs.read(files["out"])) == len(PROMPTS)


def test_other_settings_are_refused_once_a_run_has_images(files, capsys):
    generate(**files)
    for change, named in (({"sigma": 0.5}, "sigma 0.6 instead of 0.5"), ({"seed": 6}, "prompts"), ({"k": 40}, "k 50")):
        assert f"' has {named}" in refused(capsys, **files | change)


def test_a_process_of_its_own_says_its_own_lines_and_warns_in_one(files):
    PercentileTable.from_scores("other", student_scores(), JUDGE, Student(steps=4)).save(files["table"])
    options = [f"--{key}={value}" for key, value in files.items()]
    command = [sys.executable, "-m", "adaptive_diffusion", "generate", *options, "--k=0", f"--batch={BATCH}"]
    process = subprocess.run(command, cwd=PACK, capture_output=True, text=True, timeout=600)
    steps = demo.settings()["student"]["steps"]
    assert process.stderr == f"warning: table 'own' was made with another student: steps {steps} instead of 4\n"
    assert process.stdout.count("\n") == 1 and process.returncode == 0


@pytest.mark.parametrize(
    ("student", "told"),
    [
        (Student("sdxl-turbo"), "name demo instead of sdxl-turbo"),
        (Student("student", dtype="float16"), "dtype float32 instead of float16"),
        (Student("student", steps=8), "steps 1 instead of 8"),
        (Student("demo"), None),
        (Student("student", dtype="float32"), None),
    ],
)
def test_a_table_of_another_student_is_used_with_a_warning(files, capsys, student, told):
    PercentileTable.from_scores("other", student_scores(), JUDGE, student).save(files["table"])
    generate(**files, count=2)
    warned = capsys.readouterr().err
    assert ("was made with another student" in warned) == (told is not None)
    assert told is None or told in warned


def test_a_journal_of_before_knows_less_of_the_student_and_goes_on():
    now = Student("demo", 1, 1.0, width=64, height=64, dtype="float32").settings
    assert differences({"student": {"name": "demo", "steps": 1, "cfg": 1.0, "sampler": None}}, {"student": now}) == []
