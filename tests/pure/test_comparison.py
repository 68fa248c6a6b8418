"""Means and win rates, against formulas written out here."""

import math
import re
from dataclasses import astuple
from pathlib import Path

import numpy
import pytest
from scipy import stats

from adaptive_diffusion.comparison import clustered, duel, mean, share, told

Z = 1.959963984540054
VALUES = numpy.random.default_rng(1).normal(size=40)
PACK = Path(__file__).parents[2]


def wilson(count: int, total: int) -> tuple[float, float]:
    """Wilson's interval by its closed form."""
    p, room = count / total, Z * Z / total
    middle, half = p + room / 2, Z * math.sqrt(p * (1 - p) / total + room / (4 * total))
    return (middle - half) / (1 + room), (middle + half) / (1 + room)


@pytest.mark.parametrize(("count", "total"), [(0, 5), (3, 5), (5, 5), (41, 100), (1, 1000)])
def test_a_share_has_wilsons_interval(count, total):
    found = share(count, total)
    assert (found.value, (found.low, found.high)) == (count / total, pytest.approx(wilson(count, total), abs=1e-9))


def test_wins_ties_and_losses_are_counted_pair_by_pair():
    result = duel([3.0, 1.0, 2.0, 5.0, 0.5], [1.0, 2.0, 2.0, 4.0, 0.0])
    assert (result.wins, result.ties, result.losses) == (3, 1, 1)
    assert (result.share.value, (result.share.low, result.share.high)) == (0.75, pytest.approx(wilson(3, 4), abs=1e-9))


@pytest.mark.parametrize(("wins", "losses"), [(9, 1), (5, 5), (0, 7), (12, 20)])
def test_p_is_the_chance_of_a_fair_coin_being_as_uneven(wins, losses):
    total = wins + losses
    extreme = [k for k in range(total + 1) if abs(k - total / 2) >= abs(wins - total / 2)]
    expected = sum(math.comb(total, k) for k in extreme) / 2**total
    result = duel([1.0] * wins + [0.0] * losses + [2.0] * 3, [0.0] * wins + [1.0] * losses + [2.0] * 3)
    assert (result.ties, result.p) == (3, pytest.approx(expected))


def test_only_ties_say_nothing():
    result = duel([1.0, 2.0], [1.0, 2.0])
    assert (result.wins, result.ties, result.losses, result.p) == (0, 2, 0, 1.0)
    assert math.isnan(result.share.value) and math.isnan(result.share.low)


def test_a_mean_has_students_interval():
    values = [0.3, -1.2, 2.5, 0.0, 0.9]
    found = mean(values)
    half = stats.t.ppf(0.975, 4) * numpy.std(values, ddof=1) / math.sqrt(5)
    assert found.value == pytest.approx(numpy.mean(values))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_a_mean_of_zeros_and_ones_is_a_share():
    assert mean([1.0, 0.0, 1.0, 1.0]) == share(3, 4)
    assert mean([1.0] * 9).low < 1


@pytest.mark.filterwarnings("error")
def test_one_value_has_no_interval():
    assert mean([0.5]).value == 0.5 and math.isnan(mean([0.5]).low)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    random = numpy.random.default_rng(3)
    held = [found.low <= 1 <= found.high for found in (mean(random.exponential(size=200)) for _ in range(400))]
    assert 0.91 < numpy.mean(held) < 0.98


def test_clusters_of_several_sizes_have_the_robust_interval_of_their_sums():
    values, clusters = [1.0, 2.0, 4.0, 0.0, 3.0, 8.0], ["a", "a", "a", "b", "b", "c"]
    sums = [1 + 2 + 4 - 3 * 3, 0 + 3 - 2 * 3, 8 - 3]
    half = stats.t.ppf(0.95, 2) * math.sqrt(3 / 2 * sum(one**2 for one in sums)) / 6
    found = clustered(values, clusters, ["all"] * 6, coverage=0.9)
    assert astuple(found) == pytest.approx((3.0, 3 - half, 3 + half))


def test_a_stratum_of_one_cluster_tells_no_interval():
    found = clustered([1.0, 2.0, 3.0, 4.0], ["a", "b", "c", "c"], [1, 1, 2, 2])
    assert found.value == 2.5 and math.isnan(found.low) and math.isnan(found.high)


def test_repeating_every_image_of_a_caption_tells_nothing_new():
    once = clustered(VALUES, [str(i) for i in range(40)], [1] * 40)
    again = clustered(VALUES.repeat(3), [str(i) for i in range(40) for _ in range(3)], [1] * 120)
    assert astuple(again) == pytest.approx(astuple(once))


def test_kinds_that_differ_do_not_widen_the_interval():
    captions = [str(i) for i in range(40)]
    apart = clustered(numpy.where(numpy.arange(40) < 20, VALUES, VALUES + 5), captions, [1] * 20 + [2] * 20)
    together = clustered(VALUES, captions, [1] * 20 + [2] * 20)
    assert apart.high - apart.low == pytest.approx(together.high - together.low)
    assert apart.value == pytest.approx(together.value + 2.5)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator, held = numpy.random.default_rng(2), 0
    for _ in range(400):
        captions = generator.normal(size=30)
        values = captions.repeat(4) + generator.normal(size=120)
        found = clustered(values, [str(i) for i in range(30) for _ in range(4)], [1] * 120)
        held += found.low <= 0 <= found.high
    assert stats.binomtest(held, 400, 0.95).pvalue > 0.01


def test_an_interval_is_told_with_its_sign():
    assert told(clustered(numpy.array([1.0, 1.0]), ["a", "b"], [1, 1]), "+") == "+1.000 ± 0.000"


def test_no_other_file_computes_the_interval_of_a_mean():
    folders = ("adaptive_diffusion", "host", "nodes", "training", "benchmarks")
    files = [path for folder in folders for path in (PACK / folder).rglob("*.py")]
    found = [path.name for path in files if re.search(r"\bsem\(|\bt\.(ppf|interval)\(|1\.96", path.read_text("utf-8"))]
    assert len(files) > 100 and found == ["comparison.py"]
