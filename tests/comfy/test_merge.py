"""Adaptive Merge: every image once, whatever comes as improved; anything that does not belong is refused."""

import re

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

from .test_lists import list_graph
from .test_node_options import execute, gate, pictures, scores

KINDS = ["IMAGE", "LATENT"]


def batch(kind: str, count: int, offset: float = 0.0):
    """Images or a latent whose values are all their own number."""
    if kind == "IMAGE":
        return pictures(count) + offset
    rows = torch.arange(float(count)).view(count, 1, 1, 1).expand(count, 4, 8, 8) + offset
    return {"samples": rows.clone()}


def merge(decision, student, improved, **linked):
    """The batches that come out, as the numbers their images are made of, and the decisions."""
    fixed = {"size": ["student"], "width": [8], "height": [8], "resize_method": ["bicubic"]}
    merged, told = execute(
        "AdaptiveMerge", decision=decision, student=student, improved=improved, **fixed, **linked
    ).args
    return [numbers(each) for each in merged], told


def numbers(merged) -> list[float]:
    rows = merged if isinstance(merged, torch.Tensor) else merged["samples"]
    assert all((row == row.flatten()[0]).all() for row in rows)
    return [row.flatten()[0].item() for row in rows]


def rejecting(indices: str, *values: float):
    return gate(scores(*values), reject_indices=indices)[0].args[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("second", "expected", "taken"),
    [(None, [0, 11, 2, 13], (1, 3)), ([5, 0], [0, 11, 2, 3], (1,)), ([9, 5, 9, 0], [0, 11, 2, 3], (1,))],
    ids=["without scores", "with scores of the rejected", "with scores of all"],
)
def test_a_whole_batch_is_reduced_to_its_rejected_images(kind, whole, second, expected, taken):
    decision = rejecting("1 3", 1, 2, 3, 4)
    improved = batch(kind, 4, 10.0)
    if not whole:
        improved = improved[[1, 3]] if kind == "IMAGE" else {"samples": improved["samples"][[1, 3]]}
    linked = {"improved_scores": [scores(*second)]} if second else {}
    merged, told = merge(decision, [batch(kind, 4)], [improved], **linked)
    assert merged == [expected]
    assert [each.taken for each in told] == [taken] and [each.rejected for each in told] == [(1, 3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize("scored", [True, False])
def test_any_other_count_is_refused_in_words(kind, count, scored):
    linked = {"improved_scores": [scores(9, 9)]} if scored else {}
    with pytest.raises(ValueError, match=f"Adaptive Merge: {count} improved came for 2 rejected images of 4; link"):
        merge(rejecting("1 3", 1, 2, 3, 4), [batch(kind, 4)], [batch(kind, count)], **linked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indices", ["", "0", "0 1 2"])
def test_a_batch_that_was_not_the_scored_one_is_refused_whatever_was_rejected(kind, indices):
    decision = gate(scores(1, 2, 3), k=0.0, reject_indices=indices)[0].args[0]
    for count in (2, 4):
        with pytest.raises(ValueError, match=f"Adaptive Merge: student holds {count} images, but 3 were scored; link"):
            merge(decision, [batch(kind, count)], [batch(kind, len(decision[0].rejected)) if indices else None])


def test_one_batch_does_not_serve_many_decisions():
    decisions = [*rejecting("0", 1, 2), *rejecting("0", 1, 2)]
    with pytest.raises(ValueError, match=r"Adaptive Merge: student holds 2 images, but 2 \+ 2 were scored; link"):
        merge(decisions, [pictures(2)], [pictures(1)])


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", KINDS)
def test_an_improved_image_that_is_not_finite_is_not_taken(kind, broken):
    improved = batch(kind, 2, 10.0)
    (improved if kind == "IMAGE" else improved["samples"])[0, 0, 0, 0] = broken
    merged, told = merge(rejecting("1 3", 1, 2, 3, 4), [batch(kind, 4)], [improved])
    assert (merged, told[0].taken) == ([[0, 1, 2, 11]], (3,))


def coloured(count: int, *channels: float) -> torch.Tensor:
    return torch.tensor(channels).expand(count, 8, 8, len(channels)).contiguous()


@pytest.mark.parametrize("size", ["student", "width x height"])
def test_transparent_images_are_merged_into_those_of_three_channels_on_white_and_back_opaque(size):
    fixed = {"size": [size], "width": [16], "height": [16], "resize_method": ["bicubic"]}
    for student, improved, expected in (
        (coloured(3, 0.1, 0.2, 0.3), coloured(1, 0.4, 0.6, 0.8, 0.5), [0.7, 0.8, 0.9]),
        (coloured(3, 0.1, 0.2, 0.3, 0.4), coloured(1, 0.4, 0.6, 0.8), [0.4, 0.6, 0.8, 1.0]),
    ):
        decision = rejecting("1", 1, 2, 3)
        [merged] = execute("AdaptiveMerge", decision=decision, student=[student], improved=[improved], **fixed).args[0]
        assert merged.shape == (3, *(2 * (8 if size == "student" else 16,)), student.shape[-1])
        assert merged[1, 0, 0].tolist() == pytest.approx(expected, abs=1e-5)
        assert merged[0, 0, 0].tolist() == pytest.approx(student[0, 0, 0].tolist(), abs=1e-5)


def test_channels_that_are_no_colours_are_refused():
    with pytest.raises(ValueError, match="Adaptive Merge: images of 5 channels cannot be shown; give 1"):
        merge(rejecting("0", 1), [coloured(1, 0.1, 0.2, 0.3)], [coloured(1, *[0.5] * 5)])


def bypassed(graph):
    """The graph with Teacher Refine bypassed: what is linked to its latent goes on in its place."""
    links = {"decode": ["teacher", 0], "by": graph["teacher"]["inputs"]["latent"]}
    graph = {name: each for name, each in graph.items() if name != "teacher"}
    return {
        name: {**each, "inputs": {k: links["by"] if v == links["decode"] else v for k, v in each["inputs"].items()}}
        for name, each in graph.items()
    }


@pytest.mark.parametrize("k", [0, 50, 100])
def test_a_bypassed_teacher_leaves_the_students_images(k, comfy_app):
    run = comfy_app.run(keep(bypassed(adaptive_graph(k=k)), merged=["merge", 0], student=["student_images", 0]))
    assert run.error is None
    assert torch.equal(run.kept["merged"][0], run.kept["student"][0])


@pytest.mark.parametrize("reject", ["", "0", "1 2 3", "0 1 2 3 4 5"])
def test_a_bypassed_teacher_leaves_the_students_images_of_many_prompts(reject, comfy_app):
    run = comfy_app.run(bypassed(list_graph(reject)))
    assert run.error is None
    for merged, student in zip(run.kept["merged"], run.kept["student"], strict=True):
        assert torch.equal(merged, student)


@pytest.mark.parametrize("k", [0, 50, 100])
def test_images_scored_one_by_one_are_merged_in_their_batch(k, comfy_app):
    graph = adaptive_graph(k=k)
    graph["one_by_one"] = node("RebatchImages", images=["student_images", 0], batch_size=1)
    plain = comfy_app.run(keep(graph, merged=["merge", 0]))
    run = comfy_app.run(
        keep(changed(graph, "scores", images=["one_by_one", 0]), merged=["merge", 0], told=["merge", 1])
    )
    assert run.error is None
    assert [len(each) for each in run.kept["merged"]] == [4]
    assert torch.equal(run.kept["merged"][0], plain.kept["merged"][0])
    assert [len(each.taken) for each in run.kept["told"]] == [k // 25]


@pytest.mark.parametrize("k", [0, 50, 100])
def test_three_of_four_images_scored_is_refused_at_every_k(k, comfy_app):
    graph = adaptive_graph(k=k)
    graph["three"] = node("ImageFromBatch", image=["student_images", 0], batch_index=0, length=3)
    error = comfy_app.fails(changed(graph, "scores", images=["three", 0]))
    assert re.search(r"\b4 (latent )?images\b", error) and re.search(r"\b3\b", error)


def test_the_decision_that_comes_out_says_what_was_taken(comfy_app):
    graph = list_graph("0 1 2 3 4 5")
    graph["second_look"] = node(
        "AdaptiveQualityScore", estimator=["estimator", 0], images=["teacher_images", 0], decision=["gate", 0]
    )
    graph = changed(graph, "merge", improved_scores=["second_look", 0])
    run = comfy_app.run(keep(graph, told=["merge", 1]))
    assert run.error is None
    for merged, student, told in zip(run.kept["merged"], run.kept["student"], run.kept["told"], strict=True):
        changed_images = tuple(i for i in range(2) if not torch.equal(merged[i], student[i]))
        assert told.taken == changed_images and told.rejected == (0, 1)
