import math

import numpy
import pytest
from scipy import special, stats

from adaptive_diffusion.gate.confidence import prompts_to_halve, rejection_interval, threshold_interval

CALIBRATIONS = 2000
SIZES = (100, 500, 2000)
PERCENTILES = (10, 20, 50, 80, 90)
# Quantile function and its inverse.
DISTRIBUTIONS = {
    "normal": (special.ndtri, special.ndtr),
    "skewed": (lambda share: -numpy.log1p(-share), lambda score: -numpy.expm1(-score)),
    "long tails": (special.logit, special.expit),
    "bounded": (
        lambda share: numpy.sin(numpy.pi * share / 2) ** 2,
        lambda s: numpy.arcsin(numpy.sqrt(s)) * 2 / numpy.pi,
    ),
}


@pytest.fixture(scope="module", params=SIZES)
def uniform(request):
    """Simulated calibrations (2000, n), ascending, as shares of their distribution."""
    return numpy.sort(numpy.random.default_rng(request.param).random((CALIBRATIONS, request.param)), axis=1)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_the_true_rejected_share_lies_in_its_interval_in_95_of_100_calibrations(uniform, distribution):
    quantile, inverse = distribution
    thresholds = numpy.percentile(quantile(uniform), PERCENTILES, axis=1)
    for k, tau in zip(PERCENTILES, thresholds, strict=True):
        low, high = rejection_interval(uniform.shape[1], k)
        share = 100 * inverse(tau)
        assert abs(numpy.mean((low <= share) & (share <= high)) - 0.95) <= 0.02
        assert abs(numpy.mean(share < low) - 0.025) <= 0.01


@pytest.mark.parametrize("k", [10, 50, 80])
def test_the_true_threshold_lies_in_its_interval_in_95_of_100_calibrations(uniform, k):
    for quantile in (special.ndtri, special.logit):
        intervals = [threshold_interval(scores, k) for scores in quantile(uniform)]
        inside = [low <= quantile(k / 100) <= high for low, high in intervals]
        assert abs(numpy.mean(inside) - 0.95) <= 0.02


@pytest.mark.parametrize("n", [1, 2, 10, 500, 20000])
@pytest.mark.parametrize("k", [0.5, 20, 50, 99])
def test_the_interval_is_scipys_beta(n, k):
    rank = 1 + (n - 1) * k / 100
    expected = 100 * stats.beta(rank, n + 1 - rank).ppf([0.025, 0.975])
    assert rejection_interval(n, k) == pytest.approx(expected, abs=1e-4)


def test_the_ends_are_the_order_statistics_between_which_the_binomial_puts_the_threshold():
    n, k = 500, 20
    low, high = threshold_interval(range(n), k)
    counts = stats.binom(n, k / 100)
    assert counts.cdf(math.floor(low)) <= 0.025 <= counts.cdf(math.ceil(low))
    assert counts.cdf(math.floor(high)) <= 0.975 <= counts.cdf(math.ceil(high))


def test_the_order_of_the_scores_does_not_matter():
    scores = numpy.random.default_rng(0).normal(size=99)
    assert threshold_interval(scores, 30) == threshold_interval(scores[::-1], 30)


@pytest.mark.parametrize(("n", "k"), [(1, 50), (50, 20), (600, 50), (500, 2)])
def test_so_many_more_prompts_and_not_one_fewer_halve_the_interval(n, k):
    more = prompts_to_halve(n, k)
    width = {size: numpy.ptp(rejection_interval(size, k)) for size in (n, n + more - 1, n + more)}
    assert width[n + more] <= width[n] / 2 < width[n + more - 1]


def test_about_three_times_as_many_prompts_more_halve_it():
    assert prompts_to_halve(500, 50) == pytest.approx(1500, rel=0.01)


def test_to_accept_or_reject_all_is_certain():
    assert rejection_interval(10, 0) == (0, 0)
    assert rejection_interval(10, 100) == (100, 100)
    assert threshold_interval([1.0], 0) == (-math.inf, -math.inf)
    assert threshold_interval([1.0], 100) == (math.inf, math.inf)
    assert prompts_to_halve(10, 0) == 0


def test_too_few_scores_leave_an_end_open():
    assert threshold_interval([1.0, 2.0, 3.0], 50) == (-math.inf, math.inf)
    low, high = threshold_interval(range(100), 1)
    assert low == -math.inf and 2 < high < 4


@pytest.mark.parametrize(("n", "k", "complaint"), [(0, 50, "0 scores"), (10, 101, "k is 101"), (10, math.nan, "k is")])
def test_what_has_no_interval_is_refused(n, k, complaint):
    with pytest.raises(ValueError, match=complaint):
        rejection_interval(n, k)
    with pytest.raises(ValueError, match=complaint):
        threshold_interval([0.0] * n, k)
