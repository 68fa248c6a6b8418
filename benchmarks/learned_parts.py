"""Which images benchmarks.learned_gate draws and what is judged of them, fixed before any of them was drawn.

Fitting: captions of the training part, as a user's own prompts. Development: other captions, to choose on. Test: 600
captions of the test part with three noise seeds each, looked at twice: docs/results.md has both.
"""

from benchmarks.learned_draw import Task
from training.sampling import captions_for, seeds_for

FITTING, DEVELOPMENT, FURTHER, TEST, NOISES = 1500, 1500, 3000, 600, 3
SEED, TEST_SEED, FURTHER_SEED = 20270, 20271, 20272
JUDGED_AT = (15, 20, 30, 40, 50)  # k, learned above percentile outside the 95 % interval
LONGER = (2, 4, 8)  # student steps, beside its own one
EVALUATIONS = (3, 4, 6)  # learned above the student alone, outside the interval at two of them at least


def fitting() -> Task:
    return Task("training", *captions_for(FITTING, SEED, "training"))


def development() -> Task:
    return Task("development", *captions_for(DEVELOPMENT, SEED, "development"))


def further() -> Task:
    """More of the development part, drawn to know better: three in four wrong images are of its 20 single objects."""
    return Task("more", *captions_for(FURTHER, FURTHER_SEED, "development"))


def test() -> Task:
    scenes, _ = captions_for(TEST, TEST_SEED, "test")
    return Task("test", scenes * NOISES, seeds_for(TEST * NOISES, TEST_SEED, "test"), LONGER)
