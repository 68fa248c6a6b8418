"""benchmarks.cost at full size on a GPU: SDXL's layout (2.6 billion weights, its own VAE), random weights.

    python -m benchmarks.gpu [--dtype bf16] [--batch 8] [--rounds 3] [--offload] [--memory-fraction 0.1]

Speed and memory are real, the pictures are noise. Settings of LCM-SDXL with SDXL: 4 student steps, 12 teacher steps at
CFG 8 from rollback 0.7 (50 for the teacher alone), k = 50. The demo's estimator stands in for ImageReward; VAE and text
encoders are in the same dtype. --offload keeps only the network that runs on the card; --memory-fraction caps what the
card lends, as a smaller one would. `--device cpu --tiny` tries the command without a GPU.
"""

import argparse
import datetime
import math

import torch

from adaptive_diffusion.standalone import demo
from benchmarks import sdxl
from benchmarks.cost import OFFICIAL, WAYS, Asked, Models, questions, watched
from benchmarks.timing import Seconds, median, median_ratio, table

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
TEACHER = {"steps": 12, "steps_alone": 50, "cfg": 8.0, "rollback": 0.7}
STUDENT = {"steps": 4, "cfg": 1.0}
K, GIB = 50, 2**30


def load(options: argparse.Namespace) -> Models:
    device = "cpu" if options.offload else options.device
    student, teacher = sdxl.pipelines(DTYPES[options.dtype], device, options.tiny)
    if options.offload:
        for pipeline in (student, teacher):
            pipeline.enable_model_cpu_offload()
    size = {"size": 64 if options.tiny else 1024}
    return Models(student, teacher, demo.load_estimator(), {"student": STUDENT, "teacher": TEACHER, **size})


def measure(models: Models, way: str, asked: Asked, threshold: float, batch: int) -> tuple[Seconds, int, float]:
    """Seconds and evaluations of one round, and the GiB that the card held at most."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    drawn, seconds = watched(models, way, asked, K, threshold, batch)
    peak = torch.cuda.max_memory_allocated() / GIB if torch.cuda.is_available() else math.nan
    return seconds, drawn.evaluations, peak


def rows(models: Models, batch: int, rounds: int) -> list[list[str]]:
    """A line for every way; the first round is not kept."""
    kept: dict[str, list[tuple[Seconds, int, float]]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        asked = questions(number, batch)
        threshold = models.threshold(asked, K)
        for way in WAYS:
            kept[way] += [measure(models, way, asked, threshold, batch)] * (number > 0)
    seconds = {way: [one for one, _, _ in found] for way, found in kept.items()}
    lines = []
    for way, found in kept.items():
        each, times = median(seconds[way]).wall / batch, median_ratio(seconds[way], seconds[OFFICIAL]).wall
        peak = max(gib for _, _, gib in found)
        lines.append([way, f"{found[0][1] / batch:g}", f"{each:.3f}", f"{times:.2f}", f"{peak:.1f}"])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--offload", action="store_true")
    parser.add_argument("--memory-fraction", type=float)
    options = parser.parse_args()
    if options.memory_fraction:
        torch.cuda.set_per_process_memory_fraction(options.memory_fraction)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no card"
    found = rows(load(options), options.batch, options.rounds)
    chosen = ", ".join(f"{name} {value}" for name, value in vars(options).items() if value not in (None, False))
    print(f"{datetime.date.today()}, {card}, torch {torch.__version__}; {chosen}\n")
    print(table(["way", "evaluations", "seconds an image", "times the official", "peak GiB"], found))


if __name__ == "__main__":
    main()
