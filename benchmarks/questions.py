"""What one more question on an image costs a judge from a text encoder: packed in one pass, and asked one by one.

    python -m benchmarks.questions [--rounds 5] [--width 512] [--layers 8] [--side 512]

A Qwen3-VL of random weights, in transformers, on one thread. Processor time, in turns, so that other work on the
machine counts the same for all; what the image itself takes is told apart.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import torch

from adaptive_diffusion.estimators.vlm import VisionJudge, local
from adaptive_diffusion.estimators.vlm.network import ask
from adaptive_diffusion.estimators.vlm.resize import resized
from tests.tiny_vlm import save_folder, tiny_model, tiny_tokenizer

COUNTS = (1, 2, 4, 8)
QUESTION = "Is the circle all red?"  # as many tokens as a real tokenizer makes of a check


def _judge(width: int, layers: int) -> VisionJudge:
    sizes = {
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }
    tokenizer = tiny_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        return local.load(save_folder(tiny_model(tokenizer=tokenizer, **sizes), Path(folder), tokenizer))


def taken(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rounds", 5), ("width", 512), ("layers", 8), ("side", 512)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    judge = _judge(chosen.width, chosen.layers)
    [pixels] = resized(torch.rand(1, chosen.side, chosen.side, 3))
    with torch.inference_mode():
        seen = judge.network.look(pixels)
        ways: dict[str, Callable[[], object]] = {"the image alone": lambda: judge.network.look(pixels)}
        for count in COUNTS:
            ways[f"{count} packed"] = lambda count=count: ask(judge.network, seen, [QUESTION] * count)
        ways["8 one by one"] = lambda: [ask(judge.network, seen, [QUESTION]) for _ in range(8)]
        times = {name: [taken(work)] for name, work in ways.items()}
        for _ in range(chosen.rounds):
            for name, work in ways.items():
                times[name].append(taken(work))
    medians = {name: float(numpy.median(each[1:])) for name, each in times.items()}
    print("| asked | processor time, ms | of one question |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {1000 * median:.0f} | {median / medians['1 packed']:.2f} |")


if __name__ == "__main__":
    main()
