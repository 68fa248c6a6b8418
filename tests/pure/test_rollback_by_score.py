import math

import pytest

from adaptive_diffusion.gate.rollback_by_score import LEVELS, RollbackByScore


def test_it_runs_from_near_at_the_threshold_to_far_at_the_distance_and_stays_there():
    line = RollbackByScore(0.4, 0.7, 2.0)
    values = [line(5.0 - below, 5.0) for below in (1e-9, 2 / 3, 4 / 3, 2.0, 50.0)]
    assert values == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.7])


def test_the_line_may_fall():
    line = RollbackByScore(0.8, 0.2, 1.0)
    assert [line(-below, 0.0) for below in (0.0, 1.0)] == pytest.approx([0.8, 0.2])


def test_any_scores_get_at_most_four_levels_each_the_nearest():
    line = RollbackByScore(0.25, 0.9, 1.5)
    below = [i / 100 for i in range(1, 300)]
    values = [line(-distance, 0.0) for distance in below]
    assert len(set(values)) == LEVELS == 4
    step = (0.9 - 0.25) / 3
    exact = [0.25 + 0.65 * min(distance / 1.5, 1) for distance in below]
    assert max(abs(value - wanted) for value, wanted in zip(values, exact, strict=True)) <= step / 2 + 1e-12


@pytest.mark.parametrize("threshold", [math.inf, -math.inf, math.nan])
def test_a_threshold_without_distances_is_refused(threshold):
    with pytest.raises(ValueError, match="from which no score has a distance; choose a k between 0 and 100"):
        RollbackByScore(0.4, 0.7, 1.0)(0.0, threshold)


@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan])
def test_a_distance_that_is_none_is_refused(distance):
    with pytest.raises(ValueError, match="choose how far below the threshold a score is far"):
        RollbackByScore(0.4, 0.7, distance)
