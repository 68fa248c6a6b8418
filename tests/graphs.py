"""Graphs in ComfyUI's API format, as a person would wire them."""

import itertools
from typing import Any

Graph = dict[str, dict[str, Any]]
PROMPT = "a red circle left of a blue square on sand"


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def adaptive_graph(prompt: Any = PROMPT, k: float = 50.0, batch: int = 4, seed: Any = 1, steps: int = 5) -> Graph:
    """Demo models: student, score, gate, refine, merge. prompt and seed may be links to lists."""
    return {
        **student_part(prompt, batch, seed),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["student_images", 0], prompt=prompt),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=k),
        **teacher_part(prompt, seed, steps),
        "merge": node(
            "AdaptiveMerge",
            decision=["gate", 0],
            student=["student_images", 0],
            improved=["teacher_images", 0],
            size="student",
            width=64,
            height=64,
            resize_method="bicubic",
        ),
        "save": node("SaveImage", images=["merge", 0], filename_prefix="adaptive"),
    }


def student_part(prompt: Any, batch: int, seed: Any) -> Graph:
    return {
        "student_models": node("AdaptiveLoadDemoModels", role="student"),
        "student_prompt": node("CLIPTextEncode", clip=["student_models", 1], text=prompt),
        "empty": node("EmptyLatentImage", width=64, height=64, batch_size=batch),
        "student": node(
            "AdaptiveStudentSample",
            model=["student_models", 0],
            positive=["student_prompt", 0],
            latent_image=["empty", 0],
            seed=seed,
            steps=2,
            cfg=1.0,
            sampler_name="lcm",
            scheduler="lcm",
            denoise=1.0,
        ),
        "student_images": node("VAEDecode", samples=["student", 0], vae=["student_models", 2]),
    }


def teacher_part(prompt: Any, seed: Any, steps: int) -> Graph:
    return {
        "teacher_models": node("AdaptiveLoadDemoModels", role="teacher"),
        "teacher_prompt": node("CLIPTextEncode", clip=["teacher_models", 1], text=prompt),
        "teacher_negative": node("CLIPTextEncode", clip=["teacher_models", 1], text=""),
        "teacher": node(
            "AdaptiveTeacherRefine",
            decision=["gate", 0],
            latent=["student", 0],
            model=["teacher_models", 0],
            positive=["teacher_prompt", 0],
            negative=["teacher_negative", 0],
            seed=seed,
            steps=steps,
            cfg=3.0,
            sampler_name="unipc_diffusers",
            scheduler="uniform",
            rollback=0.7,
            rollback_scale="schedule",
            max_batch=16,
        ),
        "teacher_images": node("VAEDecode", samples=["teacher", 0], vae=["student_models", 2]),
    }


def holding_graph(prompts: list[str], first_seed: int, folder: str = "held", k: float = 100.0, batch: int = 4) -> Graph:
    """Demo student, score and gate of many prompts, whose rejected images are held; accepted ones are saved."""
    graph = adaptive_graph(["prompts", 0], k, batch, ["seeds", 1])
    student = {name: graph[name] for name in (*student_part("", 1, 1), "estimator", "scores", "gate")}
    links = {"decision": ["gate", 0], "images": ["student_images", 0], "latent": ["student", 0]}
    return {
        "prompts": node("TestLines", text="\n".join(prompts)),
        "seeds": node("TestNumbers", text=" ".join(str(first_seed + i) for i in range(len(prompts)))),
        **changed(student, "gate", student=["student", 1]),
        "hold": node("AdaptiveHoldRejected", **links, folder=folder),
        "save": node("AdaptiveSaveImages", images=["hold", 0], decision=["hold", 1], filename_prefix="day"),
    }


def taking_graph(folder: str = "held", most: int = 64, steps: int = 5, max_batch: int = 16) -> Graph:
    """Demo teacher for held images, merged."""
    taken = {"decision": ["take", 0], "latent": ["take", 1]}
    graph = teacher_part(["take", 3], ["take", 4], steps)
    merge = {"decision": ["take", 0], "student": ["take", 2], "improved": ["teacher_images", 0]}
    sizes = {"size": "student", "width": 64, "height": 64, "resize_method": "bicubic"}
    return {
        "take": node("AdaptiveTakeHeld", folder=folder, most=most),
        **changed(changed(graph, "teacher", **taken, max_batch=max_batch), "teacher_images", vae=["teacher_models", 2]),
        "merge": node("AdaptiveMerge", **merge, **sizes),
        "shown": node("PreviewImage", images=["merge", 0]),
    }


