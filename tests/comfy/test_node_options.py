"""The nodes' less travelled ways: thresholds and verdicts by hand, linked tables, prompts for each image."""

import json
from types import SimpleNamespace

import numpy
import pytest
import torch

from .conftest import nodes
from .tools import module


def scores(*values, **options):
    return module("adaptive_diffusion.gate.decision").QualityScores(tuple(map(float, values)), **options)


def student(**settings):
    return module("adaptive_diffusion.gate.decision").Student(**settings)


def table(*values, estimator="external", dtype="float32", **student_settings):
    made_for = {"name": estimator, "dtype": dtype}
    percentiles = module("adaptive_diffusion.gate.percentiles").PercentileTable
    return percentiles.from_scores("made", values, made_for, student(**student_settings))


def execute(node_id: str, **inputs):
    return nodes()[node_id].execute(**inputs)


def gate(*groups, **options):
    """The decisions of a gate and what it shows."""
    single = {name: [value] for name, value in {"table": "this run", "k": 50.0, **options}.items()}
    output = execute("AdaptiveThresholdGate", scores=list(groups), **single)
    shown = output.ui["adaptive_gate"][0]
    json.dumps(shown, allow_nan=False)
    return output, shown


def rejected(output) -> list[tuple[int, ...]]:
    return [decision.rejected for decision in output.args[0]]


def test_this_run_takes_the_scores_of_all_batches_together():
    output, shown = gate(scores(0, 1), scores(2, 3))
    assert rejected(output) == [(0, 1), ()]
    assert output.args[1:] == (True, 1.5)
    assert shown["rejected"] == [[0, 1], []]


def test_an_override_is_the_threshold_and_a_tie_is_accepted():
    output, shown = gate(scores(2, 2.5, 3, 4, 5), threshold_override=2.5)
    assert rejected(output) == [(0,)]
    assert shown["threshold"] == 2.5


def test_verdicts_by_hand_count_through_all_batches():
    output, shown = gate(scores(1, 1), scores(1, 1), reject_indices="1, 2")
    assert rejected(output) == [(1,), (0,)]
    assert shown["threshold"] is None


def test_a_linked_table_is_used_instead_of_the_chosen_one():
    output, _ = gate(scores(-1, 40, 60), table="Demo", percentile_table=table(*range(101)))
    assert rejected(output) == [(0, 1)]
    assert output.args[2] == 50.0


def test_a_calibrated_table_says_how_sure_its_threshold_is():
    _, shown = gate(scores(40, 60), k=20.0, percentile_table=table(*range(500)))
    sure = shown["confidence"]
    assert sure["count"] == 500
    assert sure["threshold"][0] < shown["threshold"] < sure["threshold"][1]
    assert sure["rejected"] == pytest.approx([16.7, 23.8], abs=0.1)
    assert sure["prompts_to_halve"] == pytest.approx(1500, rel=0.02)
    few = gate(scores(40, 60), k=50.0, percentile_table=table(1, 2, 3))[1]["confidence"]
    assert few["threshold"] == [None, None]


RATINGS = [1] * 100 + [2] * 300 + [3] * 100


def test_of_a_table_with_many_equal_scores_the_gate_says_which_shares_can_be_had():
    output, shown = gate(scores(1, 2, 3), percentile_table=table(*RATINGS))
    told = (
        "k 50 cannot be had here, because many scores are equal: it rejects 20 % of the images, and k 80 rejects 80 %"
    )
    assert rejected(output) == [(0,)] and shown["threshold"] == 2
    assert shown["warnings"] == [told] and shown["confidence"]["reachable"] == (20, 80)
    assert shown["confidence"]["rejected"] == pytest.approx([16.3, 24.1], abs=0.1)
    gates = module("host.gate")
    made = gates.judge([scores(1, 2)], [None], False, "", table=[""], k=[50.0], percentile_table=[table(*RATINGS)])
    assert told in gates.summary(made)
    output, shown = gate(scores(1, 2, 3), k=80.0, percentile_table=table(*RATINGS))
    assert rejected(output) == [(0, 1)] and shown["warnings"] == [] and shown["confidence"]["reachable"] == ()


