"""How the cost of an image grows with the batch, the number of prompts and the image's size, in ComfyUI.

    python -m benchmarks.growth [--rounds 8] [--plot docs/growth.png]

Needs ComfyUI (see CONTRIBUTING.md). The whole graph at k = 50 on the demo models: student, score, gate, teacher on the
worse half, merge. Prompts come as a list, one image each. Every round runs every size once. Seconds are the
processor's, of one thread; ratios are the median of paired runs. Evaluations are counted by hooks and must equal the
formula.
"""

import argparse
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from adaptive_diffusion.standalone.counting import counting
from benchmarks import in_comfyui, plots
from benchmarks.timing import Seconds, median, median_ratio, table, timed
from tests.graphs import Graph, adaptive_graph, changed, demo_prompts, keep, node

STEPS, K = 8, 50.0
HEADER = ["", "images", "evaluations of an image", "ms of an image", "times the base", "(wall)"]
FRESH = itertools.count(1)


class Series(NamedTuple):
    """One thing that grows. graph: of a size and a fresh number. images: in a run of a size. base: what is compared."""

    name: str
    graph: Callable[[int, int], Graph]
    images: Callable[[int], int]
    sizes: Sequence[int]
    base: int


def of_batch(size: int, fresh: int) -> Graph:
    return whole(adaptive_graph(batch=size, seed=fresh, steps=STEPS, k=K))


def of_prompts(size: int, fresh: int) -> Graph:
    lines = node("TestLines", text="\n".join(demo_prompts(size + fresh % 100)[-size:]))
    return whole(adaptive_graph(prompt=["lines", 0], batch=1, seed=fresh, steps=STEPS, k=K)) | {"lines": lines}


def of_size(size: int, fresh: int) -> Graph:
    return changed(of_batch(4, fresh), "empty", width=size, height=size)


def whole(graph: Graph) -> Graph:
    graph = changed(changed(graph, "student", steps=1), "teacher", cfg=2.0)
    return keep({name: one for name, one in graph.items() if name != "save"}, images=["merge", 0])


SERIES = (
    Series("batch", of_batch, lambda size: size, (2, 4, 8, 16, 32, 64), 8),
    Series("prompts", of_prompts, lambda size: size, (2, 10, 50, 150, 500), 50),
    Series("pixels a side", of_size, lambda size: 4, (64, 96, 128, 192), 64),
)


def measure(app: Any, series: Series, unets: list[torch.nn.Module], rounds: int) -> dict[int, list[Seconds]]:
    """Seconds of one image, for each size in every round; the first round is not kept."""
    kept: dict[int, list[Seconds]] = {size: [] for size in series.sizes}
    for number in range(rounds + 1):
        for size in series.sizes:
            images = series.images(size)
            with counting(*unets) as counted:
                taken = timed(partial(in_comfyui.run, app, series.graph(size, next(FRESH))))
            if counted.rows != expected(images):
                raise SystemExit(f"evaluations are {counted.rows}, not {expected(images)}")
            kept[size] += [Seconds(*(each / images for each in taken))] * (number > 0)
    return kept


def expected(images: int) -> int:
    """Evaluations by the formula: those under the median of the run's scores are rejected."""
    return images + 2 * STEPS * (images // 2)


def rows_of(series: Series, kept: dict[int, list[Seconds]]) -> list[list[str]]:
    lines = []
    for size in series.sizes:
        images, times = series.images(size), median_ratio(kept[size], kept[series.base])
        each = 1 + 2 * STEPS * (images // 2) / images
        cells = [
            f"{each:g}",
            f"{1000 * median(kept[size]).processor:.1f}",
            f"{times.processor:.3f}",
            f"{times.wall:.3f}",
        ]
        lines.append([f"{series.name} {size}", str(images), *cells])
    return lines


def plot(found: dict[str, dict[int, list[Seconds]]], path: Path) -> None:
    drawing, axes = plots.figure(
        "The cost of an image at k = 50", "batch, or number of prompts", "processor ms per image"
    )
    for name in ("batch", "prompts"):
        sizes = list(found[name])
        axes.plot(sizes, [1000 * median(found[name][size]).processor for size in sizes], "o-", label=name)
    axes.set(xscale="log", ylim=(0, None))
    axes.legend()
    plots.save(drawing, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    in_comfyui.rerun("benchmarks.growth")
    app = in_comfyui.boot()
    unets = in_comfyui.networks(app, of_batch(2, next(FRESH)))
    found = {series.name: measure(app, series, unets, options.rounds) for series in SERIES}
    print(table(HEADER, [line for series in SERIES for line in rows_of(series, found[series.name])]))
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
