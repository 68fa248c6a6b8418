"""Named checks on the demo: the exact grader in the place of the judge, and its own findings as reasons."""

import json

import numpy
import torch
from graphs import adaptive_graph, changed, node

from .tools import module

CAPTION = "a purple triangle left of a yellow triangle and a red square below on black"
BATCH = 24


def graded() -> dict:
    graph = changed(adaptive_graph(prompt=CAPTION, batch=BATCH, k=50.0), "student", steps=1)
    graph["estimator"] = node("TestGrader")
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student", 0])
    graph["report"] = node("AdaptiveReport", images=["student_images", 0], decision=["gate", 0])
    kept = {"images": ["student_images", 0], "record": ["report", 1], "reasons": ["scores", 2], "split": ["split", 4]}
    return graph | {f"kept {name}": node("TestKeep", value=link, name=name) for name, link in kept.items()}


def own_findings(images: torch.Tensor) -> list[list[str]]:
    oracle, scene = module("adaptive_diffusion.standalone.oracle"), module("adaptive_diffusion.standalone.scenes")
    pixels = (images * 255).round().byte().numpy()
    return [list(oracle.grade(image, scene.read_caption(CAPTION)).wrong) for image in pixels]


def test_reasons_are_the_graders_own_findings(comfy_app):
    run = comfy_app.run(graded())
    assert run.error is None
    findings = own_findings(run.kept["images"][0])
    assert len({tuple(each) for each in findings}) > 1
    record = json.loads(run.kept["record"][0])
    assert [entry["reasons"] for entry in record] == findings
    assert [[name for name, yes in entry["checks"].items() if yes < 0.5] for entry in record] == findings
    assert list(run.kept["reasons"]) == [", ".join(each) for each in findings]
    rejected = run.ui["gate"]["adaptive_gate"][0]["rejected"][0]
    assert run.kept["split"] == [", ".join(dict.fromkeys(name for i in rejected for name in findings[i]))]


def test_reasons_stand_on_the_cards_of_the_sheet(comfy_app):
    sheet = module("adaptive_diffusion.sheet")
    card = module("adaptive_diffusion.sheet.card").Card
    style = module("adaptive_diffusion.sheet.style")
    picture = numpy.zeros((64, 64, 3), numpy.uint8)
    plain, failed = (
        card(1, sheet.SheetRow("a cat", picture, 1.0, True, picture, reasons=reasons), style.ONE_PAGE)
        for reasons in ((), ("colour", "count"))
    )
    assert failed.height > plain.height and failed.reasons.lines and not plain.reasons.lines
    run = comfy_app.run(graded())
    assert run.error is None and any(entry["reasons"] for entry in run.ui["report"]["adaptive_report"])


def test_the_reason_reaches_the_teachers_prompt(comfy_app):
    """As the template has it: the prompts of the rejected, the reasons behind them."""
    graph = graded()
    graph["asked"] = node("StringConcatenate", string_a=["split", 2], string_b=["split", 4], delimiter=", ")
    graph["kept asked"] = node("TestKeep", value=["asked", 0], name="asked")
    run = comfy_app.run(graph)
    assert run.error is None
    assert run.kept["asked"] == [f"{CAPTION}, {run.kept['split'][0]}"]


def test_best_of_n_and_a_second_gate_keep_the_reasons(comfy_app):
    graph = graded()
    student = {**graph["student"]["inputs"]}
    graph["tables"] = node("AdaptiveTableFromScores", scores=["scores", 0], name="graded")
    assert comfy_app.run({name: each for name, each in graph.items()}).error is None
    judging = {"vae": ["student_models", 2], "estimator": ["estimator", 0], "prompt": CAPTION}
    graph = changed(graph, "gate", scores=["search", 2])
    graph["search"] = node("AdaptiveBestOfN", **student, **judging, table="graded", k=50.0, candidates=2)
    graph["report"] = node("AdaptiveReport", images=["search", 1], decision=["gate", 0])
    graph["kept images"] = node("TestKeep", value=["search", 1], name="images")
    run = comfy_app.run(graph)
    assert run.error is None
    record = json.loads(run.kept["record"][0])
    assert [entry["reasons"] for entry in record] == own_findings(run.kept["images"][0])
