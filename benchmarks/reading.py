"""What features cost: an estimator's reading against its score alone, and the gate on 500 images.

    python -m benchmarks.reading [--rounds 40]

Processor time on one thread; both ways take their turn in every round. Bars: 1.01 times, and 5 ms more.
"""

import argparse
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy
import torch

from adaptive_diffusion.estimators import reward_net
from adaptive_diffusion.gate.about import About
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.standalone import demo
from training.scenes import dataset

IMAGES, GATED, WIDTH = 32, 500, 1536


def seconds(call: Callable[[], object]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def scored_alone(net: reward_net.RewardNet, vision: torch.Tensor, tokens: torch.Tensor, present: torch.Tensor):
    """As the network scored before it told features."""
    states, _ = net.blip.text_encoder(tokens, reward_net.padding_mask(present), vision)
    return net.mlp(states[:, 0])[:, 0], torch.empty(len(tokens), 0)


def reading_ratio(rounds: int) -> float:
    """The median over rounds of the seconds with features against those without."""
    scenes, pixels = dataset(IMAGES, 1)
    images, captions, estimator = torch.from_numpy(pixels) / 255, [one.caption for one in scenes], demo.load_estimator()
    ratios = []
    for _ in range(rounds):
        both = seconds(lambda: estimator.read(images, captions))
        with patch.object(reward_net.RewardNet, "judge", scored_alone):
            ratios.append(both / seconds(lambda: estimator.read(images, captions)))
    return float(numpy.median(ratios))


def gating_milliseconds(rounds: int) -> float:
    """The median over rounds of how much longer the learned gate takes for 500 images than a threshold of scores."""
    draw = numpy.random.default_rng(1)
    features = draw.normal(size=(GATED, WIDTH)).astype(numpy.float32)
    scores = QualityScores(tuple(draw.normal(size=GATED)), features=features)
    risks, verdicts = numpy.sort(draw.random(1500)), draw.random(1500) < 0.5
    about = About(Judge("Demo"), "", Student(), Teacher())
    gate = LearnedGate("mine", draw.normal(size=WIDTH + 1), 0.0, -1.0, risks, verdicts, numpy.arange(1500), about)
    more = [
        seconds(lambda: gate.risk(scores.values, features) > gate.threshold(30)) - seconds(lambda: decide(scores, 0.0))
        for _ in range(rounds)
    ]
    return 1000 * float(numpy.median(more))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"reading against scoring: {reading_ratio(rounds):.4f} times")
    print(f"learned gate on {GATED} images of {WIDTH} features: {gating_milliseconds(rounds):.2f} ms more")


if __name__ == "__main__":
    main()
