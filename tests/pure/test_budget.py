import pytest

from adaptive_diffusion.budget import average_steps, k_for_average


@pytest.mark.parametrize(
    ("student", "teacher", "k", "average"), [(4, 12, 50, 10), (2, 4, 50, 4), (4, 12, 0, 4), (4, 12, 100, 16)]
)
def test_average_steps_of_the_published_examples_and_back(student, teacher, k, average):
    assert average_steps(student, teacher, k) == average
    assert k_for_average(student, teacher, average) == pytest.approx(k)


@pytest.mark.parametrize("average", [3.9, 16.1])
def test_an_average_out_of_reach_says_what_can_be_met(average):
    with pytest.raises(ValueError, match="from 4 .* to 16"):
        k_for_average(4, 12, average)


def test_bad_steps_and_shares_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        average_steps(0, 12, 50)
    with pytest.raises(ValueError, match="0 to 100"):
        average_steps(4, 12, 101)
