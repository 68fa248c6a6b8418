"""The pack's nodes beside the same work wired by hand from ComfyUI's own nodes, in one ComfyUI and in turns.

    python -m benchmarks.overhead [--rounds 40]

Needs ComfyUI (see CONTRIBUTING.md). Student Sample, Threshold Gate, Teacher Refine and Merge against KSampler,
LatentFromBatch, ImageFromBatch and ImageBatch; the demo models, VAE Decode and Quality Score are in both. Either every
image is accepted, or the first half of the batch is rejected. "score alone" in place of Quality Score, too, is a node
that calls the estimator and does nothing else. Evaluations are counted by hooks and must be equal. Seconds are the
processor's, of one thread; ratios are the median of paired runs. Memory is that of a process of its own.
"""

import argparse
import itertools
from functools import partial
from typing import Any, NamedTuple

import torch

from adaptive_diffusion.standalone.counting import counting
from benchmarks import in_comfyui
from benchmarks.memory import apart, held, peak_of
from benchmarks.timing import Seconds, median, median_ratio, table, timed
from tests.graphs import PROMPT, Graph, adaptive_graph, changed, keep, node

STEPS, CFG, ROLLBACK = 8, 2.0, 0.7
OURS, CORE, BARE = "our nodes", "core nodes", "core nodes, score alone"
HEADER = [
    "batch",
    "rejected",
    "graph",
    "evaluations",
    "ms",
    "ours / this",
    "ours / this (wall)",
    "peak MiB",
    "adds MiB",
]


class Case(NamedTuple):
    batch: int
    rejected: int


CASES = (Case(8, 0), Case(32, 0), Case(8, 4), Case(32, 16))


class ScoreAlone:
    """What Quality Score is for, and nothing else."""

    RETURN_TYPES = ("FLOAT",)
    FUNCTION = "run"
    CATEGORY = "benchmarks"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"estimator": ("QUALITY_ESTIMATOR",), "images": ("IMAGE",), "prompt": ("STRING", {})}}

    def run(self, estimator: Any, images: torch.Tensor, prompt: str) -> tuple:
        return (estimator.score(images, [prompt] * len(images)),)


def ours(case: Case, seed: int) -> Graph:
    graph = changed(adaptive_graph(batch=case.batch, seed=seed, steps=STEPS, k=0), "student", steps=1)
    graph = changed(graph, "teacher", sampler_name="euler", cfg=CFG, rollback=ROLLBACK)
    graph = changed(graph, "gate", reject_indices=", ".join(map(str, range(case.rejected))))
    del graph["save"]
    return keep(graph, images=["merge", 0])


def by_hand(case: Case, seed: int, scoring: str = "AdaptiveQualityScore") -> Graph:
    """The same in core's nodes."""
    same = ours(case, seed)
    graph = {name: same[name] for name in ("student_models", "student_prompt", "empty", "student_images", "estimator")}
    graph["student_negative"] = node("CLIPTextEncode", clip=["student_models", 1], text="")
    graph["student"] = ksampler("student", ["empty", 0], seed, steps=1, cfg=1.0, denoise=1.0, sampler_name="lcm")
    graph["scores"] = node(scoring, estimator=["estimator", 0], images=["student_images", 0], prompt=PROMPT)
    graph = keep(graph, scores=["scores", 0])
    if not case.rejected:
        return keep(graph, images=["student_images", 0])
    teacher = {name: same[name] for name in ("teacher_models", "teacher_prompt", "teacher_negative", "teacher_images")}
    return keep({**graph, **teacher, **improving(case, seed)}, images=["merge", 0])


def improving(case: Case, seed: int) -> Graph:
    count = case.rejected
    rest = node("ImageFromBatch", image=["student_images", 0], batch_index=count, length=case.batch - count)
    return {
        "part": node("LatentFromBatch", samples=["student", 0], batch_index=0, length=count),
        "teacher": ksampler("teacher", ["part", 0], seed, steps=STEPS, cfg=CFG, denoise=ROLLBACK, sampler_name="euler"),
        "rest": rest,
        "merge": node("ImageBatch", image1=["teacher_images", 0], image2=["rest", 0]),
    }


def ksampler(role: str, latent: list, seed: int, **settings: Any) -> dict[str, Any]:
    links = {"model": [f"{role}_models", 0], "positive": [f"{role}_prompt", 0], "negative": [f"{role}_negative", 0]}
    return node("KSampler", latent_image=latent, seed=seed, scheduler="normal", **links, **settings)


GRAPHS = {OURS: ours, CORE: by_hand, BARE: partial(by_hand, scoring="ScoreAlone")}


def start() -> Any:
    app = in_comfyui.boot()
    import nodes as core

    core.NODE_CLASS_MAPPINGS["ScoreAlone"] = ScoreAlone
    return app


def rounds(app: Any, case: Case, count: int) -> tuple[dict[str, list[Seconds]], int]:
    """The seconds of every graph in every round, and the evaluations that each of them takes; SystemExit if unequal."""
    unets = in_comfyui.networks(app, ours(case._replace(rejected=1), 0))
    kept: dict[str, list[Seconds]] = {name: [] for name in GRAPHS}
    rows = set()
    fresh = itertools.count(1)
    for number in range(count + 1):
        for name, graph in GRAPHS.items():
            with counting(*unets) as counted:
                seconds = timed(partial(in_comfyui.run, app, graph(case, next(fresh))))
            kept[name] += [seconds] * (number > 0)
            rows.add(counted.rows)
    if rows != {expected := case.batch + 2 * STEPS * case.rejected}:
        raise SystemExit(f"evaluations are {rows}, not {expected}")
    return kept, expected


def peak(name: str, case: Case) -> tuple[float, float]:
    """MiB that the process comes to hold, and how much of it a run adds to the loaded models."""
    app = start()
    in_comfyui.run(app, GRAPHS[name](case, 0))
    added = peak_of(partial(in_comfyui.run, app, GRAPHS[name](case, 1)))
    return held("VmHWM"), added


def rows_of(app: Any, case: Case, count: int, peaks: dict[tuple[str, Case], tuple[float, float]]) -> list[list[str]]:
    kept, evaluations = rounds(app, case, count)
    lines = []
    for name in GRAPHS:
        times, (total, added) = median_ratio(kept[OURS], kept[name]), peaks[name, case]
        cells = [
            str(case.batch),
            str(case.rejected),
            name,
            str(evaluations),
            f"{1000 * median(kept[name]).processor:.0f}",
        ]
        lines.append([*cells, f"{times.processor:.3f}", f"{times.wall:.3f}", f"{total:.0f}", f"{added:.0f}"])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    count = parser.parse_args().rounds
    in_comfyui.rerun("benchmarks.overhead")
    peaks = {(name, case): apart(peak, name, case) for case in CASES for name in GRAPHS}
    app = start()
    print(table(HEADER, [line for case in CASES for line in rows_of(app, case, count, peaks)]))


if __name__ == "__main__":
    main()
