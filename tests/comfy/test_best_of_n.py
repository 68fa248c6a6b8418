"""Best of N draws what Student Sample draws, and again only what fails; Until Enough as long as too few pass."""

import json

import pytest
import torch
from graphs import PROMPT, changed, keep, node, student_part

from .tools import module

OTHER = "a small green cross on white"
PROMPTS = [PROMPT, "a large red circle on sky", OTHER]
BATCH, STEPS = 3, 2
ALWAYS = 100.0


def searching(k: float = 50.0, limit: int = 3, prompts: list[str] = PROMPTS[:1], **options):
    """Student Sample and Best of N on the same inputs, then gate and record; one batch for each prompt."""
    graph = student_part(["prompts", 0], BATCH, ["seeds", 1])
    drawing = graph["student"]["inputs"]
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": ["prompts", 0]}
    graph |= {
        "prompts": node("TestLines", text="\n".join(prompts)),
        "seeds": node("TestNumbers", text=" ".join(str(5 + i) for i in range(len(prompts)))),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "plain_scores": node(
            "AdaptiveQualityScore", estimator=["estimator", 0], images=["student_images", 0], prompt=["prompts", 0]
        ),
        "best": node(
            "AdaptiveBestOfN", **{**drawing, **judging, "table": "Demo", "k": k, "candidates": limit, **options}
        ),
        "gate": node("AdaptiveThresholdGate", scores=["best", 2], table="Demo", k=k, student=["best", 3]),
        "report": node("AdaptiveReport", images=["best", 1], decision=["gate", 0], teacher_steps=12),
    }
    kept = {"latents": ["best", 0], "images": ["best", 1], "scores": ["best", 2], "students": ["best", 3]}
    return keep(graph, **kept, decisions=["gate", 0], record=["report", 1])


def beside(graph):
    """The graph with what Student Sample makes kept as well."""
    return keep(graph, plain=["student", 0], plain_images=["student_images", 0], plain_scores=["plain_scores", 0])


def rows(values):
    return [row for batch in values for row in batch]


def test_candidate_0_is_what_student_sample_draws_bit_for_bit(comfy_app):
    run = comfy_app.run(beside(searching(limit=1, prompts=PROMPTS)))
    assert run.error is None
    for one, plain in zip(run.kept["latents"], run.kept["plain"], strict=True):
        assert torch.equal(one["samples"], plain["samples"])
    assert torch.equal(torch.cat(run.kept["images"]), torch.cat(run.kept["plain_images"]))
    assert run.kept["scores"] == run.kept["plain_scores"]


def test_images_that_pass_at_once_stay_as_student_sample_draws_them(comfy_app):
    run = comfy_app.run(beside(searching(k=50.0, limit=3, prompts=PROMPTS)))
    once = [number == 1 for info in run.kept["students"] for number in info.candidates]
    same = [torch.equal(a, b) for a, b in zip(rows(run.kept["images"]), rows(run.kept["plain_images"]), strict=True)]
    assert True in once and False in once
    assert all(equal for equal, first in zip(same, once, strict=True) if first)


def test_only_failing_images_are_drawn_again_and_those_of_all_prompts_together(comfy_app, evaluations):
    run = comfy_app.run(searching(k=50.0, limit=4, prompts=PROMPTS))
    numbers = [number for info in run.kept["students"] for number in info.candidates]
    again = [sum(number > done for number in numbers) for done in (1, 2, 3)]
    assert 0 < again[0] < len(numbers)
    expected = [BATCH] * STEPS * len(PROMPTS) + [count for count in again if count for _ in range(STEPS)]
    assert evaluations["student"] == expected


def test_the_gate_rejects_what_still_fails_with_the_prompts_and_places_of_the_search(comfy_app):
    run = comfy_app.run(searching(k=90.0, limit=2, prompts=PROMPTS))
    failing = [value < run.kept["decisions"][0].threshold for group in run.kept["scores"] for value in group.values]
    rejected = [i in decision.rejected for decision in run.kept["decisions"] for i in range(BATCH)]
    assert failing == rejected and True in rejected and False in rejected
    assert [group.prompts for group in run.kept["scores"]] == [(text,) * BATCH for text in PROMPTS]
    assert [(group.group, group.groups) for group in run.kept["scores"]] == [(0, 3), (1, 3), (2, 3)]
    assert run.ui["best"]["adaptive_search"][0]["failing"] == sum(rejected)


def test_scores_are_those_of_the_images_that_are_kept(comfy_app):
    run = comfy_app.run(searching(k=ALWAYS, limit=3, prompts=PROMPTS))
    comfy_app.give["kept"] = run.kept["images"][1]
    again = {
        "kept": node("TestGive", name="kept"),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["kept", 0], prompt=PROMPTS[1]),
    }
    scored = comfy_app.run(keep(again, scores=["scores", 0])).kept["scores"][0]
    assert run.kept["scores"][1].values == pytest.approx(scored.values, abs=1e-5)
    assert run.kept["scores"][1].digests == scored.digests


