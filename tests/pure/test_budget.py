from dataclasses import replace

import pytest

from adaptive_diffusion.gate.budget import EVALUATIONS, STEPS, cost_of_settings, cost_of_students
from adaptive_diffusion.gate.cost import Costs, Spent, evaluations
from adaptive_diffusion.gate.student import Student


@pytest.mark.parametrize(
    ("student", "teacher", "k", "average"), [(4, 12, 50, 10), (2, 4, 50, 4), (4, 12, 0, 4), (4, 12, 100, 16)]
)
def test_average_steps_of_the_published_examples_and_back(student, teacher, k, average):
    costs = Costs(student, teacher)
    assert costs.average(k) == average
    assert costs.k_for(average) == pytest.approx(k)


@pytest.mark.parametrize("average", [3.9, 16.1])
def test_an_average_out_of_reach_says_what_can_be_met(average):
    with pytest.raises(ValueError, match=f"an average of {average} seconds cannot be met; choose from 4 .* to 16"):
        Costs(4, 12, "seconds").k_for(average)


@pytest.mark.parametrize(("student", "teacher"), [(0, 12), (4, 0), (4, -1)])
def test_costs_of_nothing_are_refused(student, teacher):
    with pytest.raises(ValueError, match="both must be above 0"):
        Costs(student, teacher)


@pytest.mark.parametrize("k", [-1, 101])
def test_shares_outside_a_percentage_are_refused(k):
    with pytest.raises(ValueError, match="0 to 100"):
        Costs(4, 12).average(k)


@pytest.mark.parametrize(
    ("sampler", "steps", "cfg", "negative", "expected"),
    [
        ("euler", 12, 1.0, True, 12),
        ("euler", 12, 8.0, True, 24),
        ("euler", 12, 0.0, True, 24),
        ("euler", 12, 1 + 1e-12, True, 12),
        ("heun", 4, 1.0, True, 7),
        ("heun", 4, 8.0, True, 14),
        ("heunpp2", 1, 1.0, True, 1),
        ("euler_cfg_pp", 4, 1.0, True, 8),
        ("euler_cfg_pp", 4, 1.0, False, 4),
        ("dpmpp_2s_ancestral_cfg_pp", 4, 1.0, True, 14),
        ("of another pack", 4, 1.0, True, None),
    ],
)
def test_evaluations_depend_on_sampler_guidance_and_negative(sampler, steps, cfg, negative, expected):
    assert evaluations(steps, cfg, sampler, negative) == expected


HEUN = Student(steps=4, cfg=3.0, sampler="heun")


def test_students_cost_the_mean_of_what_their_images_took():
    one = replace(HEUN, spent=(Spent(4, 14.0), Spent(12, 42.0)))
    other = replace(HEUN, spent=(Spent(8, 28.0),))
    assert cost_of_students([one, other], STEPS) == 8
    assert cost_of_students([one, other], EVALUATIONS) == 28


@pytest.mark.parametrize(("student", "expected"), [(HEUN, 14), (replace(HEUN, cfg=1.0), 7)])
def test_a_student_that_was_not_counted_costs_what_its_settings_say(student, expected):
    assert cost_of_students([student], STEPS) == 4
    assert cost_of_students([student], EVALUATIONS) == expected


def test_costs_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="does not tell its settings; take the link off and set student_steps"):
        cost_of_students([replace(HEUN, steps=None)], STEPS)
    with pytest.raises(ValueError, match="sampler 'given by a link' .* is not known; choose unit seconds or steps"):
        cost_of_settings(4, 1.0, "given by a link", True, EVALUATIONS)
