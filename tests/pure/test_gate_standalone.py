"""The learned gate without ComfyUI: in the pipeline, in generate and its run.json, and the one of the demo."""

import functools
import json
import warnings

import numpy
import pytest
import torch

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.bundled import TABLES
from adaptive_diffusion.estimators.base import Reading
from adaptive_diffusion.gate.about import About
from adaptive_diffusion.gate.confidence import confidence
from adaptive_diffusion.gate.fitting import fit
from adaptive_diffusion.gate.gauge import sureness
from adaptive_diffusion.gate.judge import Judge as Named
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.gate.outline import outline
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.standalone import demo, models, runs
from tests.pure.tiny import PROMPTS, QUICK, adaptive
from training.scenes import part_of

torch.set_num_threads(1)
DEMO_GATE = TABLES / "Demo gate.safetensors"


@functools.cache
def learned(steps: int = 2, name: str = "mine") -> LearnedGate:
    rng = numpy.random.default_rng(1)
    values, features = rng.normal(size=200), rng.normal(size=(200, 2))
    better = values + features[:, 0] + rng.normal(size=200)
    about = About(Named("judge", "float32"), "two numbers", Student(steps=steps), Teacher("slow"))
    prompts = [f"prompt {i}" for i in range(200)]
    return fit(Pairs.drawn(name, prompts, range(200), values, features, better, None, about))


def seeing(gate: LearnedGate | None):
    """A pipeline whose judge gives features too."""
    pipeline = adaptive(0.5, 1.0, 2.0)
    judge = pipeline.estimator
    judge.feature_names = "two numbers"
    judge.read = lambda images, prompts: Reading(
        judge.score(images, prompts), torch.tensor([[PROMPTS.index(text) - 1.0, 0.3] for text in prompts])
    )
    pipeline.gate = gate
    return pipeline


def test_the_gate_judges_in_the_place_of_percentiles():
    gate = learned()
    result = seeing(gate)(PROMPTS[:3], k=50, **QUICK)
    expected = gate.risk([0.5, 1.0, 2.0], numpy.array([[-1, 0.3], [0, 0.3], [1, 0.3]], "float32"))
    assert result.decision.risks == tuple(expected)
    assert (result.decision.table, result.decision.threshold) == ("mine", gate.threshold(50))
    assert list(result.decision.rejected) == numpy.flatnonzero(expected > gate.threshold(50)).tolist()
    alone = seeing(gate)(PROMPTS[1], k=50, **QUICK)
    assert alone.decision.risks == pytest.approx(expected[1:2], abs=1e-12)


def test_a_table_given_to_a_call_decides_in_the_gates_place():
    table = PercentileTable.from_scores("own", [0.0, 1.0, 2.0], {"name": "judge", "dtype": "float32"})
    result = seeing(learned())(PROMPTS[:3], k=50, table=table, **QUICK)
    assert (result.decision.table, result.decision.risks) == ("own", ())
    assert seeing(None)(PROMPTS[:3], k=50, table=learned(), **QUICK).decision.table == "mine"


def test_a_promise_stands_in_the_place_of_k():
    gate = learned()
    promised = gate.promise(40)
    assert promised.kept
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = seeing(gate)(PROMPTS[:3], k=100, keep_safe=40, **QUICK)
    expected = gate.risk([0.5, 1.0, 2.0], numpy.array([[-1, 0.3], [0, 0.3], [1, 0.3]], "float32"))
    rejected = numpy.flatnonzero(expected > promised.threshold).tolist()
    assert list(result.decision.rejected) == rejected and 0 < len(rejected) < 3
    assert (result.decision.k, result.decision.threshold, result.promise) == (None, promised.threshold, promised)
    assert str(result.promise).startswith("of the images you keep, at most 40 % would have been improved: 95% sure,")
    assert "like those of the gate's 200 pairs, of which it sends" in str(result.promise)


