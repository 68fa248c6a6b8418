"""The promise: at most so many of the kept images would have been improved, 95 % sure; and what is said otherwise."""

import math

import numpy
import pytest

from adaptive_diffusion.gate.promise import promise

CALIBRATIONS = 500


def drawn(draw: numpy.random.Generator, count: int, spread: float = 1.0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Ascending risks, which are off by `spread` on the scale of log odds, and whether the images are improved."""
    odds = draw.normal(-3.2, 2.2, count)
    improved = draw.random(count) < 1 / (1 + numpy.exp(-odds))
    risks = 1 / (1 + numpy.exp(-spread * odds))
    order = numpy.argsort(risks)
    return risks[order], improved[order]


def share_among_kept(threshold: float, spread: float) -> float:
    """The true share of improved images among those of a risk up to `threshold`, in percent."""
    odds = numpy.linspace(-14, 8, 8_001)
    density = numpy.exp(-numpy.square((odds + 3.2) / 2.2) / 2)
    kept = density * (1 / (1 + numpy.exp(-spread * odds)) <= threshold)
    return float(100 * (kept / (1 + numpy.exp(-odds))).sum() / kept.sum())


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("count", [300, 1500])
@pytest.mark.parametrize("most", [2, 5, 10])
def test_it_is_broken_in_at_most_one_of_twenty_calibrations(most, count, spread):
    """The risks need not be the true probabilities: too small or too large ones only move where testing begins."""
    draw, broken, kept = numpy.random.default_rng(int(100 * most + count + 10 * spread)), 0, 0
    for _ in range(CALIBRATIONS):
        found = promise(*drawn(draw, count, spread), most)
        kept += found.kept
        broken += found.kept and share_among_kept(found.threshold, spread) > most
    assert broken <= (0.05 + 0.015) * CALIBRATIONS
    assert kept > 0.8 * CALIBRATIONS or count == 300 or spread > 1


def test_more_pairs_and_a_weaker_promise_keep_more():
    draw = numpy.random.default_rng(3)
    sent = {most: numpy.mean([promise(*drawn(draw, 1500), most).sent for _ in range(20)]) for most in (2, 5, 10)}
    fewer = numpy.mean([promise(*drawn(draw, 300), 5).sent for _ in range(20)])
    assert sent[2] > sent[5] > sent[10] and fewer > sent[5]


def test_what_is_kept_is_told():
    risks, improved = drawn(numpy.random.default_rng(4), 1500)
    found = promise(risks, improved, 5)
    kept = risks <= found.threshold
    assert found.kept and found.most == found.possible == 5 and found.more_pairs == 0
    assert found.sent == pytest.approx(100 * (~kept).mean()) and found.held == pytest.approx(
        100 * improved[kept].mean()
    )
    assert found.held < 5


def test_pairs_that_cannot_carry_it_send_all_and_say_what_they_can():
    risks, improved = drawn(numpy.random.default_rng(5), 100)
    found = promise(risks, improved, 1)
    assert not found.kept and found.threshold == -math.inf and found.sent == 100 and math.isnan(found.held)
    assert 1 < found.possible < 30 and promise(risks, improved, found.possible).kept
    assert 100 < found.more_pairs < 5000


def test_the_number_of_pairs_it_takes_is_about_right():
    risks, improved = drawn(numpy.random.default_rng(6), 150)
    needed = 150 + (promise(risks, improved, 1.5).more_pairs or 0)
    draw = numpy.random.default_rng(7)
    carried = [promise(*drawn(draw, count), 1.5).kept for count in (needed // 3, 2 * needed) for _ in range(40)]
    assert sum(carried[:40]) < 20 < sum(carried[40:])


def test_no_number_of_pairs_will_do_where_the_safest_are_improved_as_often():
    improved = numpy.arange(400) % 3 == 0
    found = promise(numpy.linspace(0.3, 0.36, 400), improved, 5)
    assert not found.kept and found.more_pairs is None and 33 < found.possible < 45


def test_equal_risks_are_kept_or_sent_together():
    risks = numpy.repeat([0.01, 0.5], [280, 20])
    found = promise(risks, numpy.repeat([False, True], [280, 20]), 5)
    assert found.threshold == 0.01 and found.sent == pytest.approx(100 * 20 / 300)


@pytest.mark.parametrize("most", [0, 100, -1, math.nan, math.inf])
def test_a_promise_out_of_range_is_refused(most):
    with pytest.raises(ValueError, match=f"the promise is {most:g} %; choose a share above 0 and below 100"):
        promise(*drawn(numpy.random.default_rng(1), 50), most)
