"""Which workers hold which model, and what the simulation of many makes of it."""

import pytest

from adaptive_diffusion.scale import split
from adaptive_diffusion.scale.roles import STUDENT, TEACHER, next_role, teachers
from benchmarks.scale import Costs, Plan, Simulation, efficiency


@pytest.mark.parametrize(
    ("workers", "share", "student", "teacher", "expected"),
    [
        (10, 0.5, 1.0, 2.0, 5),
        (8, 0.3, 0.5, 2.0, 4),
        (2, 0.9, 0.1, 9.0, 1),
        (9, 0.0, 1.0, 5.0, 1),
        (3, 1.0, 1.0, 1.0, 2),
    ],
)
def test_pools_are_in_the_ratio_of_the_work(workers, share, student, teacher, expected):
    assert teachers(workers, share, student, teacher) == expected


CASES = {
    "nothing waits": (STUDENT, 100, 0, 3, 1, 2, STUDENT),
    "too few teachers, but a short queue": (STUDENT, 100, 19, 3, 1, 2, STUDENT),
    "too few teachers, a long queue": (STUDENT, 100, 21, 3, 1, 2, TEACHER),
    "a long queue, but enough teachers": (STUDENT, 100, 21, 3, 1, 1, STUDENT),
    "nothing is left for students": (STUDENT, 0, 21, 3, 1, 1, TEACHER),
    "the last student has work": (STUDENT, 9, 99, 1, 3, 4, STUDENT),
    "the last student has none": (STUDENT, 0, 99, 1, 3, 4, TEACHER),
    "a teacher with work": (TEACHER, 100, 1, 1, 3, 1, TEACHER),
    "one teacher too many": (TEACHER, 100, 0, 1, 3, 2, STUDENT),
    "one too many, but students have little": (TEACHER, 9, 0, 1, 3, 2, TEACHER),
    "not one too many": (TEACHER, 100, 0, 1, 2, 2, TEACHER),
    "the last teacher": (TEACHER, 100, 0, 3, 1, 0, TEACHER),
    "no student is there": (TEACHER, 9, 0, 0, 2, 2, STUDENT),
    "no teacher is there": (STUDENT, 9, 9, 2, 0, 0, TEACHER),
}


@pytest.mark.parametrize("case", CASES)
def test_who_changes(case):
    role, for_students, for_teachers, students, at_teachers, wanted, expected = CASES[case]
    waiting, workers = {STUDENT: for_students, TEACHER: for_teachers}, {STUDENT: students, TEACHER: at_teachers}
    assert next_role(role, waiting, workers, 10.0, wanted) == expected


def test_the_share_is_what_the_table_says_until_many_images_say_otherwise():
    seconds = split._Seconds(0.2, 0.3)
    assert seconds.share == 0.25
    for images, expected in [(64, 0.3), (128, 0.3), (192, 0.3), (256, 0.75)]:
        seconds.add(STUDENT, 64, split.Told(1.0, 48))
        assert (seconds.drawn, seconds.share) == (images, expected)


COSTS = Costs(student=1.0, teacher=2.0, load=5.0, driver=0.0, fixed=1.0, spread=0.0, share=1.0)


def test_one_gpu_takes_its_loads_and_its_units_one_after_the_other():
    assert Simulation(1, 3, 16, Plan(), COSTS).seconds == pytest.approx(2 * 5 + 3 * 16 * (1 + 2))


def test_part_of_a_batch_costs_its_fixed_part():
    assert COSTS.of(9, 1.0) == 16.0
    assert Costs(fixed=0.0).of(9, 1.0) == 9.0


def test_a_split_pair_works_at_once_and_the_driver_is_a_bottleneck_where_it_is_slow():
    assert Simulation(2, 1, 16, Plan(1), COSTS).seconds == pytest.approx(5 + 16 + 32)
    assert Simulation(2, 3, 16, Plan(1), COSTS).seconds == pytest.approx(5 + 16 + 3 * 32)
    slow = Costs(**{**COSTS.__dict__, "driver": 100.0})
    assert Simulation(4, 4, 16, Plan(), slow).seconds == pytest.approx(2 * 5 + 4 * 100 + 48)


def test_every_unit_is_drawn_once_whatever_roles_change():
    for plan in (Plan(), Plan(2), Plan(6), Plan(1, True), Plan(7, True)):
        done = Simulation(8, 50, 16, plan, Costs(share=0.5))
        assert (done.units, done.rejected, done.images) == (0, [], 800)


def test_many_gpus_with_enough_work_come_to_what_one_does_and_changed_roles_mend_a_wrong_plan():
    costs = Costs()
    many, one = (efficiency(gpus, 60, 64, Plan(), costs) for gpus in (64, 1))
    assert many > 0.95 * one
    wrong, mended = (efficiency(64, 60, 64, Plan(32, changes), costs) for changes in (False, True))
    assert mended > 0.92 > 0.8 > wrong
