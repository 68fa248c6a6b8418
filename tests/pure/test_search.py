import numpy
import pytest

from adaptive_diffusion.gate.best_of_n import best_of, expected_candidates, share_of_kept
from adaptive_diffusion.gate.student import Student

SCORES = [[0.9, 0.0, 0.0], [0.1, 0.6, 0.9], [0.3, 0.2, 0.4], [0.2, 0.2, 0.1]]


def search(limit, threshold=0.5):
    """What is kept of SCORES, and which images each candidate was drawn for."""
    asked = []

    def draw(number, rows):
        asked.append(list(rows))
        return [(SCORES[i][number], f"{i}.{number}") for i in rows]

    return best_of(limit, len(SCORES), threshold, draw), asked


def test_an_image_is_drawn_until_it_passes_and_only_failing_ones_again():
    found, asked = search(3)
    assert asked == [[0, 1, 2, 3], [1, 2, 3], [2, 3]]
    assert [best.candidates for best in found] == [1, 2, 3, 3]


def test_the_first_that_passes_is_kept_else_the_best_and_of_equal_ones_the_earlier():
    found, _ = search(3)
    assert [best.drawn for best in found] == ["0.0", "1.1", "2.2", "3.0"]
    assert [best.candidate for best in found] == [0, 1, 2, 0]
    assert [best.score for best in found] == [0.9, 0.6, 0.4, 0.2]


def test_a_score_at_the_threshold_passes():
    assert search(3, 0.6)[0][1].candidates == 2


def test_one_candidate_is_the_student_as_it_is():
    found, asked = search(1)
    assert asked == [[0, 1, 2, 3]]
    assert [best.drawn for best in found] == ["0.0", "1.0", "2.0", "3.0"]


def test_no_candidate_at_all_is_refused():
    with pytest.raises(ValueError, match="N is 0; choose at least 1"):
        search(0)


def test_the_expected_number_is_that_of_independent_tries():
    for limit, k in ((1, 50), (4, 50), (3, 0), (8, 99)):
        share = k / 100
        assert expected_candidates(limit, k) == pytest.approx((1 - share**limit) / (1 - share))
    assert expected_candidates(5, 100) == 5


@pytest.mark.parametrize(
    ("limit", "again", "k"), [(1, 20, 20), (1, 0, 35), (3, 20, 20), (3, 20, 5), (4, 30, 60), (2, 100, 40)]
)
def test_the_share_of_kept_images_under_a_threshold_is_what_searching_leaves(limit, again, k):
    drawn = numpy.random.default_rng(0).random((200_000, limit)) * 100
    found = best_of(limit, len(drawn), again, lambda number, wanted: [(drawn[i, number], None) for i in wanted])
    share = 100 * numpy.mean([best.score < k for best in found])
    assert share_of_kept(limit, again, k) == pytest.approx(share, abs=0.4)


def test_a_student_that_searched_tells_the_share_of_a_table_and_keeps_it_out_of_tables():
    searched = Student(best_of=3, best_of_k=20.0)
    assert searched.share_under(20) == pytest.approx(0.8) and Student().share_under(20) == 20
    assert searched.settings == {} and searched.share_is_known and Student().share_is_known
    assert not Student(best_of_k=20.0).share_is_known
    assert Student.of_images([(searched, 0), (searched, 1)]).share_under(20) == pytest.approx(0.8)
    assert Student.of_images([(searched, 0), (Student(), 0)]).share_under(20) == 20
