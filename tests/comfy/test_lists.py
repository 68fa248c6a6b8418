"""Many prompts in one queued graph are ComfyUI lists."""

import pytest
import torch
from graphs import adaptive_graph, changed, keep, node

PROMPTS = [
    "a large red circle on sky",
    "a red circle left of a blue square and a green cross below on sand",
    "a small green cross on white",
]


def list_graph(reject: str, seeds: str = "5 6 7", **options):
    """Three prompts of two images; `reject` names images counted through all of them."""
    graph = adaptive_graph(prompt=["prompts", 0], seed=["seeds", 1], batch=2, k=0 if reject == "" else 50, **options)
    graph["prompts"] = node("TestLines", text="\n".join(PROMPTS))
    graph["seeds"] = node("TestNumbers", text=seeds)
    return keep(changed(graph, "gate", reject_indices=reject), merged=["merge", 0], student=["student_images", 0])


def single(prompt: str, seed: int, rejected: bool, comfy_app):
    graph = changed(adaptive_graph(prompt=prompt, seed=seed, batch=2), "gate", k=100 if rejected else 0)
    return comfy_app.run(keep(graph, merged=["merge", 0])).kept["merged"][0]


def test_none_some_and_all_rejected_share_one_teacher_load_and_one_batch(comfy_app, evaluations):
    run = comfy_app.run(list_graph("3 4 5"))
    assert run.error is None
    assert run.executed.count("teacher_models") == 1
    assert evaluations["teacher"] == [3 * 2] * 5
    merged, student = run.kept["merged"], run.kept["student"]
    assert [len(batch) for batch in merged] == [2, 2, 2]
    changed_images = [
        not torch.equal(m, s) for mb, sb in zip(merged, student, strict=True) for m, s in zip(mb, sb, strict=True)
    ]
    assert changed_images == [False, False, False, True, True, True]


def test_pooled_results_equal_prompt_by_prompt(comfy_app):
    merged = comfy_app.run(list_graph("0 1 4 5")).kept["merged"]
    for i, rejected in ((0, True), (1, False), (2, True)):
        alone = single(PROMPTS[i], 5 + i, rejected, comfy_app)
        assert (merged[i] - alone).abs().max() <= 1e-4


def test_everything_accepted_loads_no_teacher(comfy_app):
    run = comfy_app.run(list_graph(""))
    assert run.error is None
    assert "teacher_models" not in run.executed
    assert [len(batch) for batch in run.kept["merged"]] == [2, 2, 2]


@pytest.mark.parametrize(
    "negatives", ["a small red cross on black\na small blue cross on black\na large red circle on sky"]
)
def test_a_negative_for_each_prompt(comfy_app, negatives):
    graph = list_graph("0 1 2 3 4 5")
    graph["negatives"] = node("TestLines", text=negatives)
    graph = changed(graph, "teacher_negative", text=["negatives", 0])
    pooled = comfy_app.run(graph).kept["merged"]
    for i, negative in enumerate(negatives.split("\n")):
        alone = changed(
            changed(adaptive_graph(prompt=PROMPTS[i], seed=5 + i, batch=2), "gate", k=100),
            "teacher_negative",
            text=negative,
        )
        expected = comfy_app.run(keep(alone, merged=["merge", 0])).kept["merged"][0]
        assert (pooled[i] - expected).abs().max() <= 1e-4


def test_conditioning_of_another_length_is_batched_apart_with_the_same_result(comfy_app, evaluations):
    graph = list_graph("0 1 2 3 4 5")
    graph["twice"] = node(
        "ConditioningConcat", conditioning_to=["teacher_prompt", 0], conditioning_from=["teacher_prompt", 0]
    )
    graph["only_second"] = node("TestChoose", conditioning=["teacher_prompt", 0], other=["twice", 0], index=1)
    pooled = comfy_app.run(changed(graph, "teacher", positive=["only_second", 0])).kept["merged"]
    assert evaluations["teacher"] == [4 * 2] * 5 + [2 * 2] * 5
    plain = comfy_app.run(graph).kept["merged"]
    assert (pooled[0] - plain[0]).abs().max() <= 1e-4
    alone = adaptive_graph(prompt=PROMPTS[1], seed=6, batch=2, k=100)
    alone["twice"] = node(
        "ConditioningConcat", conditioning_to=["teacher_prompt", 0], conditioning_from=["teacher_prompt", 0]
    )
    expected = comfy_app.run(keep(changed(alone, "teacher", positive=["twice", 0]), merged=["merge", 0])).kept[
        "merged"
    ][0]
    assert (pooled[1] - expected).abs().max() <= 1e-4