def keep(graph: Graph, **links: list) -> Graph:
    """The graph with an output node for each link, under the link's name."""
    return {**graph, **{f"keep_{name}": node("TestKeep", name=name, value=link) for name, link in links.items()}}


def changed(graph: Graph, node_id: str, /, **inputs: Any) -> Graph:
    """The graph with other inputs on one node; None takes an input away."""
    merged = {**graph[node_id]["inputs"], **inputs}
    kept = {key: value for key, value in merged.items() if value is not None}
    return {**graph, node_id: {**graph[node_id], "inputs": kept}}


def demo_prompts(count: int) -> list[str]:
    """Up to 1,600 different prompts that the demo models understand."""
    colours, shapes = ("red", "green", "blue", "yellow", "purple"), ("circle", "square", "triangle", "cross")
    scenes = itertools.product(("white", "black", "sand", "sky"), colours, shapes, colours, shapes)
    every = (f"a {one} {shape} left of a {two} {other} on {ground}" for ground, one, shape, two, other in scenes)
    return list(itertools.islice(every, count))


TEACHER = {
    "teacher_steps": 3,
    "teacher_cfg": 2.0,
    "teacher_sampler": "unipc_diffusers",
    "teacher_scheduler": "uniform",
    "rollback": 0.7,
    "rollback_scale": "schedule",
}


def gate_calibration_graph(name: str, prompts: list[str], batch: int = 4, seed: int = 7, **changes: Any) -> Graph:
    """Fit a gate to the demo student's and teacher's images; changes: of the calibrating node."""
    return _with_teacher(calibration_graph(name, prompts, batch, seed), "AdaptiveCalibrateGate", TEACHER | changes)


TRIED = {
    "student_steps": "1, 2",
    "teacher_steps": "3, 5",
    "rollback": "0.7",
    "strategies": "refine",
    "budgets": "3, 6",
}


def tuning_graph(name: str, prompts: list[str], batch: int = 8, seed: int = 7, **changes: Any) -> Graph:
    """Tune the demo models; changes: of the tuning node."""
    return _with_teacher(calibration_graph(name, prompts, batch, seed), "AdaptiveTune", TEACHER | TRIED | changes)


def _with_teacher(graph: Graph, class_type: str, settings: dict[str, Any]) -> Graph:
    """A calibration graph whose calibrating node is another, with a teacher."""
    inputs = graph["calibrate"]["inputs"] | {"teacher_model": ["teacher", 0], "teacher_clip": ["teacher", 1]}
    return graph | {
        "teacher": node("AdaptiveLoadDemoModels", role="teacher"),
        "nothing": node("CLIPTextEncode", clip=["teacher", 1], text=""),
        "calibrate": node(class_type, **inputs, teacher_negative=["nothing", 0], **settings),
    }


def calibration_graph(name: str, prompts: list[str], batch: int = 4, seed: int = 7, **student: Any) -> Graph:
    """Calibrate the demo student into the table `name`."""
    settings = {"steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "trailing", "denoise": 1.0} | student
    return {
        "models": node("AdaptiveLoadDemoModels", role="student"),
        "text": node("CLIPTextEncode", clip=["models", 1], text=prompts[0]),
        "empty": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "student": node(
            "AdaptiveStudentSample",
            model=["models", 0],
            positive=["text", 0],
            negative=["text", 0],
            latent_image=["empty", 0],
            seed=1,
            **settings,
        ),
        "estimator": node("AdaptiveLoadEstimator", estimator="demo"),
        "prompts": node("TestLines", text="\n".join(prompts)),
        "calibrate": node(
            "AdaptiveCalibrate",
            model=["models", 0],
            clip=["models", 1],
            vae=["models", 2],
            estimator=["estimator", 0],
            student=["student", 1],
            prompts=["prompts", 0],
            name=name,
            seed=seed,
            batch=batch,
        ),
    }