def test_a_record_counts_the_steps_of_every_candidate(comfy_app):
    run = comfy_app.run(searching(k=90.0, limit=3))
    entries, numbers = json.loads(run.kept["record"][0]), run.kept["students"][0].candidates
    assert max(numbers) > 1
    extra = {"accepted": 0, "rejected": 12}
    expected = [STEPS * number + extra[entry["verdict"]] for entry, number in zip(entries, numbers, strict=True)]
    assert [entry["steps"] for entry in entries] == expected


def test_the_node_says_what_it_took_and_what_was_to_be_expected(comfy_app):
    run = comfy_app.run(searching(k=ALWAYS, limit=3))
    assert run.texts["best"].startswith(
        "9 candidates for 3 images: 3.00 an image, 3.00 expected; 6.0 model evaluations an image; 3 still under"
    )
    shown = run.ui["best"]["adaptive_search"][0]
    assert (shown["candidates"], shown["threshold"]) == ([[3, 3, 3]], None)
    assert comfy_app.run(searching(k=50.0, limit=3)).ui["best"]["adaptive_search"][0]["expected"] == 1.75


def searcher(comfy_app, prompts):
    """The node's own searcher over one batch for each prompt."""
    search = module("host.sampling.search")
    made = []
    original = search.Searcher.__init__

    def remembered(self, *arguments):
        original(self, *arguments)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search.Searcher, "__init__", remembered)
        assert comfy_app.run(searching(k=0.0, prompts=prompts)).error is None
    return made[0]


def test_a_candidate_depends_on_its_seed_image_and_number_alone(comfy_app):
    search = searcher(comfy_app, PROMPTS)
    latents = {i: drawn.latent for i, (_, drawn) in zip((0, 4, 8), search(2, [0, 4, 8]), strict=True)}
    again = {i: drawn.latent for i, (_, drawn) in zip((1, 4, 5), search(2, [1, 4, 5]), strict=True)}
    assert (latents[4] - again[4]).abs().max() <= 1e-5
    others = [latents[0], latents[8], again[5], search(1, [4])[0][1].latent, search(3, [4])[0][1].latent]
    assert all((latents[4] - other).abs().max() > 0.1 for other in others)
    alone = searcher(comfy_app, PROMPTS[:2])
    assert (latents[4] - alone(2, [4])[0][1].latent).abs().max() <= 1e-5


def test_this_run_is_refused_because_nothing_is_drawn_yet(comfy_app):
    sentence = "Best of N: 'this run' has no scores before anything is drawn; choose a calibrated table"
    with pytest.raises(ValueError, match=sentence):
        comfy_app.run(searching(table="this run"))
    with pytest.raises(ValueError, match="Best of N: there is no percentile table 'x'; choose one of Demo"):
        comfy_app.run(searching(table="x"))


def test_a_table_of_another_estimator_is_refused_before_anything_is_drawn(comfy_app, evaluations):
    error = comfy_app.fails(searching(table="ImageReward - LCM-SDXL"))
    assert "Best of N: table 'ImageReward - LCM-SDXL' was made for the estimator ImageReward" in error
    assert evaluations["student"] == []


def test_inputs_that_do_not_pair_are_refused(comfy_app):
    graph = searching(prompts=PROMPTS)
    graph["seeds"] = node("TestNumbers", text="5 6")
    error = comfy_app.fails(changed(graph, "student", seed=5))
    assert "Best of N: 2 values of seed do not fit 3 batches; link one for all or one for each batch" in error


def test_scores_of_the_best_of_several_make_no_table(comfy_app):
    graph = searching()
    graph["table"] = node("AdaptiveTableFromScores", scores=["best", 2], student=["best", 3], name="best of several")
    assert "Table from Scores: the student's images are the best of several" in comfy_app.fails(graph)


