import json

import numpy
import pytest

from adaptive_diffusion.gate.confidence import threshold_interval
from adaptive_diffusion.gate.outline import outline
from adaptive_diffusion.gate.percentiles import PercentileTable

SCORES = numpy.random.default_rng(3).normal(size=150).tolist()


def test_an_outline_of_raw_scores_passes_through_their_percentiles_and_intervals():
    drawn = outline(PercentileTable.from_scores("raw", SCORES, {"name": "any"}))
    assert drawn["k"] == list(range(101))
    assert drawn["count"] == 150
    assert drawn["scores"] == pytest.approx(numpy.percentile(SCORES, drawn["k"]), rel=1e-5)
    low, high = threshold_interval(SCORES, 37)
    assert (drawn["low"][37], drawn["high"][37]) == pytest.approx((low, high), rel=1e-5)


def test_an_outline_of_deciles_invents_nothing():
    drawn = outline(PercentileTable("published", {90.0: 2.0, 10.0: -1.0, 50.0: 0.5}))
    assert drawn == {"k": [10.0, 50.0, 90.0], "scores": [-1.0, 0.5, 2.0]}


def test_an_end_that_few_scores_cannot_tell_is_null_in_json():
    drawn = json.loads(json.dumps(outline(PercentileTable.from_scores("few", [1, 2, 3], {})), allow_nan=False))
    assert (drawn["low"][50], drawn["high"][50]) == (None, None)
    assert drawn["scores"][50] == 2


def test_where_scores_are_equal_the_share_that_each_k_rejects_is_drawn():
    ratings = [1.0] * 100 + [2.0] * 300 + [3.0] * 100
    drawn = outline(PercentileTable.from_scores("ratings", ratings, {}))
    shares = [0, *(100 * numpy.mean(ratings < numpy.percentile(ratings, k)) for k in range(1, 100)), 100]
    assert drawn["share"] == pytest.approx(shares)
    assert drawn["share"][50] == 20
    assert "share" not in outline(PercentileTable.from_scores("raw", SCORES, {}))
