"""The policies of benchmarks.quality, on worths that are easy to follow."""

import numpy
import pytest

from benchmarks import policies

STUDENT = numpy.array([0.0, 1.0, 0.0, 1.0])
IMPROVED = numpy.array([1.0, 0.0, 1.0, 1.0])
SCORES = numpy.array([0.1, 0.2, 0.3, 0.4])


def test_the_worst_scores_go_to_the_teacher():
    assert policies.rejected(SCORES, 50).tolist() == [True, True, False, False]
    assert policies.adaptive(STUDENT, IMPROVED, SCORES, 50).tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("policy", [policies.adaptive, policies.at_random, policies.perfect])
def test_none_or_all_go_to_the_teacher_at_the_ends(policy):
    assert policy(STUDENT, IMPROVED, SCORES, 0).tolist() == STUDENT.tolist()
    assert policy(STUDENT, IMPROVED, SCORES, 100).tolist() == IMPROVED.tolist()


def test_random_routing_is_what_is_expected_of_every_choice_of_as_many_images():
    chosen = [numpy.isin(range(4), pair) for pair in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    each = [numpy.where(one, IMPROVED, STUDENT) for one in chosen]
    assert policies.at_random(STUDENT, IMPROVED, SCORES, 50) == pytest.approx(numpy.mean(each, axis=0))


def test_perfect_routing_is_the_best_choice_of_as_many_images():
    assert policies.perfect(STUDENT, IMPROVED, SCORES, 50).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert policies.perfect(STUDENT, IMPROVED, SCORES, 25).sum() == 3.0


def test_the_better_is_kept_by_its_score_and_only_of_the_rejected():
    second = numpy.array([0.9, 0.1, 0.9, 0.9])
    assert policies.keep_better(STUDENT, IMPROVED, SCORES, second, 50).tolist() == [1.0, 1.0, 0.0, 1.0]
    tie = SCORES.copy()
    assert policies.keep_better(STUDENT, IMPROVED, SCORES, tie, 100).tolist() == STUDENT.tolist()