def test_the_gate_and_the_budget_tell_which_share_of_the_kept_images_k_of_a_table_is(comfy_app):
    graph = searching(k=50.0, limit=3)
    graph["number"] = node("TestNumbers", text="50")
    given = {"average": 1.0, "unit": "steps", "student_steps": 1, "teacher_steps": 12, "cfg": 8.0}
    graph["budget"] = node("AdaptiveBudget", **given, k=["number", 0], student=["best", 3])
    graph = keep(graph, k=["budget", 0])
    run = comfy_app.run(graph)
    told = "table 'Demo' is of single drawings: of what Best of N keeps, about 12.5 % lie under its threshold at k 50; "
    assert told in run.texts["gate"] and run.ui["gate"]["adaptive_gate"][0]["warnings"][-1].startswith(told)
    low, high = run.ui["gate"]["adaptive_gate"][0]["confidence"]["rejected"]
    assert 7 < low < 12.5 < high < 20
    drawn = sum(run.kept["students"][0].candidates) / BATCH * STEPS
    assert f"k 50.0 %: {drawn + 6:.3g} steps per image" in run.texts["budget"]
    said = f"with a table of single drawings about 12.5 % of what Best of N keeps, {drawn + 1.5:.3g} steps per image"
    assert said in run.texts["budget"]
    alone = comfy_app.run(changed(graph, "gate", table="this run"))
    assert "single drawings" not in alone.texts["gate"]
    once = comfy_app.run(changed(graph, "best", candidates=1))
    assert "single drawings" not in once.texts["gate"] + once.texts["budget"]


def enough(k: float = 50.0, images: int = 4, limit: int = 16, prompts: list[str] = PROMPTS[:1]):
    """Until Enough in the place of Best of N."""
    graph = searching(k=k, prompts=prompts)
    inputs = {name: value for name, value in graph["best"]["inputs"].items() if name != "candidates"}
    return graph | {"best": node("AdaptiveUntilEnough", **inputs, images=images, limit=limit)}


def test_until_enough_gives_exactly_so_many_that_pass(comfy_app, evaluations):
    prompts = ["a small orange circle on white", "a large red circle on sky", OTHER]
    run = comfy_app.run(enough(images=5, limit=100, prompts=prompts))
    assert run.error is None
    assert [len(images) for images in run.kept["images"]] == [5, 5, 5]
    threshold = run.ui["best"]["adaptive_search"][0]["threshold"]
    assert all(value >= threshold for group in run.kept["scores"] for value in group.values)
    drawn = sum(number for info in run.kept["students"] for number in info.candidates)
    assert sum(evaluations["student"]) == STEPS * drawn > STEPS * 15
    assert run.texts["best"].startswith(f"{drawn} candidates for 15 images: {drawn / 15:.2f} an image, 2.00 expected; ")
    assert [decision.rejected for decision in run.kept["decisions"]] == [()] * 3


def test_the_gate_behind_it_tells_no_share_of_single_drawings(comfy_app):
    graph = enough(k=50.0, images=4, limit=16)
    run = comfy_app.run(changed(graph, "gate", table="Demo", k=50.0))
    told = (
        "table 'Demo' is of single drawings: of what is drawn until it passes, fewer lie under its threshold at k 50; "
    )
    shown = run.ui["gate"]["adaptive_gate"][0]
    assert told in run.texts["gate"] and "95 %" not in run.texts["gate"] and shown["confidence"] is None
    assert shown["warnings"][-1].startswith(told)
    for options in ({"k": 0.0}, {"k": 100.0}, {"table": "this run"}):
        assert "single drawings" not in comfy_app.run(changed(graph, "gate", **options)).texts["gate"]
    graph = changed(graph, "best", images=4, limit=4)
    assert "single drawings" not in comfy_app.run(graph).texts["gate"]


def test_a_limit_ends_the_drawing_and_the_best_of_the_others_fill_up(comfy_app, evaluations):
    run = comfy_app.run(enough(k=90.0, images=4, limit=7, prompts=PROMPTS))
    drawn = [sum(info.candidates) for info in run.kept["students"]]
    failing = [len(decision.rejected) for decision in run.kept["decisions"]]
    assert max(drawn) == 7 and all(number == 7 for number, failed in zip(drawn, failing, strict=True) if failed)
    assert sum(evaluations["student"]) == sum(drawn) * STEPS
    assert [len(latent["samples"]) for latent in run.kept["latents"]] == [4, 4, 4]
    assert run.ui["best"]["adaptive_search"][0]["failing"] == sum(failing) > 0


def test_a_limit_under_what_is_wanted_is_refused_before_anything_is_drawn(comfy_app, evaluations):
    error = comfy_app.fails(enough(images=4, limit=3))
    assert error == "Until Enough: 3 images may be drawn, but 4 are wanted; let at least as many be drawn as are wanted"
    assert evaluations["student"] == []


def test_no_two_images_are_drawn_alike_however_the_latent_is_numbered(comfy_app):
    graph = enough(k=0.0, images=5)
    graph["numbered"] = node("LatentFromBatch", samples=["empty", 0], batch_index=1, length=2)
    run = comfy_app.run(changed(graph, "best", latent_image=["numbered", 0]))
    assert run.error is None
    rows_of = run.kept["latents"][0]["samples"]
    assert len(rows_of) == 5
    assert min((a - b).abs().max() for i, a in enumerate(rows_of) for b in rows_of[:i]) > 0.1
