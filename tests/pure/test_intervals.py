"""Intervals over images that share captions."""

from dataclasses import astuple

import numpy
import pytest
from scipy import stats

from adaptive_diffusion.standalone.comparison import mean
from benchmarks.intervals import clustered, told

VALUES = numpy.random.default_rng(1).normal(size=40)


def test_different_captions_of_one_kind_give_students_interval():
    found = clustered(VALUES, [str(i) for i in range(40)], [1] * 40)
    assert astuple(found) == pytest.approx(astuple(mean(VALUES.tolist())))


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
