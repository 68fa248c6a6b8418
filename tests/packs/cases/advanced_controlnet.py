"""Advanced-ControlNet: hints, masks and strengths for each image; and together with IPAdapter_plus."""

from dataclasses import replace
from typing import Any

from graphs import Graph, node
from measure import on_teacher
from teacher import Teacher

from . import ipadapter

PACK = "Advanced-ControlNet"


def control(hints: int = 1, kind: str = "ACN", nodes: Graph | None = None, **inputs: Any) -> Teacher:
    """A teacher under control; `nodes` stand before it. kind: whose nodes, the pack's (ACN) or ComfyUI's (core)."""
    loader, apply = {
        "ACN": (node("ACN_ControlNetLoaderAdvanced", cnet="random.safetensors"), "ACN_AdvancedControlNetApply_v2"),
        "core": (node("ControlNetLoader", control_net_name="random.safetensors"), "ControlNetApplyAdvanced"),
    }[kind]
    links = {"positive": ["teacher_positive", 0], "negative": ["teacher_negative", 0]}
    strength = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    net = {"control_net": ["teacher_net", 0], "image": ["teacher_hints", 1]}
    controlled = {
        "hints": node("PacksRandom", rows=hints, seed=4),
        "masks": node("PacksRandom", rows=4, seed=5),
        "net": loader,
        **(nodes or {}),
        "control": node(apply, **links, **net, **strength, **inputs),
    }
    return Teacher(controlled, positive=["teacher_control", 0], negative=["teacher_control", 1])


def strengths(text: str) -> dict[str, Any]:
    return node("LatentKeyframeGroup", index_strengths=text)


def in_time(**inputs: Any) -> Teacher:
    nodes = {"strengths": strengths("3=1.0"), "when": node("TimestepKeyframe", start_percent=0.0, **inputs)}
    return control(nodes=nodes, timestep_kf=["teacher_when", 0])


def with_pictures(teacher: Teacher) -> Teacher:
    guided = ipadapter.batch(4)
    return replace(teacher, nodes={**guided.nodes, **teacher.nodes}, model=guided.model)


def of_each(hints: int = 1, max_batch: int = 16) -> Teacher:
    """A strength for each image."""
    nodes = {"strengths": strengths("0=1.0, 1=0.2, 2=0.6, 3=0.0")}
    teacher = control(hints, nodes=nodes, latent_kf_override=["teacher_strengths", 0])
    return replace(teacher, inputs={"max_batch": max_batch})


SOFT = {"soft": node("ACN_ScaledSoftControlNetWeights", base_multiplier=0.825)}

CASES = [
    on_teacher(PACK, "one hint", control()),
    on_teacher(PACK, "4 hints", control(4)),
    on_teacher(PACK, "a strength in time", in_time(strength=0.6)),
    on_teacher(PACK, "soft weights", control(nodes=SOFT, weights_override=["teacher_soft", 0])),
    on_teacher(PACK, "a latent keyframe for each image", of_each()),
    on_teacher(PACK, "4 hints, a latent keyframe for each image", of_each(4)),
    on_teacher(PACK, "4 hints, a latent keyframe for each image, max_batch 3", of_each(4, max_batch=3)),
    on_teacher(PACK, "a keyframe in time for image 3 only", in_time(latent_keyframe=["teacher_strengths", 0])),
    on_teacher(PACK, "a mask for each image", control(mask_optional=["teacher_masks", 2])),
    on_teacher(PACK, "a mask for each image in time", in_time(mask_optional=["teacher_masks", 2])),
    on_teacher(PACK, "IPAdapterBatch and one hint", with_pictures(control())),
    on_teacher(PACK, "IPAdapterBatch and a latent keyframe for each", with_pictures(of_each())),
    on_teacher(PACK, "core ControlNet, one hint", control(kind="core")),
    on_teacher(PACK, "core ControlNet, 4 hints", control(4, kind="core")),
    on_teacher(PACK, "IPAdapterBatch and core ControlNet, 4 hints", with_pictures(control(4, kind="core"))),
]