def test_what_the_pairs_cannot_promise_is_told_and_all_images_go():
    with pytest.warns(UserWarning, match="^200 pairs cannot promise 0.5 %, .*: all images go to the teacher$"):
        result = seeing(learned())(PROMPTS[:3], k=0, keep_safe=0.5, **QUICK)
    assert result.decision.rejected == (0, 1, 2) and not result.promise.kept


def test_a_promise_needs_a_gate_and_a_teacher():
    table = PercentileTable.from_scores("own", [0.0, 1.0, 2.0], {"name": "judge", "dtype": "float32"})
    for given, name in ((table, "own"), (None, "this run")):
        with pytest.raises(ValueError, match=f"keep_safe is 5, but '{name}' is a percentile table, which knows nothin"):
            seeing(None)(PROMPTS[:1], k=50, keep_safe=5, table=given, **QUICK)
    alone = seeing(learned())
    alone._teacher = None
    with pytest.raises(ValueError, match="keep_safe is 5, but there is no teacher; give one, or choose keep_safe=0"):
        alone(PROMPTS[:2], k=0, keep_safe=5, **QUICK)
    assert seeing(learned())(PROMPTS[:2], k=50, keep_safe=0, **QUICK).promise is None


def test_a_gate_of_another_student_is_noted_and_of_other_features_refused():
    with pytest.warns(UserWarning, match="gate 'mine' was made with another student: steps 2 instead of 8$"):
        seeing(learned(8))(PROMPTS[:2], k=50, **QUICK)
    blind = adaptive(0.5, 1.0)
    blind.gate = learned()
    with pytest.raises(
        ValueError, match="gate 'mine' reads the features 'two numbers', but the scores came with 'none'"
    ):
        blind(PROMPTS[:2], k=50, **QUICK)


def test_a_gate_is_as_sure_as_a_table_of_its_risks_turned_round():
    gate = learned()
    sure, turned = sureness(gate, 30), confidence(-gate.risks, 30)
    assert sure.threshold == (-turned.threshold[1], -turned.threshold[0])
    assert (sure.rejected, sure.count, sure.counted) == (turned.rejected, 200, "pairs")
    assert str(sure).startswith("from 200 pairs: 95% sure") and str(sure).endswith("more pairs would halve that")
    assert sureness(gate, 0) is None


def test_an_outline_of_a_gate_is_that_of_its_risks():
    gate = learned()
    drawn = json.loads(json.dumps(outline(gate), allow_nan=False))
    assert drawn["risk"] is True and drawn["count"] == 200
    assert drawn["scores"] == pytest.approx(numpy.percentile(gate.risks, drawn["k"]), rel=1e-5)
    for k in (10, 37, 80):
        low, high = sureness(gate, k).threshold
        assert drawn["scores"][100 - k] == pytest.approx(gate.threshold(k), rel=1e-5)
        assert (drawn["low"][100 - k], drawn["high"][100 - k]) == pytest.approx((low, high), rel=1e-5)


def test_the_demos_gate_is_of_its_models_small_and_of_the_training_part():
    gate = LearnedGate.load(DEMO_GATE)
    assert DEMO_GATE.stat().st_size < 200_000
    estimator, settings = demo.load_estimator(), demo.settings()
    assert gate.about.estimator == Named.of(estimator) and gate.about.judge is None
    gate.check_estimator(Named.of(estimator), estimator.feature_names)
    told, teacher = gate.about.student, settings["teacher"]
    assert (told.steps, told.cfg, told.width) == (settings["student"]["steps"], settings["student"]["cfg"], 64)
    assert (gate.about.teacher.steps, gate.about.teacher.cfg) == (teacher["steps"], teacher["cfg"])
    assert (gate.about.teacher.rollback, gate.about.teacher.rollback_scale) == (
        *(teacher["rollback"], teacher["rollback_scale"]),
    )
    assert gate.count == 1500


def test_its_pairs_are_those_that_the_training_command_names():
    from adaptive_diffusion.gate.pairs import prompt_keys
    from training.gate import COUNT, SEED
    from training.sampling import captions_for

    scenes, seeds = captions_for(COUNT, SEED)
    assert {part_of(scene.meaning) for scene in scenes} == {part_of(seed) for seed in seeds} == {"training"}
    keys = prompt_keys([scene.caption for scene in scenes])
    assert sorted(LearnedGate.load(DEMO_GATE).keys.tolist()) == sorted(keys.tolist())


