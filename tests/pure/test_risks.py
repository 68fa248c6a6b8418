"""Verdicts by risks, as a learned gate gives them: who is rejected, and everything that tells of it."""

from dataclasses import replace

import numpy
import pytest

from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.rollback_by_score import RollbackByScore
from adaptive_diffusion.gate.verdicts import Verdicts
from adaptive_diffusion.report import record
from adaptive_diffusion.sheet.card import SheetRow


def decided(*risks: float, threshold: float = 0.5):
    return decide(QualityScores(tuple(range(len(risks)))), threshold, "gate", 50.0, risks=risks)


def test_what_lies_over_the_threshold_is_rejected_and_a_tie_is_kept():
    decision = decided(0.2, 0.5, 0.5000001, 0.9)
    assert decision.rejected == (2, 3)
    assert decision.risks == (0.2, 0.5, 0.5000001, 0.9)
    assert decided(0.2, 0.9, threshold=numpy.inf).rejected == ()
    assert decided(0.0, 0.9, threshold=-numpy.inf).rejected == (0, 1)


def test_scores_decide_where_there_are_no_risks():
    decision = decide(QualityScores((1.0, 2.0)), 2.0)
    assert (decision.rejected, decision.risks, decision.merits) == ((0,), (), ((1.0, 2.0), 2.0))


@pytest.mark.parametrize("risk", [float("nan"), float("inf")])
def test_a_risk_that_is_no_number_is_an_error(risk):
    with pytest.raises(ValueError, match=f"the risk of image 1 is {risk}; check the image and the gate's file"):
        decided(0.1, risk)


def test_risks_go_with_their_images_into_other_batches():
    both = Verdicts((decided(0.1, 0.9), decided(0.6)))
    (first, second) = both.fitted([1, 2])
    assert (first.risks, second.risks, second.rejected) == ((0.1,), (0.9, 0.6), (0, 1))
    mixed = Verdicts((decided(0.1, 0.9), decide(QualityScores((1.0,)), 2.0))).fitted([1, 2])
    assert [each.risks for each in mixed] == [(0.1,), ()]


def test_a_record_tells_the_risk_of_each_image_beside_its_score():
    entries = record(decided(0.25, 0.75))
    assert [(entry["score"], entry["risk"], entry["threshold"]) for entry in entries] == [
        (0, 0.25, 0.5),
        (1, 0.75, 0.5),
    ]


def test_a_card_tells_the_risk_beside_the_verdict():
    row = SheetRow("a", None, 1.0, True, None)
    assert row.pill[0] == "to teacher"
    assert replace(row, risk=0.373).pill[0] == "to teacher, risk 37%"
    assert replace(row, rejected=False, risk=0.02).pill[0] == "kept, risk 2%"


def test_a_higher_risk_is_rolled_back_further():
    line = RollbackByScore(0.4, 0.7, 0.3)
    assert line.of(decided(0.1, 0.5001, 0.8, 0.99)) == pytest.approx([0.0, 0.4, 0.7, 0.7])