def test_of_this_run_as_well():
    output, shown = gate(scores(1, 2, 2, 2, 3))
    assert rejected(output) == [(0,)]
    assert "it rejects 20 % of the images, and k 80 rejects 80 %" in shown["warnings"][0]
    assert rejected(gate(scores(1, 2, 2, 2, 3), k=80.0)[0]) == [(0, 1, 2, 3)]
    assert gate(scores(1, 2, 3, 4))[1]["warnings"] == []


def test_whole_numbers_of_an_outside_judge_make_a_table_and_are_judged_by_it(booted):
    judged = module("adaptive_diffusion.gate.decision").QualityScores
    ratings = [judged(tuple(RATINGS[:250]), "critic"), judged(numpy.array(RATINGS[250:]), "critic")]
    made = execute("AdaptiveTableFromScores", scores=ratings, name=["ratings"]).args[0]
    assert made.scores == tuple(map(float, RATINGS))
    output, shown = gate(judged((1, 3, 2), "critic"), percentile_table=made)
    assert rejected(output) == [(0,)] and shown["scores"] == [[1.0, 3.0, 2.0]]


@pytest.mark.parametrize(
    "options",
    [{"table": "this run"}, {"k": 0.0}, {"k": 100.0}, {"threshold_override": 1.0}, {"reject_indices": "0"}],
)
def test_what_rests_on_no_calibration_says_nothing_of_being_sure(options):
    linked = {} if options.get("table") else {"percentile_table": table(*range(500))}
    assert gate(scores(40, 60), **{**linked, **options})[1]["confidence"] is None


def test_official_tables_say_nothing_of_being_sure():
    judged = scores(0, 1, estimator="ImageReward")
    assert gate(judged, table="ImageReward - LCM-SDXL")[1]["confidence"] is None


def test_the_node_says_how_many_were_rejected_and_how_sure_it_is():
    gate = module("host.gate")
    linked = table(*range(101))
    text = gate.summary(
        gate.judge([scores(40, 60)], [None], False, "", table=["Demo"], k=[50.0], percentile_table=[linked])
    )
    assert text.startswith("1 of 2 rejected under 50.000, from 101 scores: 95% sure that it belongs between 40.")
    assert "59.6 % of new images will be rejected; " in text and text.endswith(" more prompts would halve that")


def test_a_table_of_another_student_is_used_with_a_warning():
    linked = table(*range(101), steps=4, cfg=1.0)
    output, shown = gate(scores(40, 60), percentile_table=linked, student=student(steps=8, cfg=1.0))
    assert rejected(output) == [(0,)]
    assert shown["warnings"] == ["table 'made' was made with another student: steps 8 instead of 4"]
    assert gate(scores(40, 60), percentile_table=linked, student=student(steps=4, cfg=1.0))[1]["warnings"] == []


def test_a_table_of_another_precision_is_refused():
    sentence = "Threshold Gate: table 'made' was made in float16, but the scores are float32; load"
    with pytest.raises(ValueError, match=sentence):
        gate(scores(1, 2), percentile_table=table(1, 2, dtype="float16"))


def save_table(name: str, values, **student_settings):
    known = [student(**student_settings)]
    return execute("AdaptiveTableFromScores", scores=[scores(*values)], name=[name], student=known).args[0]


def test_saving_again_adds_to_the_table_and_another_student_is_refused(booted):
    save_table("growing", (1, 2), steps=4)
    grown = save_table("growing", (3, 4), steps=4)
    assert grown.scores == (1.0, 2.0, 3.0, 4.0)
    path = booted / "user" / "adaptive_diffusion" / "percentiles" / "growing.json"
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Table from Scores: .*differ in student steps: 4 and 8"):
        save_table("growing", (5, 6), steps=8)
    assert path.read_bytes() == before
    assert list(path.parent.glob(".*")) == []


def pictures(count: int) -> torch.Tensor:
    """Images whose pixels are all their own number."""
    return torch.arange(float(count)).view(count, 1, 1, 1).expand(count, 8, 8, 3)


@pytest.mark.parametrize(("indices", "sizes"), [("", (3, 0)), ("0 1 2", (0, 3)), ("1", (2, 1))])
def test_an_empty_side_of_a_split_is_one_blocker(indices, sizes):
    decision = gate(scores(1, 2, 3), reject_indices=indices, k=0.0)[0].args[0]
    sides = execute("AdaptiveSplit", decision=decision, batch=[pictures(3)]).args[:2]
    for side, size in zip(sides, sizes, strict=True):
        assert len(side) == 1
        assert (len(side[0]) == size) if size else (type(side[0]).__name__ == "ExecutionBlocker")


