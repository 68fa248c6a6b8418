"""Threshold Gate judging by a learned gate: chosen, linked, followed, overridden, and what it tells of risks."""

import json
import logging
import os

import numpy
import pytest
from graphs import PROMPT, adaptive_graph, changed, keep, node

from .conftest import nodes
from .test_node_options import execute, gate, rejected, scores, student
from .test_strange_files import described
from .tools import module

RNG = numpy.random.default_rng(3)
SHOWN = "joint state 2"


def learned(name="mine", count=200, judge="Critic", **settings):
    """A gate fitted to random pairs; features: two numbers an image, of which the first tells what is improved."""
    about, pairs = module("adaptive_diffusion.gate.about"), module("adaptive_diffusion.gate.pairs")
    judge = module("adaptive_diffusion.gate.judge").Judge(judge, "float32")
    features = RNG.normal(size=(count, 2))
    values = RNG.normal(size=count)
    better = values + features[:, 0] + RNG.normal(size=count)
    teacher = module("adaptive_diffusion.gate.teacher").Teacher("slow", "refine", 12)
    told = about.About(judge, SHOWN, student(**settings), teacher)
    prompts = [f"prompt {i}" for i in range(count)]
    made = pairs.Pairs.drawn(name, prompts, range(count), values, features, better, None, told)
    return module("adaptive_diffusion.gate.fitting").fit(made)


def read(*values, features=None, names=SHOWN, estimator="Critic", **options):
    """Scores with features, as Quality Score gives them."""
    seen = RNG.normal(size=(len(values), 2)).astype("float32") if features is None else features
    return scores(*values, estimator=estimator, features=seen, feature_names=names, **options)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's gates, beside their tables."""
    monkeypatch.setattr(module("host.files.tables"), "user_tables", lambda: tmp_path / "percentiles")
    module("host.files.known")._told.clear()
    (tmp_path / "percentiles").mkdir()
    (tmp_path / "gates").mkdir()
    return tmp_path / "gates"


def options():
    return described()["AdaptiveThresholdGate"]["input"]["required"]["table"][1]


def test_gates_stand_behind_the_tables_with_a_picture_of_their_risks(folder):
    before = options()["options"]
    learned().save(folder / "mine.safetensors")
    (folder.parent / "percentiles" / "own.json").write_text('{"50": 0.5}')
    tables = module("host.files.tables").table_choices()
    offered = options()
    assert offered["options"] == [*tables, "Demo gate", "mine"]
    assert offered["options"][: len(before) - 1] == before[:-1]
    assert offered["default"] == "this run"
    drawn = offered["outlines"]["mine"]
    assert (drawn["risk"], drawn["count"]) == (True, 200)
    assert drawn["scores"] == sorted(drawn["scores"]) and 0 <= drawn["scores"][0] <= drawn["scores"][-1] <= 1
    assert "risk" not in offered["outlines"]["Demo"]
    assert "mine" not in described()["AdaptiveBestOfN"]["input"]["required"]["table"][1]["options"]


def test_a_table_keeps_its_name_where_a_gate_has_the_same(folder):
    learned().save(folder / "Demo.safetensors")
    learned().save(folder / "own.safetensors")
    (folder.parent / "percentiles" / "own.json").write_text('{"50": 100.0}')
    tables = module("host.files.tables")
    assert tables.gauge_path("own").suffix == tables.gauge_path("Demo").suffix == ".json"
    assert {"own (learned gate)", "Demo (learned gate)"} < {*options()["options"]}
    output, shown = gate(read(1, 2), table="own (learned gate)")
    assert shown["table"] == "own (learned gate)" and output.args[0][0].risks
    with pytest.raises(ValueError, match="there is a learned gate called 'taken' already; choose another name"):
        learned().save(folder / "taken.safetensors")
        tables.new_table_path("taken")


def test_the_worst_k_percent_by_risk_are_rejected_and_told_beside_the_scores(folder):
    made = learned()
    made.save(folder / "mine.safetensors")
    group = read(*RNG.normal(size=40), prompts=tuple(f"p{i}" for i in range(40)))
    output, shown = gate(group, table="mine", k=30.0)
    [decision], threshold = output.args[0], output.args[2]
    risks = made.risk(group.values, group.features)
    assert threshold == made.threshold(30) == shown["threshold"]
    assert list(decision.rejected) == numpy.flatnonzero(risks > threshold).tolist() == shown["rejected"][0]
    assert 0 < len(decision.rejected) < 40
    assert shown["risks"] == [risks.tolist()] and shown["scores"] == [list(group.values)]
    assert (shown["table"], shown["k"], shown["estimator"]) == ("mine", 30, "Critic")
    sure = shown["confidence"]
    assert (sure["count"], sure["counted"]) == (200, "pairs")
    assert sure["threshold"][0] < threshold < sure["threshold"][1]
    assert shown["warnings"] == []


def test_k_0_keeps_all_and_k_100_rejects_all():
    for k, expected in ((0.0, ()), (100.0, (0, 1, 2))):
        output, shown = gate(read(1, 2, 3), k=k, percentile_table=learned())
        assert rejected(output) == [expected] and shown["threshold"] is None


