"""Every model family as student and as teacher, through the nodes, on ComfyUI's own classes at tiny width."""

import pytest
import torch
from graphs import Graph, changed, keep, node

from .families import FAMILIES, Family

BATCH = 4
REJECTED = [1, 3]
ALL = list(range(BATCH))
TEACHER = {"seed": 5, "steps": 3, "sampler_name": "unipc_diffusers", "scheduler": "uniform", "max_batch": 16}
FLOW = ["SD3", "Flux", "Z-Image", "Qwen-Image"]


@pytest.fixture(params=FAMILIES)
def family(request) -> Family:
    return FAMILIES[request.param]


def give(comfy_app, family: Family, **values) -> Graph:
    """Source nodes of a family's student and teacher, a prompt for each image, and a negative prompt."""
    given = {
        "student_model": family.model(1),
        "teacher_model": family.model(2),
        "positive": family.text(1, BATCH),
        "negative": family.text(2),
        "empty": {"samples": torch.zeros(BATCH, family.shape[0], *family.shape[-2:])},
        **values,
    }
    comfy_app.give.update(given)
    return {name: node("TestGive", name=name) for name in given}


def graph(comfy_app, family: Family, rejected=REJECTED, rollback=0.7, scale="schedule", **values) -> Graph:
    """Student, gate, refine, regenerate; all outputs kept. A family without negative prompts gets none."""
    parts = give(comfy_app, family, **values)
    links = {"positive": ["positive", 0], "cfg": 3.0, "negative": ["negative", 0]}
    if not family.guided:
        links = {"positive": ["positive", 0], "cfg": 1.0}
    drawing = {**links, "model": ["student_model", 0], "latent_image": ["empty", 0], "denoise": 1.0}
    how = {"seed": 3, "steps": 2, "sampler_name": "euler", "scheduler": "simple"}
    parts["student"] = node("AdaptiveStudentSample", **drawing, **how)
    parts["core"] = node("KSampler", **{"negative": ["negative", 0], **drawing}, **how)
    parts["scores"] = node("TestNumbers", text="1 2 3 4")
    hands = " ".join(map(str, rejected))
    parts["gate"] = node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=50.0, reject_indices=hands)
    teacher = {**TEACHER, **links, "decision": ["gate", 0], "latent": ["student", 0], "model": ["teacher_model", 0]}
    parts["refine"] = node("AdaptiveTeacherRefine", **teacher, rollback=rollback, rollback_scale=scale)
    parts["regenerate"] = node("AdaptiveTeacherRegenerate", **teacher)
    parts["merge"] = node(
        "AdaptiveMerge", decision=["gate", 0], student=["student", 0], improved=["refine", 0], size="student",
        width=64, height=64, resize_method="bicubic",
    )  # fmt: skip
    return parts


def run(comfy_app, graph: Graph, *names: str) -> dict[str, torch.Tensor]:
    """The latents that the named nodes give."""
    done = comfy_app.run(keep(graph, **{name: [name, 0] for name in names}))
    assert done.error is None
    return {name: done.kept[name][0]["samples"] for name in names}


def test_accepted_images_are_the_students_and_rejected_ones_the_teachers(family, comfy_app):
    made = run(comfy_app, graph(comfy_app, family), "student", "core", "refine", "regenerate", "merge")
    assert torch.equal(made["student"], made["core"])
    assert torch.equal(made["merge"][[0, 2]], made["student"][[0, 2]])
    assert torch.equal(made["merge"][REJECTED], made["refine"])
    for teacher in ("refine", "regenerate"):
        assert torch.isfinite(made[teacher]).all()
        assert (made[teacher] - made["student"][REJECTED]).abs().max() > 0.1 * made["student"].std()


def test_a_part_of_a_batch_comes_out_as_in_the_whole(family, comfy_app):
    part = run(comfy_app, graph(comfy_app, family), "refine", "regenerate")
    whole = run(comfy_app, graph(comfy_app, family, ALL), "refine", "regenerate")
    for name in part:
        assert (part[name] - whole[name][REJECTED]).abs().max() <= 1e-4 * whole[name].std()
        assert (part[name] - whole[name][[0, 2]]).abs().max() > 0.1 * whole[name].std()


def test_refining_from_no_noise_returns_the_student(family, comfy_app):
    untouched = run(comfy_app, graph(comfy_app, family, ALL, rollback=0.0), "student", "refine")
    assert torch.equal(untouched["refine"], untouched["student"])
    distances = []
    for sigma in (1e-2, 1e-4):
        made = run(comfy_app, graph(comfy_app, family, ALL, sigma, "model sigma"), "student", "refine")
        distances.append((made["refine"] - made["student"]).abs().max() / made["student"].std())
    assert 0 < distances[1] < 0.05 * distances[0] < 5e-3


@pytest.mark.parametrize("name", FLOW)
def test_refining_a_flow_model_from_pure_noise_forgets_the_student(name, comfy_app):
    family = FAMILIES[name]
    made = []
    for seed in (1, 2):
        parts = graph(comfy_app, family, ALL, rollback=1.0, drawn=family.latent(BATCH, seed))
        made.append(run(comfy_app, changed(parts, "refine", latent=["drawn", 0]), "refine")["refine"])
    assert torch.equal(*made)
    less = run(comfy_app, changed(parts, "refine", latent=["drawn", 0], rollback=0.9), "refine")["refine"]
    assert not torch.equal(less, made[0])


def test_a_negative_prompt_is_optional_without_guidance_and_asked_for_with_it(family, comfy_app):
    parts = graph(comfy_app, family)
    for name in ("student", "refine", "regenerate"):
        parts = changed(parts, name, negative=None, cfg=1.0)
    run(comfy_app, parts, "student", "refine", "regenerate")
    for name, title in {"student": "Student Sample", "refine": "Teacher Refine"}.items():
        sentence = comfy_app.fails(keep(changed(parts, name, cfg=3.0), out=[name, 0]))
        assert sentence.startswith(f"{title}: cfg is 3 but no negative conditioning is linked; ")


@pytest.mark.parametrize("name", FLOW)
def test_a_flow_model_has_no_leading_schedule(name, comfy_app):
    parts = changed(graph(comfy_app, FAMILIES[name]), "regenerate", scheduler="leading")
    sentence = comfy_app.fails(keep(parts, out=["regenerate", 0]))
    assert sentence.startswith("Teacher Regenerate: scheduler 'leading' is only for eps and v models; choose 'uniform'")
