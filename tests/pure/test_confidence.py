import math

import numpy
import pytest
from scipy import special, stats

from adaptive_diffusion.gate.confidence import (
    confidence,
    prompts_to_halve,
    rejection_interval,
    share_interval,
    shares_beside,
    threshold_interval,
    unreachable,
)

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


CALIBRATIONS_WITH_TIES = 4000
PAIR_AT_THE_LIMIT = (0.2, 0.3447, 0.4553)  # whose second share lies as far over k 50 as 500 scores reach by chance


def levels(*weights):
    """The shares of each level and of all under it."""
    shares = numpy.array(weights) / sum(weights)
    return shares, numpy.concatenate([[0], numpy.cumsum(shares)])


def ratings(weights, n, seed):
    """Simulated calibrations (4000, n): whole numbers, ascending."""
    counts = numpy.random.default_rng(seed).multinomial(n, levels(*weights)[0], CALIBRATIONS_WITH_TIES)
    return [numpy.repeat(numpy.arange(len(weights), dtype=float), each) for each in counts]


def coverage(weights, n, k):
    """How often the share that the gate rejects lies in its interval."""
    below, inside = levels(*weights)[1], 0
    for scores in ratings(weights, n, seed=n + k):
        low, high = share_interval(scores, k)
        share = 100 * below[math.ceil(numpy.percentile(scores, k))]
        inside += low - 1e-9 <= share <= high + 1e-9
    return inside / CALIBRATIONS_WITH_TIES


@pytest.mark.parametrize("k", [20, 50, 80])
@pytest.mark.parametrize("n", [100, 500])
@pytest.mark.parametrize("count", [4, 10, 20])
def test_with_ties_the_rejected_share_lies_in_its_interval_in_94_of_100_calibrations(count, n, k):
    assert coverage([1] * count, n, k) >= 0.94


@pytest.mark.parametrize("weights", [PAIR_AT_THE_LIMIT, (1, 3, 1), [0.8**level for level in range(20)]])
def test_it_does_so_where_the_levels_are_unequal_and_where_chance_picks_between_two(weights):
    assert coverage(weights, 500, 50) >= 0.945


@pytest.mark.parametrize(("n", "k"), [(100, 20), (500, 50)])
def test_with_ties_the_true_threshold_lies_in_its_interval(n, k):
    true = numpy.searchsorted(levels(*[1] * 10)[1][1:], k / 100 - 1e-9)
    intervals = [threshold_interval(scores, k) for scores in ratings([1] * 10, n, seed=1)[:1000]]
    assert numpy.mean([low <= true <= high for low, high in intervals]) >= 0.94


@pytest.mark.parametrize("ones", range(38, 63))
def test_the_ends_for_a_threshold_among_equal_scores_are_scores(ones):
    assert set(threshold_interval([1.0] * ones + [2.0] * (100 - ones), 50)) <= {1.0, 2.0}


def test_with_ties_the_bounds_are_the_exact_ones_of_the_count_below():
    scores = [1.0] * 100 + [2.0] * 300 + [3.0] * 100
    exact = stats.binomtest(100, 500).proportion_ci(1 - 2 * 0.05 / 3, "exact")
    assert share_interval(scores, 50) == pytest.approx([100 * exact.low, 100 * exact.high])
    between = [1.0] * 100 + [2.0] * 400
    assert share_interval(between, 20) == share_interval(scores, 50)


def test_where_many_scores_are_equal_the_shares_that_can_be_had_are_told():
    scores = [1.0] * 100 + [2.0] * 300 + [3.0] * 100
    sure = confidence(scores, 50)
    assert sure.reachable == (20, 80) and sure.rejected[1] < 25
    told = unreachable(50, sure.reachable)
    assert told.startswith("k 50 cannot be had here, because many scores are equal: it rejects 20 %")
    assert told.endswith("k 80 rejects 80 %")
    assert [100 * numpy.mean(scores < numpy.percentile(scores, k)) for k in (50, 80)] == [20, 80]
    assert confidence(scores, 20).reachable == confidence(scores, 80).reachable == ()
    assert confidence([4.0] * 50, 50).reachable == (0, 100)


def test_a_few_equal_scores_tell_nothing():
    scores = [*range(500), 250, 251, 252]
    assert confidence(scores, 50).reachable == ()
    low, high = confidence(range(503), 50).rejected
    assert share_interval(sorted(scores), 50) == pytest.approx((low, high), abs=1)


def test_of_the_scores_at_hand_ties_are_told_wherever_they_keep_one_over_the_threshold():
    assert shares_beside([1, 2, 3, 4], 50) == ()
    assert shares_beside([1, 2, 2, 4], 50) == (25, 75)
    assert shares_beside([1, 1, 2, 2], 50) == ()
    assert shares_beside(range(11), 30) == ()


def test_with_ties_more_prompts_halve_it_too():
    scores = [1.0] * 100 + [2.0] * 300 + [3.0] * 100
    more = confidence(scores, 50).prompts_to_halve
    assert more == pytest.approx(1500, rel=0.03)
    wider, half = (numpy.ptp(share_interval(sorted(scores * times), 50)) for times in (1, 4))
    assert half == pytest.approx(wider / 2, rel=0.02)
    assert confidence([1.0] * 10, 50).prompts_to_halve > 0
