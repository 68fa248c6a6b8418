"""Verdicts corrected by a click on a thumbnail, as the gate's input holds them."""

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

from .test_node_options import gate, rejected, scores

ONE, OTHER = "0123456789abcdef", "fedcba9876543210"


def shown_of(run) -> dict:
    return run.ui["gate"]["adaptive_gate"][0]


def test_the_gate_tells_the_digests_and_corrects_exactly_the_named_images(comfy_app, evaluations):
    graph = adaptive_graph(k=50, steps=3)
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    graph = keep(graph, merged=["merge", 0], student=["student_images", 0], sheet=["report", 0])
    first = comfy_app.run(graph)
    before = shown_of(first)
    (digests,), (found,) = before["digests"], before["rejected"]
    kept = next(i for i in range(4) if i not in found)
    text = f"teacher {digests[kept]}, keep {digests[found[0]]}, keep {ONE}"
    evaluations["teacher"].clear()
    run = comfy_app.run(changed(graph, "gate", corrections=text))
    assert run.error is None
    after = shown_of(run)
    assert after["rejected"] == [sorted({*found} - {found[0]} | {kept})]
    assert after["corrected"] == [sorted([kept, found[0]])] and before["corrected"] == [[]]
    assert (after["scores"], after["threshold"]) == (before["scores"], before["threshold"])
    assert "2 of the verdicts corrected" in run.texts["gate"]
    merged, student = run.kept["merged"][0], first.kept["student"][0]
    assert [torch.equal(merged[i], student[i]) for i in range(4)] == [i not in after["rejected"][0] for i in range(4)]
    assert evaluations["teacher"] == [2 * 2] * 3
    assert "student" not in run.executed and "scores" not in run.executed
    entries = run.ui["report"]["adaptive_report"]
    assert [entry["corrected"] for entry in entries] == [i in after["corrected"][0] for i in range(4)]


def test_a_correction_is_the_images_own_whatever_batch_it_comes_in():
    groups = scores(0, 1, digests=(ONE, OTHER)), scores(2, 3, digests=(OTHER, ONE))
    output, shown = gate(*groups, corrections=f"keep {ONE}, teacher {OTHER}")
    assert rejected(output) == [(1,), (0,)]
    assert shown["corrected"] == [[0], [0]]


@pytest.mark.parametrize("options", [{"k": 0.0}, {"k": 100.0}, {"threshold_override": 0.5}, {"reject_indices": "1"}])
def test_whatever_decided_is_corrected(options):
    group = scores(0, 1, 2, digests=(ONE, OTHER, "0" * 16))
    (before,) = rejected(gate(group, **options)[0])
    output, _ = gate(group, **options, corrections=f"{'keep' if 0 in before else 'teacher'} {ONE}")
    assert {*rejected(output)[0]} ^ {*before} == {0}


def test_scores_without_images_say_that_they_cannot_be_corrected():
    output, shown = gate(scores(0, 1), corrections=f"keep {ONE}")
    assert rejected(output) == [(0,)] and "which numbers alone do not know" in shown["warnings"][0]


def test_what_is_no_correction_is_refused_by_the_node():
    with pytest.raises(
        ValueError, match="Threshold Gate: corrections holds 'image 3'; write teacher or keep and the 16"
    ):
        gate(scores(0, 1), corrections="image 3")
