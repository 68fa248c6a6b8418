"""Four images, of which a teacher that a pack's nodes work on refines two; the teacher's nodes are named teacher_*."""

from dataclasses import dataclass, field
from typing import Any

from graphs import Graph, node

Link = list[Any]
STEPS, CFG, SEED = 4, 3.0, 7
REJECTED = [1, 3]
SCORES = "3 1 4 2"


@dataclass
class Teacher:
    """The nodes of a pack, by what stands behind "teacher_" in their ids, and what the teacher node is linked to.

    inputs: other values of the teacher node's inputs.
    """

    nodes: Graph = field(default_factory=dict)
    model: Link = field(default_factory=lambda: ["teacher_model", 0])
    positive: Link = field(default_factory=lambda: ["teacher_positive", 0])
    negative: Link = field(default_factory=lambda: ["teacher_negative", 0])
    inputs: dict[str, Any] = field(default_factory=dict)
    topology: str = "SD15"

    def graph(self) -> Graph:
        return {
            "teacher_model": node("PacksModel", topology=self.topology),
            "teacher_positive": text("a red circle left of a blue square"),
            "teacher_negative": text("grey"),
            **{f"teacher_{name}": one for name, one in self.nodes.items()},
        }

    def links(self) -> dict[str, Link]:
        return {"model": self.model, "positive": self.positive, "negative": self.negative}


def text(prompt: str) -> dict[str, Any]:
    return node("CLIPTextEncode", clip=["teacher_model", 1], text=prompt)


def on_model(class_type: str, **inputs: Any) -> Teacher:
    """A teacher whose model goes through one node."""
    return Teacher({"patch": node(class_type, model=["teacher_model", 0], **inputs)}, model=["teacher_patch", 0])


def refined(teacher: Teacher, k: float) -> Graph:
    own = {"rollback": 0.7, "rollback_scale": "schedule", "sampler_name": "unipc_diffusers", "scheduler": "uniform"}
    return _merged(teacher, k, "AdaptiveTeacherRefine", own)


def regenerated(teacher: Teacher, k: float) -> Graph:
    return _merged(teacher, k, "AdaptiveTeacherRegenerate", {"sampler_name": "euler", "scheduler": "normal"})


def _merged(teacher: Teacher, k: float, class_type: str, own: dict[str, Any]) -> Graph:
    inputs = {"seed": SEED, "steps": STEPS, "cfg": CFG, "max_batch": 16, **own, **teacher.inputs, **teacher.links()}
    return {
        **teacher.graph(),
        "student": node("PacksRandom", rows=4, seed=1),
        "scores": node("TestNumbers", text=SCORES),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=k),
        "teacher": node(class_type, decision=["gate", 0], latent=["student", 0], **inputs),
        "merge": node(
            "AdaptiveMerge",
            decision=["gate", 0],
            student=["student", 0],
            improved=["teacher", 0],
            size="student",
            width=64,
            height=64,
            resize_method="bicubic",
        ),
        "save": node("PacksSave", value=["merge", 0]),
    }


def drawn_by_core(teacher: Teacher) -> Graph:
    """What `regenerated` draws, of all four images, by KSampler."""
    own = {"seed": SEED, "steps": STEPS, "cfg": CFG, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    empty = node("EmptyLatentImage", width=128, height=128, batch_size=4)
    sampler = node("KSampler", latent_image=["empty", 0], **own, **teacher.links())
    save = node("PacksSave", value=["sampler", 0])
    return {**teacher.graph(), "empty": empty, "sampler": sampler, "save": save}
