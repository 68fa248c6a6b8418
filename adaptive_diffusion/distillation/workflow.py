"""A graph for ComfyUI that uses a student, in the form of its API, which its page opens as well."""

from typing import Any

DEMO_PROMPT = "a red circle left of a blue square on sand"
ESTIMATOR = "ImageReward.pt"
PROMPT = "a lighthouse on a cliff in the evening light, oil painting"
DIFFUSION = {"sampler_name": "unipc_diffusers", "scheduler": "uniform", "rollback_scale": "schedule"}
FLOW = {"sampler_name": "res_multistep", "scheduler": "simple", "rollback_scale": "variance"}
Node = dict[str, Any]


def graph(
    name: str,
    student: dict[str, Any],
    teacher: dict[str, Any],
    size: tuple[int, int],
    table: str,
    estimator: str,
    checkpoint: str | None,
    extra: list[Node],
    flow: bool = False,
) -> dict[str, Node]:
    """The student draws, what its table rejects is refined by the teacher; both come from one loader.

    student, teacher: how they are run, as the demo's settings. table: the gate's. estimator: as its loader lists it.
    checkpoint: the teacher's file, unless it is the demo's. extra: nodes that make the student's model, each given the
    one before as its `model`. flow: whether the models predict a flow.
    """
    prompt = PROMPT if checkpoint else DEMO_PROMPT
    nodes: dict[str, Node] = {"1": _loader(checkpoint)}
    model = _chained(nodes, extra)
    return (
        nodes
        | _student(model, student, prompt, size)
        | _gate(prompt, estimator, table)
        | _teacher(teacher, size, name, flow)
    )


def _student(model: list[Any], settings: dict[str, Any], prompt: str, size: tuple[int, int]) -> dict[str, Node]:
    sampled = {"steps": settings["steps"], "cfg": 1.0, "sampler_name": "lcm", "scheduler": "lcm"}
    linked = {"model": model, "positive": ["3", 0], "latent_image": ["5", 0]}
    return {
        "3": _node("CLIPTextEncode", clip=["1", 1], text=prompt),
        "4": _node("CLIPTextEncode", clip=["1", 1], text=""),
        "5": _node("EmptyLatentImage", width=size[0], height=size[1], batch_size=4),
        "6": _node("AdaptiveStudentSample", **linked, **sampled, seed=1, denoise=1.0),
        "7": _node("VAEDecode", samples=["6", 0], vae=["1", 2]),
    }


def _gate(prompt: str, estimator: str, table: str) -> dict[str, Node]:
    return {
        "8": _node("AdaptiveLoadEstimator", estimator=estimator),
        "9": _node("AdaptiveQualityScore", estimator=["8", 0], images=["7", 0], prompt=prompt),
        "10": _node("AdaptiveThresholdGate", scores=["9", 0], table=table, k=30.0, student=["6", 1]),
    }


def _teacher(settings: dict[str, Any], size: tuple[int, int], name: str, flow: bool) -> dict[str, Node]:
    """From the gate's verdicts to the saved images, called `name`."""
    linked = {"decision": ["10", 0], "latent": ["6", 0], "model": ["1", 0], "positive": ["3", 0], "negative": ["4", 0]}
    sampled = {key: settings[key] for key in ("steps", "cfg", "rollback")}
    sampled |= FLOW if flow else DIFFUSION
    merged = {"decision": ["10", 0], "student": ["7", 0], "improved": ["12", 0], "resize_method": "bicubic"}
    return {
        "11": _node("AdaptiveTeacherRefine", **linked, **sampled, seed=1, max_batch=16),
        "12": _node("VAEDecode", samples=["11", 0], vae=["1", 2]),
        "13": _node("AdaptiveMerge", **merged, size="student", width=size[0], height=size[1]),
        "14": _node("SaveImage", images=["13", 0], filename_prefix=name),
    }


def load_lora(file: str) -> Node:
    return _node("LoraLoaderModelOnly", lora_name=file, strength_model=1.0)


def load_unet(file: str) -> Node:
    return _node("UNETLoader", unet_name=file, weight_dtype="default")


def lcm_guidance(file: str, guidance: float) -> Node:
    return _node("AdaptiveLCMGuidance", unet_name=file, guidance=guidance)


def model_sampling(kind: str, zero_snr: bool) -> Node:
    return _node("ModelSamplingDiscrete", sampling=kind, zsnr=zero_snr)


def _loader(checkpoint: str | None) -> Node:
    if checkpoint:
        return _node("CheckpointLoaderSimple", ckpt_name=checkpoint)
    return _node("AdaptiveLoadDemoModels", role="teacher")


def _chained(nodes: dict[str, Node], extra: list[Node]) -> list[Any]:
    """Add nodes, each linked to the one before unless it loads a model of its own; the last one's output."""
    link: list[Any] = ["1", 0]
    for number, node in enumerate(extra):
        key = str(20 + number)
        own = {} if node["class_type"] == "UNETLoader" else {"model": link}
        nodes[key] = {**node, "inputs": {**own, **node["inputs"]}}
        link = [key, 0]
    return link


def _node(kind: str, **inputs: Any) -> Node:
    return {"class_type": kind, "inputs": inputs}