def test_a_linked_gate_and_one_for_each_batch():
    one, two = learned("one"), learned("two")
    first, second = read(1, 2, 3), read(4, 5, 6)
    inputs = {"scores": [first, second], "table": ["this run"], "k": [50.0], "percentile_table": [one, two]}
    decisions = execute("AdaptiveThresholdGate", **inputs).args[0]
    assert [each.table for each in decisions] == ["one", "two"]
    assert decisions[1].risks == tuple(two.risk(second.values, second.features))


def test_an_override_is_a_risk_where_a_gate_is_chosen(folder):
    made = learned()
    made.save(folder / "mine.safetensors")
    group = read(*range(20))
    risks = made.risk(group.values, group.features)
    output, shown = gate(group, table="mine", threshold_override=0.5)
    assert list(output.args[0][0].rejected) == numpy.flatnonzero(risks > 0.5).tolist()
    assert (shown["table"], shown["risks"]) == ("override", [risks.tolist()])
    assert gate(group, table="Demo", threshold_override=0.5)[1]["risks"] == [[]]


def test_verdicts_by_hand_ask_no_gate():
    output, shown = gate(read(1, 2), percentile_table=learned(judge="another"), reject_indices="1")
    assert rejected(output) == [(1,)] and shown["risks"] == [[]]


def test_following_tracks_risks_in_a_file_of_their_own(folder, monkeypatch):
    monkeypatch.setattr(module("host.following"), "get_executing_context", lambda: ("run", "gate", None))
    learned().save(folder / "mine.safetensors")
    group = read(*RNG.normal(size=60))
    output, shown = gate(group, table="mine", k=40.0, follow=True)
    [decision] = output.args[0]
    assert shown["table"] == "mine (following)" and shown["following"]["images"] == 60
    assert [risk > shown["threshold"] for risk in decision.risks] == [i in decision.rejected for i in range(60)]
    assert abs(len(decision.rejected) - 24) <= 6
    [file] = (folder.parent / "running").iterdir()
    kept = json.loads(file.read_text())
    assert kept["table"] == "mine" and numpy.allclose(kept["recent"][-60:], [-risk for risk in decision.risks])
    assert gate(group, table="mine", k=0.0, follow=True)[0].args[0][0].rejected == ()