class Judge:
    """An estimator that notes its prompts and scores an image by its brightness."""

    estimator = SimpleNamespace(name="stub", dtype="float32", uses_prompt=False, cut=lambda prompts: [])

    def __init__(self) -> None:
        self.prompts: list[tuple[str, ...]] = []
        self.described = module("adaptive_diffusion.gate.judge").Judge.of(self.estimator)

    def read(self, images, prompts):
        self.prompts.append(prompts)
        reading = module("adaptive_diffusion.estimators.base").Reading
        return reading(images.mean((1, 2, 3)), torch.zeros(len(images), 0))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a"], [("a", "a"), ("a",)]),
        (["a", "b"], [("a", "a"), ("b",)]),
        (["a", "b", "c"], [("a", "b"), ("c",)]),
    ],
)
def test_prompts_for_all_for_each_batch_and_for_each_image(given, expected):
    judge = Judge()
    execute("AdaptiveQualityScore", estimator=[judge], images=[pictures(2), pictures(1)], prompt=given)
    assert judge.prompts == expected


@pytest.mark.parametrize("images", [pictures(3)[[1]], pictures(3)], ids=["the rejected", "all"])
def test_a_second_look_is_at_the_rejected_with_their_own_prompts(images):
    decision = gate(scores(1, 2, 3, prompts=("a", "b", "c")), reject_indices="1")[0].args[0]
    judge = Judge()
    output = execute("AdaptiveQualityScore", estimator=[judge], images=[images], decision=decision)
    assert judge.prompts == [("b",)]
    assert output.args[0][0].rows.numbers == (1,)
    assert output.args[1] == [1.0]


def merge(decision, improved, **options):
    fixed = {"size": ["student"], "width": [8], "height": [8], "resize_method": ["bicubic"]}
    return execute("AdaptiveMerge", decision=decision, student=[pictures(2)], improved=improved, **fixed, **options)


@pytest.mark.parametrize(
    ("improved", "options", "sentence"),
    [
        (3, {}, "3 improved came for 1 rejected images of 2; link"),
        (1, {"improved_scores": ["other", 1]}, "improved_scores are of other, the gate's of external; score both"),
        (1, {"improved_scores": ["external", 3]}, "3 improved_scores came for 1 rejected images of 2; link"),
    ],
)
def test_merge_refuses_what_does_not_belong_to_the_rejected(improved, options, sentence):
    decision = gate(scores(1, 2))[0].args[0]
    linked = {name: [scores(*range(count), estimator=judge)] for name, (judge, count) in options.items()}
    with pytest.raises(ValueError, match=f"Adaptive Merge: {sentence}"):
        merge(decision, [pictures(improved)], **linked)


def test_merge_refuses_more_batches_than_were_rejected():
    decision = gate(scores(1, 2))[0].args[0]
    with pytest.raises(ValueError, match="Adaptive Merge: 2 batches of improved came for 1 batches with rejected"):
        merge(decision, [pictures(1), pictures(1)])


def test_a_percentile_of_several_prompts_of_a_relative_estimator_is_told_of_once():
    module("host.shown")._advised.clear()
    relative = {"estimator": "Critic", "relative": True}
    lists = scores(1, 2, prompts=("a", "b"), **relative)
    one = scores(1, 2, prompts=("a", "a"), **relative)
    assert gate(one)[1]["warnings"] == [] == gate(lists, k=100.0)[1]["warnings"]
    (told,) = gate(lists)[1]["warnings"]
    assert told.startswith("Critic compares images of one prompt, while this percentile is of several")
    assert gate(lists)[1]["warnings"] == []


def test_a_calibrated_table_of_a_relative_estimator_is_of_several_prompts():
    module("host.shown")._advised.clear()
    one = scores(1, 2, prompts=("a", "a"), estimator="Critic", relative=True)
    assert len(gate(one, percentile_table=table(*range(9), estimator="Critic"))[1]["warnings"]) == 1
    assert gate(one, threshold_override=1.0)[1]["warnings"] == []
