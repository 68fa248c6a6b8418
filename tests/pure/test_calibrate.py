"""python -m adaptive_diffusion calibrate, on the models that come with the pack."""

import functools

import pytest
import torch

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.standalone import demo, models
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline

torch.set_num_threads(1)
PROMPTS = demo.PROMPTS[:7]
SEED, BATCH = 5, 3


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Every model is read from disk only once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_student", "load_estimator"):
            patch.setattr(models, name, functools.cache(getattr(models, name)))
        yield


@pytest.fixture
def files(tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    return {"prompts": tmp_path / "prompts.txt", "out": tmp_path / "tables" / "own.json"}


def calibrate(**options) -> None:
    given = {"seed": SEED, "batch": BATCH, "student_steps": 1, **options}
    main(["calibrate", *(f"--{key.replace('_', '-')}={value}" for key, value in given.items())])


def stop_at(monkeypatch, batch: int) -> None:
    """Ctrl-C while that batch is being scored."""
    scored, read = [], demo.load_estimator().__class__.read

    def stopped(self, images, prompts):
        if len(scored) == batch:
            raise KeyboardInterrupt
        scored.append(len(prompts))
        return read(self, images, prompts)

    monkeypatch.setattr(demo.load_estimator().__class__, "read", stopped)


def test_the_table_holds_the_scores_of_the_pipelines_student(files, capsys):
    calibrate(**files)
    pipeline = AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), None)
    cfg = demo.settings()["student"]["cfg"]
    alone = pipeline(PROMPTS, num_inference_steps_student=1, student_guidance=cfg, k=0, seed=SEED, batch_size=BATCH)
    table = PercentileTable.load(files["out"])
    assert table.scores == pytest.approx(sorted(alone.decision.scores.values), abs=1e-4)
    assert table.estimator == {"name": "Demo", "dtype": "float32", "weights": "6b8b0ce8cbe9b6a8"}
    assert table.student == {"name": "demo", "steps": 1, "cfg": cfg, "width": 64, "height": 64, "dtype": "float32"}
    assert (table.prompts["count"], table.prompts["seed"]) == (len(PROMPTS), SEED)
    assert (
        f"Table {files['out']} holds 7 scores; their median is {table.threshold(50):.3f}\n" == capsys.readouterr().out
    )
    assert [path.name for path in files["out"].parent.iterdir()] == ["own.json"]


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_stopped_it_goes_on_to_the_same_bits_and_scores_nothing_twice(files, monkeypatch, capsys, batch):
    calibrate(**files)
    whole = PercentileTable.load(files["out"]).scores
    other = files | {"out": files["out"].with_name("other.json")}
    with monkeypatch.context() as patch:
        stop_at(patch, batch)
        with pytest.raises(SystemExit, match="^130$"):
            calibrate(**other)
    assert capsys.readouterr().err == "stopped\n"
    stop_at(monkeypatch, 3 - batch)
    calibrate(**other)
    assert PercentileTable.load(other["out"]).scores == whole


@pytest.mark.parametrize(
    ("option", "value"),
    [("student_cfg", "nan"), ("student_cfg", "inf"), ("student_steps", "inf"), ("student_steps", 0), ("seed", "nan")]
    + [("batch", "1e3"), ("count", -1), ("size", "nan")],
)
def test_a_number_that_is_none_or_out_of_range_is_refused_and_nothing_is_written(files, capsys, option, value):
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files | {option: value})
    said = capsys.readouterr().err
    assert said.startswith(f"error: --{option.replace('_', '-')} is ") and said.count("\n") == 1
    assert not files["out"].parent.exists()


def test_a_finished_table_is_not_drawn_again(files, monkeypatch):
    calibrate(**files)
    before = files["out"].read_bytes()
    monkeypatch.setattr(models, "load_student", None)
    calibrate(**files)
    assert files["out"].read_bytes() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"out": "table"}, "'table' does not end in .json; name the table so"),
        ({"student": "demo_models"}, "nothing scores the images; name an estimator's file with --estimator"),
        ({"student": "demo_models", "estimator": "demo"}, "a table is only valid for one size; give the one you draw"),
        ({"student": "nowhere", "estimator": "demo", "size": 64}, "there is no model in 'nowhere'"),
        ({"negative": "a dragon"}, "the demo models do not know 'dragon'"),
        ({"count": 8}, "holds 7 different prompts, fewer than count 8"),
    ],
)
def test_what_cannot_be_calibrated_is_one_sentence_and_nothing_is_written(files, capsys, change, sentence):
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files | change)
    said = capsys.readouterr().err
    assert said.startswith("error: ") and sentence in said and said.count("\n") == 1
    assert not files["out"].parent.exists()


@pytest.mark.parametrize("change", [{"seed": 6}, {"count": 6}, {"student_steps": 2}])
def test_a_table_of_another_calibration_is_refused_and_kept(files, capsys, change):
    calibrate(**files)
    before = files["out"].read_bytes()
    with pytest.raises(SystemExit, match="^2$"):
        calibrate(**files | change)
    assert "table 'own' exists with " in capsys.readouterr().err
    assert files["out"].read_bytes() == before
