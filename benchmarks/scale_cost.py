"""What units and Ray cost, on the demo models.

    python -m benchmarks.scale_cost units --old FOLDER [--prompts 500] [--rounds 3]
    python -m benchmarks.scale_cost fill [--prompts 512]
    python -m benchmarks.scale_cost ray [--units 200]
    python -m benchmarks.scale_cost wall [--rounds 3]      # on two processors and an idle machine

units: the seconds of processor of `generate`, here and in an older checkout, in rounds that take turns. fill:
how full the teacher's batches are, and how long a card takes on which part of a batch costs as much as a whole one, by
units of 64 and of 8. ray: the processor's milliseconds of all of Ray's processes for each unit, where nothing is drawn,
beside those of an image that is. wall: images a second by one worker and by two, once a third is drawn: by then all
have loaded their models.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from adaptive_diffusion.prompts import described
from adaptive_diffusion.scale import cluster, sharded, stores
from adaptive_diffusion.scale.models import WithPipeline
from benchmarks.scale_dry import NoDrawing, NoStore
from benchmarks.timing import table
from tests.graphs import demo_prompts

PACK = Path(__file__).resolve().parents[1]
BATCH = 8
FILL_K = 62.5  # at which half of these prompts' images are rejected


def prompt_file(folder: Path, count: int) -> Path:
    path = folder / "prompts.txt"
    path.write_text("\n".join(demo_prompts(count)))
    return path


def processor(pack: Path, prompts: Path, out: Path) -> float:
    """Seconds of the processor that `generate` of a checkout takes."""
    command = [sys.executable, "-m", "adaptive_diffusion", "generate", f"--prompts={prompts}", f"--out={out}", "--k=50"]
    before = os.times()
    subprocess.run(command, cwd=pack, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(pack)})
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def units(old: Path, count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        prompts, ratios, rows = prompt_file(base, count), [], []
        for number in range(rounds):
            order = [("new", PACK), ("old", old)][:: -1 if number % 2 else 1]
            found = {name: processor(pack, prompts, base / f"{name}{number}") for name, pack in order}
            ratios.append(found["new"] / found["old"])
            cells = [f"{1000 * found[name] / count:.1f}" for name in ("old", "new")]
            rows.append([str(number), *cells, f"{ratios[-1]:.3f}"])
            print(rows[-1], flush=True)
    print(table(["round", "old ms an image", "new ms an image", "new / old"], rows))
    print(f"median {statistics.median(ratios):.3f}")


class Counted:
    """How often a network is called, by the rows of each call."""

    def __init__(self, network):
        self.rows: list[int] = []
        network.register_forward_pre_hook(lambda _, given: self.rows.append(len(given[0])))


def demo_pipeline():
    from adaptive_diffusion.standalone import demo, models
    from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline

    loaded = [load(models.DEMO, "cpu", "float32") for load in (models.load_student, models.load_teacher)]
    return AdaptiveDiffusionPipeline(demo.load_estimator(), *loaded)


def demo_settings(k: float = 50.0) -> dict:
    from adaptive_diffusion.standalone import demo, models

    student, teacher = demo.settings()["student"], demo.settings()["teacher"]
    return {
        **{"num_inference_steps_student": student["steps"], "student_guidance": student["cfg"]},
        **{"num_inference_steps_teacher": teacher["steps"], "teacher_guidance": teacher["cfg"]},
        **{"sigma": teacher["rollback"], "batch_size": BATCH, "k": k, "table": models.load_table("Demo")},
    }


def drawer(k: float = 50.0) -> WithPipeline:
    return WithPipeline(demo_pipeline(), 0, demo_settings(k))


def fill(count: int) -> None:
    """Rows of the teacher's batches over those they could have; calls of both networks, each as dear as any other."""
    made, prompts, rows, calls = drawer(FILL_K), demo_prompts(count), [], {}
    networks = [Counted(pipeline.unet) for pipeline in (made.pipeline.student, made.pipeline.teacher)]
    for unit in (BATCH, 64):
        for network in networks:
            network.rows.clear()
        rejected = 0
        for first in range(0, count, unit):
            kept, _ = made.draw(prompts[first : first + unit], slice(first, first + unit))
            rejected += sum(record["verdict"] != "accepted" for record in kept)
        taught = networks[1].rows
        calls[unit] = len(networks[0].rows) + len(taught)
        full = sum(taught) / (max(taught) * len(taught))
        rows.append([str(unit), f"{rejected / count:.2f}", f"{full:.2f}", str(calls[unit])])
    print(table(["unit", "p", "teacher's fill", "calls of both networks"], rows))
    print(f"where a part of a batch costs as much as a whole one: {calls[BATCH] / calls[64]:.2f} times as fast")


class Unkept(sharded.ShardedRun):
    """A run that keeps nothing."""

    def put(self, unit, records, pictures):
        pass


def ray(count: int) -> None:
    """The difference between many units and few, so that what Ray takes to begin is left out."""
    prompts, taken = demo_prompts(64) * count, []
    with cluster.connected(cluster.LOCAL, 1) as workers:
        for units in (count // 10, count):
            run = Unkept(NoStore(), {"prompts": {"count": 64 * units, "seed": 0}, "unit": 64})
            before, since = family_seconds(), time.perf_counter()
            done = len([*cluster.draw(cluster.Work(run, NoDrawing), run.missing(), prompts, workers)])
            assert done == units
            taken.append((units, family_seconds() - before, time.perf_counter() - since))
    each = (taken[1][1] - taken[0][1]) / (taken[1][0] - taken[0][0])
    made, begun = drawer(), time.process_time()
    made.draw(prompts[:64], slice(0, 64))
    begun = time.process_time()
    made.draw(prompts[:64], slice(0, 64))
    image = (time.process_time() - begun) / 64
    print(taken)
    print(
        f"Ray: {1000 * each:.1f} ms of processor a unit, {1000 * each / 64:.2f} an image; an image is "
        f"{1000 * image:.1f} ms here: {each / 64 / image:.2%}"
    )


def family_seconds() -> float:
    """The processor's seconds of this process and all that it has started, those that ended among them."""
    me, total = psutil.Process(), 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            continue
    return total


def wall(rounds: int) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for workers in (1, 2)[:: -1 if number % 2 else 1]:
            rates[workers].append(_rate(workers))
            print(workers, f"{rates[workers][-1]:.2f} images a second", flush=True)
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    print(f"medians {one:.2f} and {two:.2f} images a second: {two / one:.2f} times")


def _rate(workers: int, count: int = 2880, unit: int = 64) -> float:
    with tempfile.TemporaryDirectory() as folder:
        prompts = demo_prompts(count)
        run = sharded.opened(stores.Folder(Path(folder)), {"prompts": described(prompts, 0)}, prompts, unit)
        with cluster.connected(cluster.LOCAL, workers):
            told = [*_times(cluster.draw(cluster.Work(run, drawer), run.missing(), prompts, workers))]
    loaded = len(told) // 3
    return (len(told) - 1 - loaded) * unit / (told[-1] - told[loaded])


def _times(told: Iterator[object]) -> Iterator[float]:
    for _ in told:
        yield time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("units", "fill", "ray", "wall"))
    parser.add_argument("--old", type=Path, help="a checkout of an older commit")
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--units", type=int, default=200)
    options = parser.parse_args()
    if options.what == "units":
        units(options.old, options.prompts, options.rounds)
    elif options.what == "fill":
        fill(options.prompts)
    elif options.what == "ray":
        ray(options.units)
    else:
        wall(options.rounds)


if __name__ == "__main__":
    main()
