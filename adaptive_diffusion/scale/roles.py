"""Which of a cluster's workers hold the student, and which the teacher, where no worker holds both."""

from collections.abc import Mapping

STUDENT, TEACHER = "student", "teacher"
OTHER = {STUDENT: TEACHER, TEACHER: STUDENT}
LOADS = 2.0
"""A queue that its workers need longer for than so many loads of a model is too long."""


def teachers(workers: int, share: float, student: float, teacher: float) -> int:
    """How many of at least two workers hold the teacher: n_teacher / n_student = p t_teacher / t_student.

    share: p, of the images that are rejected. student, teacher: seconds an image takes each.
    """
    ratio = share * teacher / student
    return min(workers - 1, max(1, round(workers * ratio / (1 + ratio))))


def next_role(role: str, waiting: Mapping[str, float], workers: Mapping[str, int], load: float, wanted: int) -> str:
    """The role of a worker that has nothing in its hands: its own, or the other one, whose queue grew too long.

    waiting: seconds of work in each role's queue. workers: of each role, those that load their model among them.
    load: seconds that loading a model takes. wanted: how many `teachers` there should be by what was measured so far.
    A student changes where there are too few teachers, or nothing is left for a student; a teacher that has nothing to
    do, where there are too many. Nobody leaves a role without workers that has work.
    """
    other = OTHER[role]
    if waiting[role] and workers[role] == 1:
        return role
    if waiting[other] and not workers[other]:
        return other
    if role == STUDENT:
        leaves = workers[TEACHER] < wanted or not waiting[STUDENT]
    else:
        leaves = workers[TEACHER] > max(1, wanted) and not waiting[TEACHER]
    return other if leaves and waiting[other] > LOADS * load * workers[other] else role
