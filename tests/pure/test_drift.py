import math

import numpy
import pytest
from scipy import stats

from adaptive_diffusion.gate.drift import REPAY, STRAY, WINDOW, RunningThreshold
from adaptive_diffusion.gate.percentiles import PercentileTable
from benchmarks.drift import IMAGES, NORMAL, Distribution, simulate, step, track, within

RUNS = 100
GRADUAL = numpy.clip(numpy.linspace(1, -2, IMAGES), -1, 0)
CASES = {
    "the same prompts": {},
    "easier ones": {"shift": step(1.0)},
    "harder ones little by little": {"shift": GRADUAL},
    "another world": {"shift": step(-8.0)},
    "a table of another world": {"shift": step(-1.0), "misled": 30.0},
    "bounded scores": {"shift": step(-0.3), "scores": Distribution(lambda u: u, lambda x: numpy.clip(x, 0, 1))},
    "long tails": {"shift": step(-1.7), "scores": Distribution(stats.t(3).ppf, stats.t(3).cdf)},
    "skewed scores": {"shift": step(-1.0), "scores": Distribution(stats.expon.ppf, stats.expon.cdf)},
}


def table(scores) -> PercentileTable:
    return PercentileTable.from_scores("scores", [float(score) for score in scores], {})


@pytest.mark.parametrize("k", [20, 50, 80])
def test_the_share_stays_at_k_when_the_scores_fall_by_one_standard_deviation(k):
    judged = [simulate(seed, k, step(-1.0), 16) for seed in range(RUNS)]
    tracked, fixed = zip(*judged, strict=True)
    for shares in zip(*tracked, strict=True):
        assert within(shares, k) >= 95
    for shares in zip(*fixed, strict=True):
        assert within(shares, k) == 0


@pytest.mark.parametrize("k", [20, 50, 80])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_stays_there_whatever_the_scores_are_and_do(case, k):
    tracked = [simulate(seed, k, **{"shift": step(0.0), **case}, batch=16)[0] for seed in range(10)]
    whole, after = numpy.mean(tracked, axis=0)
    assert abs(whole - k) <= 2
    assert abs(after - k) <= 1.5


@pytest.mark.parametrize("batch", [1, 4, 60])
def test_it_does_not_matter_how_many_images_are_queued_at_once(batch):
    tracked = [simulate(seed, 50, step(-1.0), batch)[0] for seed in range(8)]
    assert numpy.abs(numpy.mean(tracked, axis=0) - 50).max() <= 2


@pytest.mark.parametrize("k", [10, 50, 90])
@pytest.mark.parametrize(
    "worst",
    [
        lambda i, tau: -float(i),
        lambda i, tau: float(i),
        lambda i, tau: -(1.5**i) if i < 1000 else 0.0,
        lambda i, tau: float(i % 3 > 0),
        lambda i, tau: 0.0,
        lambda i, tau: tau - 1e-3,
        lambda i, tau: tau + 1e-3,
    ],
    ids=["falling", "rising", "plunging", "two values", "one value", "just under", "just over"],
)
def test_whatever_the_scores_the_count_never_strays_further_than_promised(worst, k):
    running, tau = RunningThreshold.start(table(range(101))), 50.0
    for i in range(3000):
        tau, running = running.judge([worst(i, tau)], k)
        assert math.isfinite(tau)
        assert -STRAY - REPAY * (1 - k / 100) - 1 <= running.rejected - running.asked <= STRAY + REPAY * k / 100 + 1


def test_another_scale_of_the_scores_changes_no_verdict():
    scores = NORMAL.quantile(numpy.random.default_rng(0).random(600))
    plain = track(table(scores[:100]), scores, 30, 4)
    scaled = track(table(1000 * scores[:100] - 7), 1000 * scores - 7, 30, 4)
    assert scaled == pytest.approx(1000 * plain - 7, rel=1e-9)


def test_the_order_within_a_run_changes_nothing():
    start, scores = RunningThreshold.start(table(range(50))), [40.0, -3.0, 7.5, 11.0]
    one, other = start.judge(scores, 50), start.judge(scores[::-1], 50)
    assert one[0] == other[0]
    assert one[1].rejected == other[1].rejected == 3


@pytest.mark.parametrize("k", [20, 50, 80])
def test_it_varies_less_than_the_percentile_of_the_same_scores_and_about_the_same_value(k):
    windows = NORMAL.quantile(numpy.random.default_rng(2).random((2000, WINDOW)))
    found = numpy.array([RunningThreshold(tuple(window)).judge([], k)[0] for window in windows])
    plain = numpy.percentile(windows, k, axis=1, method="weibull")
    assert found.std() <= 0.99 * plain.std()
    assert 100 * NORMAL.inverse(found).mean() == pytest.approx(k, abs=0.5)


def test_it_starts_as_the_table_does():
    even = table(range(1001))
    published = PercentileTable("published", {10.0 * i: 100.0 * i for i in range(1, 10)})
    for k in (20, 50, 80):
        for source in (even, published):
            assert RunningThreshold.start(source).judge([], k)[0] == pytest.approx(source.threshold(k), abs=1e-6)


def test_what_the_table_lent_leaves_from_everywhere_at_once():
    recent = RunningThreshold.start(table(range(1001))).recent
    for part in (recent[:50], recent[50:100], recent[100:]):
        assert numpy.percentile(part, [10, 50, 90]) == pytest.approx([100, 500, 900], abs=40)


def test_a_long_run_is_judged_by_all_of_its_own_scores():
    scores = sorted(NORMAL.quantile(numpy.random.default_rng(1).random(1000)).tolist())
    threshold, running = RunningThreshold.start(table(range(100, 200))).judge(scores, 50)
    assert abs(running.rejected - 500) <= 20
    assert running.recent == tuple(scores[-WINDOW:])
    assert threshold < 1


def test_what_strayed_is_repaid():
    settled = RunningThreshold(tuple(range(WINDOW)), rejected=500, asked=500.0)
    few, many = (RunningThreshold(settled.recent, 500 + by, 500.0) for by in (STRAY, STRAY + 50))
    assert few.judge([], 50)[0] == settled.judge([], 50)[0]
    repaying = sum(score < many.judge([], 50)[0] for score in many.recent) / WINDOW
    assert repaying == pytest.approx(0.5 - 50 / REPAY, abs=0.01)


@pytest.mark.parametrize(("k", "threshold"), [(0, -math.inf), (100, math.inf)])
def test_accepting_or_rejecting_all_is_never_a_matter_of_the_past(k, threshold):
    indebted = RunningThreshold(tuple(range(WINDOW)), rejected=900, asked=100.0)
    found, after = indebted.judge([5.0, 6.0], k)
    assert found == threshold
    assert after.recent[-2:] == (5.0, 6.0)
    assert after.rejected - after.asked == 800
