"""Percentiles of scores, and estimators combined by them, the cheap ones first."""

import numpy
import pytest

from adaptive_diffusion.gate.combining import combine
from adaptive_diffusion.gate.percentiles import PercentileTable


def table(*scores: float) -> PercentileTable:
    return PercentileTable.from_scores("mine", scores, {})


def test_the_threshold_at_a_scores_percentile_is_the_score():
    made = table(*numpy.random.default_rng(0).normal(size=200))
    asked = numpy.random.default_rng(1).uniform(made.scores[0], made.scores[-1], 50)
    assert [made.threshold(k) for k in made.percentiles_of(asked)] == pytest.approx(asked)


def test_percentiles_of_equal_scores_are_their_middle_and_beyond_the_table_0_and_100():
    assert table(0, 0, 0, 1, 1).percentiles_of([-1, 0, 0.5, 1, 2]).tolist() == [0, 25, 56.25, 87.5, 100]


def asking(*columns):
    """Percentiles of each estimator, and what was asked of it."""
    asked = []

    def percentiles(number, images):
        asked.append((number, list(images)))
        return numpy.array(columns[number], float)[images]

    return percentiles, asked


def test_without_a_range_all_are_asked_about_all_and_scales_do_not_matter():
    percentiles, asked = asking([0, 50, 100], [100, 50, 50])
    found = combine(3, [3, 1], 0, 100, percentiles)
    assert found.scores.tolist() == [25, 50, 87.5]
    assert asked == [(0, [0, 1, 2]), (1, [0, 1, 2])] and found.asked == ([0, 1, 2], [0, 1, 2])


def test_the_costly_one_is_asked_only_where_the_cheap_one_leaves_it_open():
    percentiles, asked = asking([5, 20, 40, 60, 95], [100, 100, 0, 50, 0])
    found = combine(5, [1, 1], 20, 60, percentiles)
    assert asked == [(0, [0, 1, 2, 3, 4]), (1, [1, 2, 3])]
    assert found.scores.tolist() == [5, 44, 28, 42, 95]


def test_what_is_judged_by_all_ranks_between_what_is_left_below_and_above():
    noise = numpy.random.default_rng(2)
    columns = noise.uniform(0, 100, (3, 300))
    percentiles, asked = asking(*columns)
    found = combine(300, [1, 2, 4], 30, 70, percentiles)
    last = found.asked[2]
    assert set(last) < set(found.asked[1]) < set(range(300)) and [len(images) for _, images in asked] == [
        300,
        len(found.asked[1]),
        len(last),
    ]
    left = [i for i in range(300) if i not in last]
    assert all(found.scores[i] < 30 or found.scores[i] > 70 for i in left)
    assert all(30 <= found.scores[i] <= 70 for i in last)
    means = (columns[0] + 2 * columns[1] + 4 * columns[2]) / 7
    assert (numpy.argsort(found.scores[last]) == numpy.argsort(means[last])).all()


def test_nobody_further_is_asked_where_nothing_is_left_open():
    percentiles, asked = asking([0, 100], [50, 50], [50, 50])
    assert combine(2, [1, 1, 1], 40, 60, percentiles).scores.tolist() == [0, 100]
    assert asked == [(0, [0, 1])]