@pytest.fixture
def quick_demo(tmp_path):
    """The command of `generate` on four prompts; the models are loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_student", "load_teacher", "load_estimator"):
            patch.setattr(models, name, functools.cache(getattr(models, name)))
        (tmp_path / "prompts.txt").write_text("\n".join(demo.PROMPTS[:4]))
        yield ["generate", f"--prompts={tmp_path / 'prompts.txt'}", "--teacher-steps=2", "--k=50", "--batch=4"]


def test_generate_judges_by_a_gate_and_its_run_remembers_it(quick_demo, tmp_path, capsys):
    main([*quick_demo, f"--out={tmp_path / 'run'}", "--gate=Demo gate"])
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    gate = LearnedGate.load(DEMO_GATE)
    assert (about["gate"], about["table"], about["threshold"]) == ("Demo gate", None, gate.threshold(50))
    records = runs.read(tmp_path / "run")
    assert [(record["risk"] > about["threshold"]) for record in records] == [
        record["verdict"] == "rejected" for record in records
    ]
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(DEMO_GATE.read_bytes())
    refused = {
        "both a table ('Demo') and a gate ('Demo gate') are to decide; name one": [
            "--table=Demo",
            "--gate=Demo gate",
        ],
        "there is no gate 'nothing'; name a file, or one of Demo gate": ["--gate=nothing"],
        "has gate 'Demo gate' instead of": [f"--gate={copied}"],
    }
    for sentence, options in refused.items():
        with pytest.raises(SystemExit, match="^2$"):
            main([*quick_demo, f"--out={tmp_path / 'run'}", *options])
        assert sentence in capsys.readouterr().err


def test_generate_keeps_what_is_safe_says_so_and_remembers_it(quick_demo, tmp_path, capsys):
    command, promised = [*quick_demo, f"--out={tmp_path / 'run'}", "--gate=Demo gate"], LearnedGate.load(DEMO_GATE)
    main([*command, "--keep-safe=40"])
    promise = promised.promise(40)
    assert promise.kept and capsys.readouterr().out.rstrip().endswith(f"\n{promise}")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (about["keep_safe"], about["threshold"]) == (40, promise.threshold)
    risks = [record["risk"] for record in runs.read(tmp_path / "run")]
    verdicts = [record["verdict"] for record in runs.read(tmp_path / "run")]
    assert [risk > promise.threshold for risk in risks] == [verdict == "rejected" for verdict in verdicts]
    for options, sentence in (([], "has keep_safe 40.0 instead of None"), (["--keep-safe=41"], "instead of 41.0")):
        with pytest.raises(SystemExit, match="^2$"):
            main([*command, *options])
        assert sentence in capsys.readouterr().err


def test_generate_promises_nothing_by_a_table_or_without_a_teacher(quick_demo, tmp_path, capsys):
    command = [*quick_demo, f"--out={tmp_path / 'run'}", "--keep-safe=5"]
    alone = ["--student=other", "--estimator=e.pt", "--gate=Demo gate", "--k=0"]
    for options, sentence in (
        ([], "keep_safe is 5, but 'Demo' is a percentile table, which knows nothing of the teacher; choose a learned"),
        (alone, "keep_safe is 5, but there is no teacher; name its folder with --teacher"),
    ):
        with pytest.raises(SystemExit, match="^2$"):
            main([*command, *options])
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_from_before_there_were_promises_goes_on(quick_demo, tmp_path):
    command = [*quick_demo, f"--out={tmp_path / 'run'}", "--gate=Demo gate"]
    main(command)
    path = tmp_path / "run" / "run.json"
    about = json.loads(path.read_text())
    assert about.pop("keep_safe") is None
    path.write_text(json.dumps(about))
    for options in ([], ["--keep-safe=0"]):
        main([*command, *options])
