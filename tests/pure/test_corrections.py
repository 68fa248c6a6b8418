from itertools import combinations

import pytest

from adaptive_diffusion.gate.corrections import corrected, read_corrections
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.rollback_by_score import RollbackByScore
from adaptive_diffusion.gate.verdicts import Verdicts

DIGESTS = tuple(f"{number:016x}" for number in range(6))
SCORES = QualityScores((0.0, 1.0, 2.0, 3.0, 4.0, 5.0), digests=DIGESTS)
JUDGED = decide(SCORES, 2.5)


@pytest.mark.parametrize("text", ["", " \n ,", ",,\n"])
def test_no_text_corrects_nothing(text):
    assert read_corrections(text) == {}


def test_commas_and_lines_stand_between_and_the_last_of_an_image_counts():
    text = f" teacher {DIGESTS[4]},keep  {DIGESTS[0]}\nkeep {DIGESTS[4]} ,"
    assert read_corrections(text) == {DIGESTS[4]: False, DIGESTS[0]: False}


@pytest.mark.parametrize("text", ["3", "teacher", f"reject {DIGESTS[1]}", "keep 00", f"keep {DIGESTS[1]}0", "keep 'a'"])
def test_what_is_no_correction_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match="write teacher or keep and the 16 letters of an image's digest"):
        read_corrections(text)


@pytest.mark.parametrize("clicked", [c for n in range(7) for c in combinations(range(6), n)])
def test_exactly_the_clicked_verdicts_change(clicked):
    given = {DIGESTS[i]: i not in JUDGED.rejected for i in clicked}
    found = corrected(JUDGED, given)
    assert set(found.rejected) ^ set(JUDGED.rejected) == set(clicked)
    assert found.corrected == clicked and list(found.rejected) == sorted(found.rejected)
    assert (found.scores, found.threshold) == (JUDGED.scores, JUDGED.threshold)
    assert all(one is other for one, other in zip(found.outcomes, JUDGED.outcomes, strict=True))


def test_a_correction_to_what_the_gate_found_anyway_is_none():
    found = corrected(JUDGED, {DIGESTS[0]: True, "f" * 16: True})
    assert (found.rejected, found.corrected) == (JUDGED.rejected, ())


def test_numbers_alone_cannot_be_corrected():
    assert corrected(decide(QualityScores((0.0, 1.0)), 0.5), {DIGESTS[0]: False}).rejected == (0,)


def test_what_was_corrected_goes_with_the_images_into_other_batches():
    found = Verdicts((corrected(JUDGED, {DIGESTS[1]: False, DIGESTS[5]: True}),)).fitted([2, 4])
    assert [(each.rejected, each.corrected) for each in found] == [((0,), (1,)), ((0, 3), (3,))]


def test_one_rejected_above_the_threshold_goes_as_far_back_as_one_right_below_it():
    found = corrected(JUDGED, {DIGESTS[5]: True})
    assert RollbackByScore(0.4, 0.7, 1.0).of(found) == pytest.approx([0.7, 0.7, 0.6, 0, 0, 0.4])