def test_scores_without_features_are_one_sentence():
    sentence = "Threshold Gate: gate 'mine' reads what an estimator saw in image and prompt, but only scores came; link"
    with pytest.raises(ValueError, match=sentence):
        execute("AdaptiveThresholdGate", scores=[1.0, 2.0], table=["this run"], k=[50.0], percentile_table=[learned()])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"estimator": "HPSv2.1"},
            "Threshold Gate: gate 'mine' was made for the estimator Critic, but the scores are of",
        ),
        (
            {"names": "image embedding 2"},
            "reads the features 'joint state 2', but the scores came with 'image embedding 2'",
        ),
        ({"features": numpy.ones((2, 3), "float32")}, "Threshold Gate: gate 'mine' reads 2 features of each image"),
        ({"features": numpy.full((2, 2), numpy.nan, "float32")}, "features of image 0 are not finite"),
    ],
)
def test_a_gate_for_other_scores_is_refused_by_name(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        gate(read(1, 2, **given), percentile_table=learned())


def test_a_gate_of_another_student_is_told():
    made = learned(steps=4)
    warned = gate(read(1, 2), percentile_table=made, student=student(steps=8))[1]["warnings"]
    assert warned == ["gate 'mine' was made with another student: steps 8 instead of 4"]
    assert gate(read(1, 2), percentile_table=made, student=student(steps=4))[1]["warnings"] == []


def test_a_learned_gate_knows_the_prompt_and_is_not_warned_of():
    module("host.shown")._advised.clear()
    many = read(1, 2, prompts=("a", "b"), relative=True)
    assert gate(many, percentile_table=learned())[1]["warnings"] == []


def test_strange_files_among_the_gates_are_passed_over_and_named_once(folder, caplog):
    content = learned().content
    learned().save(folder / "whole.safetensors")
    (folder / "cut.safetensors").write_bytes(content[: len(content) // 2])
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "page.safetensors").write_text("<html>404</html>")
    (folder / "broken.safetensors").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "folder.safetensors").mkdir()
    (folder / "other.txt").write_text("no gate")
    with caplog.at_level(logging.WARNING):
        assert options()["options"][-2:] == ["Demo gate", "whole"]
        assert options()["options"][-2:] == ["Demo gate", "whole"]
    said = [record.getMessage() for record in caplog.records if "gate 'cut'" in record.getMessage()]
    assert len(said) == 1 and "gate 'cut' is not a whole gate's file; fit it again" in said[0]
    answer = nodes()["AdaptiveThresholdGate"].validate_inputs(["lost"])
    assert answer.startswith("Threshold Gate: there is no table or gate 'lost'; choose one of")
    with pytest.raises(ValueError, match="Threshold Gate: gate 'cut' is not a whole gate's file; fit it again"):
        gate(read(1, 2), table="cut")


def demo_graph(**gate_inputs):
    graph = changed(adaptive_graph(k=50), "gate", **{"table": "Demo gate", "student": ["student", 1], **gate_inputs})
    shown = {"images": ["student_images", 0], "decision": ["merge", 1], "final_images": ["merge", 0]}
    return keep(graph | {"report": node("AdaptiveReport", **shown)}, decision=["gate", 0], record=["report", 1])


def test_the_demos_gate_judges_in_the_graph_and_report_tells_the_risks(comfy_app):
    run = comfy_app.run(demo_graph())
    assert run.error is None
    [decision] = run.kept["decision"]
    shown = run.ui["gate"]["adaptive_gate"][0]
    assert shown["risks"] == [list(decision.risks)] and len(decision.risks) == 4
    assert [entry["risk"] for entry in run.ui["report"]["adaptive_report"]] == list(decision.risks)
    assert "over a risk of" in run.texts["gate"] and "from 1500 pairs" in run.texts["gate"]


def test_a_gate_that_changed_on_disk_is_read_again(comfy_app, folder):
    bundled = module("host.files.tables").gauge_path("Demo gate")
    (folder / "mine.safetensors").write_bytes(bundled.read_bytes())
    graph = demo_graph(table="mine")
    assert comfy_app.run(graph).error is None
    assert "gate" not in comfy_app.run(graph).executed
    os.utime(folder / "mine.safetensors", ns=(1, 1))
    assert "gate" in comfy_app.run(graph).executed


def test_a_gate_behind_best_of_n_gets_what_the_judge_saw_of_the_kept(comfy_app):
    graph = {name: each for name, each in adaptive_graph().items() if name.startswith("student_")}
    graph |= {name: adaptive_graph()[name] for name in ("empty", "estimator")}
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": PROMPT, "table": "Demo"}
    drawing = adaptive_graph()["student"]["inputs"] | judging | {"k": 50.0, "candidates": 2}
    graph["student"] = node("AdaptiveBestOfN", **drawing)
    graph["gate"] = node("AdaptiveThresholdGate", scores=["student", 2], table="Demo gate", k=50.0)
    again = {"estimator": ["estimator", 0], "images": ["student", 1], "prompt": PROMPT}
    graph["again"] = node("AdaptiveQualityScore", **again)
    run = comfy_app.run(keep(graph, one=["gate", 0], two=["again", 0]))
    assert run.error is None
    assert numpy.allclose(run.kept["one"][0].scores.features, run.kept["two"][0].features, atol=1e-5)


def test_a_promise_stands_in_the_place_of_k_and_is_told(folder):
    made = learned(count=900)
    promised = module("adaptive_diffusion.gate.promise").promise(made.risks, made.improved, 40.0)
    assert promised.kept
    group = read(*RNG.normal(size=50))
    output, shown = gate(group, percentile_table=made, k=100.0, keep_safe=40.0)
    risks = made.risk(group.values, group.features)
    assert rejected(output) == [tuple(numpy.flatnonzero(risks > promised.threshold))]
    assert (shown["k"], shown["threshold"], shown["confidence"]) == (None, promised.threshold, None)
    told = shown["promise"]
    assert (told["asked"], told["kept"], told["sent"]) == (40, True, promised.sent)
    assert told["sentence"].startswith(
        "of the images you keep, at most 40 % would have been improved: 95% sure, for prompts"
    )
    assert "like those of the gate's 900 pairs" in told["sentence"]


def test_what_the_pairs_cannot_promise_is_said_with_what_it_takes(folder):
    made = learned(count=60)
    output, shown = gate(read(1, 2, 3), percentile_table=made, keep_safe=1.0)
    assert rejected(output) == [(0, 1, 2)]
    sentence = shown["promise"]["sentence"]
    assert sentence.startswith("60 pairs cannot promise 1 %") and sentence.endswith("all images go to the teacher")
    assert shown["promise"]["kept"] is False


def test_a_promise_needs_a_gate_and_does_not_follow():
    with pytest.raises(
        ValueError, match="keep_safe is 5, but 'this run' is a percentile table, which knows nothing of"
    ):
        gate(read(1, 2), keep_safe=5.0)
    with pytest.raises(ValueError, match="what is safe to keep is fixed by the gate's pairs, so that its threshold"):
        gate(read(1, 2), percentile_table=learned(), keep_safe=5.0, follow=True)
    with pytest.raises(ValueError, match="Threshold Gate: keep_safe is 60.0; choose from 0.0 to 50.0"):
        gate(read(1, 2), percentile_table=learned(), keep_safe=60.0)


def test_0_promises_nothing_and_verdicts_by_hand_ignore_it():
    made = learned()
    assert gate(read(1, 2), percentile_table=made, keep_safe=0.0)[1]["promise"] is None
    assert gate(read(1, 2), keep_safe=5.0, reject_indices="0")[1]["promise"] is None