def test_improved_images_are_scored_with_their_own_prompts(comfy_app):
    graph = list_graph("2 3 4 5")
    graph["second_look"] = node(
        "AdaptiveQualityScore",
        estimator=["estimator", 0],
        images=["teacher_images", 0],
        prompt=["prompts", 0],
        decision=["gate", 0],
    )
    graph = changed(graph, "merge", improved_scores=["second_look", 0])
    run = comfy_app.run(keep(graph, scores=["second_look", 0], improved=["teacher_images", 0]))
    assert run.error is None
    scores = run.kept["scores"]
    assert [group.prompts for group in scores] == [(PROMPTS[1],) * 2, (PROMPTS[2],) * 2]
    for images, group in zip(run.kept["improved"], scores, strict=True):
        alone = {
            "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
            "scores": node(
                "AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt=group.prompts[0]
            ),
            "images": node("TestGive", name="images"),
        }
        comfy_app.give["images"] = images
        again = comfy_app.run(keep(alone, scores=["scores", 0])).kept["scores"][0]
        assert group.values == pytest.approx(again.values, abs=1e-5)


def test_keeping_the_better_takes_only_higher_scores(comfy_app):
    graph = list_graph("0 1 2 3 4 5")
    graph["second_look"] = node(
        "AdaptiveQualityScore", estimator=["estimator", 0], images=["teacher_images", 0], decision=["gate", 0]
    )
    graph = changed(graph, "merge", improved_scores=["second_look", 0])
    run = comfy_app.run(keep(graph, first=["scores", 0], second=["second_look", 0]))
    kept = [
        torch.equal(m, s)
        for mb, sb in zip(run.kept["merged"], run.kept["student"], strict=True)
        for m, s in zip(mb, sb, strict=True)
    ]
    first = [value for group in run.kept["first"] for value in group.values]
    second = [value for group in run.kept["second"] for value in group.values]
    assert kept == [new <= old for old, new in zip(first, second, strict=True)]


def test_a_second_gate_behind_the_first_uses_the_right_prompts_and_places(comfy_app):
    graph = list_graph("2 3 4 5")
    graph["scores_2"] = node(
        "AdaptiveQualityScore", estimator=["estimator", 0], images=["teacher_images", 0], decision=["gate", 0]
    )
    graph["gate_2"] = node(
        "AdaptiveThresholdGate", scores=["scores_2", 0], table="this run", k=50.0, reject_indices="1 2"
    )
    graph["teacher_2"] = node(
        "AdaptiveTeacherRegenerate",
        **{key: value for key, value in graph["teacher"]["inputs"].items() if not key.startswith("rollback")},
    )
    graph = changed(graph, "teacher_2", decision=["gate_2", 0], latent=["teacher", 0])
    graph["images_2"] = node("VAEDecode", samples=["teacher_2", 0], vae=["student_models", 2])
    graph["merge_2"] = {**graph["merge"], "inputs": {**graph["merge"]["inputs"]}}
    graph = changed(graph, "merge_2", decision=["gate_2", 0], student=["teacher_images", 0], improved=["images_2", 0])
    graph = changed(graph, "merge", improved=["merge_2", 0])
    run = comfy_app.run(keep(graph, decision_2=["gate_2", 0], first=["teacher_images", 0]))
    assert run.error is None
    second = run.kept["decision_2"]
    assert [group.scores.prompts[0] for group in second] == PROMPTS[1:]
    assert [group.rejected_rows.numbers for group in second] == [(1,), (0,)]
    merged, first = run.kept["merged"], run.kept["first"]
    assert torch.equal(merged[0], run.kept["student"][0])
    assert torch.equal(merged[1][0], first[0][0]) and not torch.equal(merged[1][1], first[0][1])
    assert torch.equal(merged[2][1], first[1][1]) and not torch.equal(merged[2][0], first[1][0])
    regenerated = adaptive_graph(prompt=PROMPTS[1], seed=6, batch=2, k=100)
    regenerated["teacher"] = {**graph["teacher_2"], "inputs": {**graph["teacher_2"]["inputs"]}}
    regenerated = changed(regenerated, "teacher", decision=["gate", 0], latent=["student", 0], seed=6)
    expected = comfy_app.run(keep(regenerated, merged=["merge", 0])).kept["merged"][0]
    assert (merged[1][1] - expected[1]).abs().max() <= 1e-4


def test_without_a_merge_and_nothing_rejected_the_branch_ends_quietly(comfy_app, booted):
    graph = adaptive_graph(k=0)
    graph.pop("merge")
    graph = changed(graph, "save", images=["teacher_images", 0], filename_prefix="quiet")
    run = comfy_app.run(graph)
    assert run.error is None
    assert not {"teacher_models", "teacher_prompt", "teacher_negative"} & set(run.executed)
    assert not list((booted / "output").glob("quiet*"))


def test_outside_scores_cover_several_batches_in_order(comfy_app):
    graph = list_graph("")
    graph["outside"] = node("TestNumbers", text="9 9 9 1 1 9")
    run = comfy_app.run(keep(changed(graph, "gate", scores=["outside", 0], k=30.0), decision=["gate", 0]))
    assert run.error is None
    same = [
        torch.equal(m, s)
        for mb, sb in zip(run.kept["merged"], run.kept["student"], strict=True)
        for m, s in zip(mb, sb, strict=True)
    ]
    assert same == [True, True, True, False, False, True]
