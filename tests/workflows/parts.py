"""What a workflow is: a graph in API format whose nodes have names, and where on the page they stand."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Graph = dict[str, dict[str, Any]]
Columns = tuple[tuple[str, ...], ...]

GREEN, YELLOW, BLUE, GREY = "#8A8", "#b58b2a", "#3f789e", "#888"
NOTE = "note:"
PROMPT = ["prompt", 0]


class ModelFile(NamedTuple):
    """A file that a workflow needs, where it comes from, and its folder in ComfyUI/models."""

    name: str
    url: str
    directory: str


class Group(NamedTuple):
    """A box around columns, from left to right; a column names nodes and `note:` files, from top to bottom.

    Without a title there is no box. folded: it is a subgraph, which stands on the page as one node.
    """

    title: str
    color: str
    columns: Columns
    folded: bool = False


class Box(NamedTuple):
    """Part of a thumbnail that is a diagram."""

    title: str
    text: str


@dataclass(frozen=True)
class Workflow:
    """An example. runs: it needs no file that the pack or a command of its own does not bring.

    shown: the node whose picture is the thumbnail. card: without one, the diagram that is.
    preset: whose settings it has. page: where groups that are folded stand, by their titles; without any, as in groups.
    sizes: width and height of nodes that are not to have the usual ones, by name.
    """

    name: str
    graph: Graph
    groups: tuple[Group, ...]
    models: tuple[ModelFile, ...] = ()
    runs: bool = False
    shown: str = ""
    card: tuple[Box, ...] = ()
    preset: str = ""
    page: tuple[Group, ...] = ()
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def node(class_type: str, title: str | None = None, /, **inputs: Any) -> dict[str, Any]:
    """A node; inputs that are not stated, or are None, keep their defaults or wait for a link from outside."""
    stated = {name: value for name, value in inputs.items() if value is not None}
    made: dict[str, Any] = {"class_type": class_type, "inputs": stated}
    return made if title is None else {**made, "_meta": {"title": title}}


def prompt_node(text: str) -> Graph:
    """The one text that encoders and Quality Score read."""
    return {"prompt": node("PrimitiveStringMultiline", "Prompt", value=text)}


def encoded(clip: list | None, title: str, text: Any = PROMPT) -> dict[str, Any]:
    return node("CLIPTextEncode", title, clip=clip, text=text)


def decoded(samples: str, vae: list | None) -> dict[str, Any]:
    return node("VAEDecode", samples=[samples, 0], vae=vae)


def drawn(model: list | None, vae: list | None, **settings: Any) -> Graph:
    """Student Sample, and its images."""
    stated = {"positive": ["positive", 0], "latent_image": ["size", 0], "seed": 1, **settings}
    return {
        "student": node("AdaptiveStudentSample", model=model, **stated),
        "student_images": decoded("student", vae),
    }


def judge(estimator: str, **gate: Any) -> Graph:
    """Estimator, scores of `student_images`, and the gate with its settings."""
    return {
        "estimator": node("AdaptiveLoadEstimator", estimator=estimator),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["student_images", 0], prompt=PROMPT),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], student=["student", 1], **gate),
    }


def refined(model: list | None, positive: list, negative: list, vae: list | None, **settings: Any) -> Graph:
    """Teacher Refine on the student's latent, and its images."""
    return {
        "teacher": node(
            "AdaptiveTeacherRefine",
            **{"decision": ["gate", 0], "latent": ["student", 0], "seed": 1, **settings},
            model=model,
            positive=positive,
            negative=negative,
        ),
        "teacher_images": decoded("teacher", vae),
    }


def result(prefix: str, **merge: Any) -> Graph:
    """`teacher_images` merged into `student_images`, and saved."""
    links = {"decision": ["gate", 0], "student": ["student_images", 0], "improved": ["teacher_images", 0]}
    return {
        "merged": node("AdaptiveMerge", **links, **merge),
        "save": node("SaveImage", images=["merged", 0], filename_prefix=prefix),
    }


def about(*column: str) -> Group:
    """The first column, to the left of everything: what this is, and the prompt."""
    return Group("", "", (column,))


def student_group(*columns: tuple[str, ...]) -> Group:
    return Group("Student", GREEN, columns)


def judge_group() -> Group:
    return Group("Judge", YELLOW, (("estimator", "scores", "gate"),))


def teacher_group(*columns: tuple[str, ...]) -> Group:
    return Group("Teacher: rejected only", BLUE, columns)


def result_group(*columns: tuple[str, ...]) -> Group:
    return Group("Result", GREY, columns or (("merged", "save"),))
