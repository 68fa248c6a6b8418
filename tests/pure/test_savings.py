import pytest

from adaptive_diffusion.gate.savings import Bill, Expense

RUN = Bill(8, 2, Expense(1.0, 8), Expense(0.5), Expense(2.0, 20), 3.0)


def test_what_was_spent_is_all_of_it():
    assert RUN.spent == Expense(6.5, 28)


def test_the_teacher_alone_draws_every_image_at_its_price_and_is_loaded_once():
    assert RUN.teacher_alone(RUN) == Expense(2.0 / 2 * 8 + 3.0, 80)
    told = RUN.told(RUN)
    assert told["student"] == {"seconds": 1.0, "evaluations": 8} and told["teacher"]["seconds"] == 11.0
    assert (told["images"], told["rejected"], told["seconds"], told["evaluations"]) == (8, 2, 6.5, 28)


def test_without_rejected_images_the_price_is_that_of_other_runs_or_not_known():
    none = Bill(4, 0, Expense(0.5, 4), Expense(0.1))
    assert none.teacher_alone(RUN) == Expense(2.0 / 2 * 4 + 3.0, 40)
    assert none.teacher_alone(none) is None and none.told(none)["teacher"] is None


def test_two_runs_are_spent_in_full_and_the_teacher_alone_would_have_loaded_once():
    both = RUN + Bill(4, 1, Expense(0.5, 4), Expense(0.1), Expense(1.0, 10), 2.0)
    assert (both.images, both.rejected) == (12, 3)
    assert both.spent.seconds == pytest.approx(6.5 + 3.6)
    assert both.teacher_alone(both) == Expense(3.0 / 3 * 12 + 3.0, 120)


def test_evaluations_that_were_not_counted_are_not_guessed():
    other = Bill(4, 1, Expense(0.5, 4), Expense(0.1), Expense(1.0, None))
    assert other.spent.evaluations is None and (RUN + other).told(other)["teacher"]["evaluations"] is None
    assert (RUN + other).told(other)["student"]["evaluations"] == 12
