"""The learned gate on pairs that the demo models drew: it tells wrong images of captions that it never saw.

demo_pairs.npz: of benchmarks.learned_parts the first 600 fitting images and the first 800 of the development part, the
features in half precision.
"""

from pathlib import Path

import numpy
import pytest

from adaptive_diffusion.gate.about import About
from adaptive_diffusion.gate.fitting import fit
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.learned import LearnedGate
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.ranking import area
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher

KEPT = Path(__file__).with_name("demo_pairs.npz")


@pytest.fixture(scope="module")
def kept() -> dict[str, numpy.ndarray]:
    with numpy.load(KEPT) as file:
        return {name: file[name] for name in file}


def gate(kept, graded: bool, higher: numpy.ndarray | float = 0.0) -> LearnedGate:
    columns = ("keys", "scores", "features", "second", "right", "improved")
    keys, scores, features, second, right, improved = (kept[f"fitting_{name}"] for name in columns)
    judge = Judge("oracle") if graded else None
    about = About(Judge("Demo", "float32"), "joint state 96, mean word embedding 96", Student(), Teacher(), judge)
    judged = numpy.column_stack([right, improved]) if graded else None
    rows = numpy.arange(len(keys))
    return fit(Pairs("demo", rows, keys, rows, scores + higher, features, second + higher, judged, about))


def found(kept, learned: LearnedGate | None, higher: numpy.ndarray | float = 0.0) -> float:
    """The AUC for "the student's image is wrong", by a gate or by the score alone."""
    scores = kept["unseen_scores"] + higher
    risks = learned.risk(scores, kept["unseen_features"]) if learned else -scores
    return area(risks, kept["unseen_right"] == 0, kept["unseen_keys"]).value


def heights(keys: numpy.ndarray, scores: numpy.ndarray) -> numpy.ndarray:
    """A height for each caption, spread as the scores are."""
    return scores.std() * numpy.array([numpy.random.default_rng(int(key)).normal() for key in keys])


@pytest.mark.parametrize(("graded", "least"), [(False, 0.90), (True, 0.91)])
def test_it_tells_wrong_images_of_unseen_captions(kept, graded, least):
    by_score, learned = found(kept, None), found(kept, gate(kept, graded))
    assert learned > least and learned > by_score + 0.03


@pytest.mark.parametrize("graded", [False, True])
def test_it_needs_no_score_that_can_be_compared_across_captions(kept, graded):
    """What the estimator saw tells as much where each caption's scores lie at a height of their own."""
    fitting, unseen = (heights(kept[f"{part}_keys"], kept[f"{part}_scores"]) for part in ("fitting", "unseen"))
    plain, relative = found(kept, gate(kept, graded)), found(kept, gate(kept, graded, fitting), unseen)
    assert relative > plain - 0.01 and found(kept, None, unseen) < found(kept, None) - 0.02
