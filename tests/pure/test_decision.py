import math
from dataclasses import replace

import pytest
import torch

from adaptive_diffusion.gate.decision import GateDecision, QualityScores, decide
from adaptive_diffusion.gate.rows import Rows


def test_rejects_strictly_below_and_a_tie_keeps_the_student():
    decision = decide(QualityScores((0.1, 0.5, 0.4999, 0.9)), 0.5)
    assert decision.rejected == (0, 2)
    assert decision.accepted == (1, 3)
    assert decision.any_rejected


def test_infinite_thresholds_accept_and_reject_all():
    scores = QualityScores((-1e30, 1e30))
    assert decide(scores, -math.inf).rejected == ()
    assert decide(scores, math.inf).rejected == (0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused_by_its_image(value):
    with pytest.raises(ValueError, match="image 1"):
        QualityScores((0.0, value))


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        decide(QualityScores((0.0,)), math.nan)


def test_take_and_scatter_are_inverse_and_leave_accepted_rows_bit_identical():
    full = torch.randn(4, 3, 2, 2)
    decision = decide(QualityScores((0.0, 2.0, 0.5, 3.0)), 1.0)
    taken = decision.take(full)
    assert torch.equal(taken, full[[0, 2]])
    merged = decision.scatter(full, taken + 1)
    assert torch.equal(merged[[1, 3]], full[[1, 3]])
    assert torch.equal(merged[[0, 2]], taken + 1)
    assert not torch.equal(full, merged)


def test_scatter_refuses_a_count_that_does_not_match():
    decision = decide(QualityScores((0.0, 2.0)), 1.0)
    with pytest.raises(ValueError, match="rejected images \\(1\\)"):
        decision.scatter(torch.zeros(2, 1), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="scored batch \\(2\\)"):
        decision.take(torch.zeros(3, 1))


def test_picked_scores_keep_their_prompts_and_origin():
    scores = QualityScores((0.1, 0.2, 0.3), prompts=("a", "b", "c"), group=1, groups=3, digests=("x", "y", "z"))
    picked = scores.pick((2, 0))
    assert (picked.values, picked.prompts, picked.digests) == ((0.3, 0.1), ("c", "a"), ("z", "x"))
    assert picked.rows == Rows((2, 0), 3)
    assert (picked.group, picked.groups) == (1, 3)


def test_origin_rows_survive_a_second_gate():
    first = decide(QualityScores((0.0, 9.0, 0.0, 0.0)), 1.0)
    again = replace(first.scores.pick(first.rejected), values=(5.0, 0.0, 5.0))
    second = decide(again, 1.0)
    assert second.rejected == (1,)
    assert second.rejected_rows == Rows((2,), 4)


def test_scores_and_prompts_must_be_as_many():
    with pytest.raises(ValueError, match="2 scores came with 1 prompts"):
        QualityScores((0.0, 1.0), prompts=("only one",))
    with pytest.raises(ValueError, match="and 1 digests"):
        QualityScores((0.0, 1.0), digests=("only one",))


def test_a_decision_by_hand_needs_no_threshold():
    decision = GateDecision(QualityScores((1.0, 2.0)), math.nan, (1,))
    assert decision.accepted == (0,)
