"""A tuning on images that are only numbers: what is drawn, what is chosen, and that no stop changes it."""

from collections import Counter
from dataclasses import replace

import numpy
import pytest

from adaptive_diffusion.gate.fitting import left_out
from adaptive_diffusion.gate.journal import Journal
from adaptive_diffusion.gate.routing import LEARNED
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.gate.tuned import gate_of, preset_of
from adaptive_diffusion.gate.tuning import Tuning, tune
from adaptive_diffusion.gate.ways import STUDENT, settings_of
from adaptive_diffusion.tuning_report import OWN_JUDGE, chart, report

COUNT, BATCH = 200, 8
HARD = numpy.random.default_rng(0).normal(size=COUNT)
TASK = Tuning(
    {"name": "Demo", "dtype": "float32"},
    {"name": "oracle", "dtype": "float32"},
    "how hard a prompt is",
    Student("turbo", cfg=1.0, sampler="lcm", scheduler="lcm", width=64, height=64),
    Teacher("slow", cfg=2.0, sampler="euler", scheduler="simple", rollback_scale="schedule"),
    [f"prompt {i}" for i in range(COUNT)],
    7,
    BATCH,
    settings_of([1, 2], [3, 5, 8], [0.7], ["refine"]),
    [3.0, 6.0],
)


class Drawer:
    """Draws numbers: the more steps, the more prompts come out right. drawn: how many images of each series.

    stop: after how many batches it is interrupted. slowness: what its seconds are multiplied by.
    """

    def __init__(self, stop: int | None = None, slowness: float = 1.0):
        self.drawn: Counter[str] = Counter()
        self.stop, self.slowness, self.batches = stop, slowness, 0

    def __call__(self, way, starts):
        for first in starts:
            if self.batches == self.stop:
                raise KeyboardInterrupt
            self.batches += 1
            self.drawn[way.series] += min(BATCH, COUNT - first)
            yield first, self.found(way, slice(first, first + BATCH))

    def found(self, way, rows):
        random = numpy.random.default_rng([rows.start, *way.series.encode()])
        hard = HARD[rows]
        skill = 0.9 * way.student_steps + 1.1 * way.teacher_steps**0.5
        right = (skill - hard + random.normal(size=len(hard)) > 0.5).astype(float)
        steps = way.student_steps if way.strategy == STUDENT else 2 * way.teacher_steps
        found = {
            "scores": right + random.normal(scale=0.3, size=len(hard)),
            "quality": right,
            "evaluations": numpy.full(len(hard), float(steps)),
            "seconds": self.slowness * steps * random.random(len(hard)),
            "scoring": self.slowness * random.random(len(hard)),
        }
        features = numpy.column_stack([hard, random.normal(size=(len(hard), 4))]).astype(numpy.float32)
        return found | ({"features": features} if way.strategy == STUDENT else {})


def tuned(folder, drawer=None, task=TASK):
    return tune(folder / "mine.journal", task, drawer or Drawer(), lambda done: None)


def what_is_kept(found, folder) -> tuple:
    """All that must not depend on when it was stopped: the gate's bits, the preset but for its seconds, the choices."""
    gate = gate_of(found, "mine", "mine scores")
    gate.save(folder / "gate")
    choices = [(str(choice.point), choice.point.evaluations, choice.point.interval) for choice in found.choices]
    return (folder / "gate").read_bytes(), replace(preset_of(found), source=""), choices


def test_half_of_the_settings_goes_on_with_twice_the_prompts(tmp_path):
    drawer = Drawer()
    found = tuned(tmp_path, drawer)
    assert TASK.rounds == [50, 100, 200]
    gated = Counter(count for series, count in drawer.drawn.items() if series.startswith("refine"))
    assert sum(gated.values()) == 6 and gated[56] == 3, "50 prompts are 7 batches of 8"
    assert {*gated} == {56, 104, 200} and gated[104] in (1, 2)
    alone = sorted(count for series, count in drawer.drawn.items() if series.startswith("regenerate"))
    assert alone == [56, 200, 200] or alone == [56, 104, 200]
    students = {series: count for series, count in drawer.drawn.items() if series.startswith("student")}
    assert set(students.values()) == {COUNT} and len(students) == 2 + 3
    assert len(found.dropped) == sum(count < COUNT for count in [*gated.elements(), *alone])


def test_stopped_anywhere_it_ends_in_the_same_bits_and_draws_nothing_twice(tmp_path):
    whole = tuned(tmp_path / "whole")
    expected = what_is_kept(whole, tmp_path / "whole")
    for stop in (0, 1, 7, 40, 100, 200):
        folder = tmp_path / str(stop)
        drawn = Counter()
        for drawer in (Drawer(stop), Drawer(stop), Drawer(slowness=9.0)):
            try:
                found = tuned(folder, drawer)
            except KeyboardInterrupt:
                found = None
            drawn += drawer.drawn
        assert found and what_is_kept(found, folder) == expected
        assert max(drawn.values()) == COUNT and sum(drawn.values()) == whole.journal.size


def test_another_budget_or_more_settings_draw_only_what_is_missing(tmp_path):
    tuned(tmp_path)
    again = Drawer(0)
    assert tuned(tmp_path, again).chosen.budget == 3.0
    more = Drawer()
    tuned(tmp_path, more, replace(TASK, settings=settings_of([1, 2], [3, 5, 8, 12], [0.7], ["refine"])))
    assert more.drawn and {series for series in more.drawn if "12" in series}
    before = Journal(tmp_path / "mine.journal", TASK.about()).size
    assert before > 0


def test_what_is_chosen_costs_no_more_than_the_budget_and_is_the_best_of_all_that_was_tried(tmp_path):
    found = tuned(tmp_path)
    for choice in found.choices[:2]:
        assert choice.point.evaluations <= choice.budget
        affordable = [p for p in found.points if p.evaluations <= choice.budget and p.name != "perfect routing"]
        assert choice.point.quality.mean() == max(point.quality.mean() for point in affordable)


def test_the_pairs_of_the_chosen_setting_are_those_of_its_images(tmp_path):
    found = tuned(tmp_path)
    pairs, setting = found.pairs(found.setting, "mine"), found.setting
    drawer = Drawer()
    for way, column in ((setting.student, 0), (setting.teacher, 1)):
        quality = numpy.concatenate(
            [drawer.found(way, slice(first, first + BATCH))["quality"] for first in range(0, COUNT, BATCH)]
        )
        assert (pairs.judged[:, column] == quality[pairs.numbers]).all()
    about = pairs.about
    assert (about.student.steps, about.teacher.steps) == (setting.student.student_steps, setting.teacher.teacher_steps)
    assert (about.teacher.strategy, about.teacher.rollback, about.judge.name) == ("refine", 0.7, "oracle")


@pytest.mark.parametrize("k", [10, 20, 40])
def test_the_learned_gate_sends_whom_fits_that_left_them_out_find_worst(tmp_path, k):
    found = tuned(tmp_path)
    learned = [point for point in found.points if (point.name, point.k) == (LEARNED, k)]
    assert learned
    for point in learned:
        pairs = found.pairs(point.setting, "mine")
        sent = numpy.argsort(-left_out(pairs).log_odds)[: COUNT * k // 100]
        quality = pairs.judged[:, 0].copy()
        quality[sent] = pairs.judged[sent, 1]
        assert (point.quality[pairs.numbers] == quality).all()


def test_the_preset_holds_the_settings_that_were_chosen(tmp_path):
    found = tuned(tmp_path)
    preset, setting = preset_of(found), found.setting
    assert (preset.student.model, preset.student.steps, preset.student.sampler) == (
        "turbo",
        setting.student.student_steps,
        "lcm",
    )
    assert (preset.teacher.steps, preset.teacher.cfg, preset.teacher.scheduler) == (
        setting.teacher.teacher_steps,
        2.0,
        "simple",
    )
    assert (preset.size, preset.rollback, preset.scale) == (64, 0.7, "schedule")
    assert preset.source.startswith("Tune, 200 prompts. At 3 evaluations an image, take ")


@pytest.mark.parametrize("steps", [1, 2])
def test_where_the_student_alone_is_chosen_it_is_what_is_kept(tmp_path, steps):
    found = tuned(tmp_path, task=replace(TASK, budgets=[steps]))
    assert str(found.chosen.point) == f"the student alone in {steps} step{'s' * (steps > 1)}"
    assert (found.k, preset_of(found).student.steps) == (0.0, steps)
    gate = gate_of(found, "mine", "mine scores")
    assert (gate.name, gate.student["steps"], len(gate.scores)) == ("mine scores", steps, COUNT)
    assert "The student alone is the better choice there; no gate is needed." in report(found)


def test_the_table_names_every_setting_and_the_picture_shows_both_costs(tmp_path):
    found = tuned(tmp_path)
    text = report(found)
    assert all(str(setting) in text for setting in TASK.settings)
    for name in ("the student alone in 2 steps", "the best of 4 images", "percentile gate", "learned gate"):
        assert name in text
    assert "keep the better" in text and "perfect routing" in text and OWN_JUDGE not in text
    drawn = chart(found)
    assert [panel.across for panel in drawn.panels] == ["evaluations an image", "seconds an image"]
    assert {"student alone", "teacher alone", "learned gate", "chosen"} <= {one.name for one in drawn.panels[0].series}
    picture = drawn.draw()
    assert picture.width > 1000 and len(picture.getcolors(10**6)) > 10


def test_a_judge_that_is_the_gates_own_is_said(tmp_path):
    assert OWN_JUDGE in report(tuned(tmp_path, task=replace(TASK, judge={})))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompts": TASK.prompts[:49]}, "49 prompts tell too little to choose by; give at least 50"),
        ({"budgets": [3.0, -1.0]}, "budgets holds -1; write numbers above 0"),
        ({"budgets": [float("nan")]}, "budgets holds nan; write numbers above 0"),
        ({"budgets": [0.5]}, "nothing costs 0.5 evaluations an image; the cheapest takes 1"),
    ],
)
def test_what_cannot_be_tuned_is_one_sentence(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        tuned(tmp_path, task=replace(TASK, **change))


@pytest.mark.parametrize(
    "change", [{"seed": 8}, {"batch": 4}, {"student": replace(TASK.student, cfg=2.0)}, {"judge": {}}]
)
def test_a_tuning_of_another_task_is_refused_and_kept(tmp_path, change):
    tuned(tmp_path)
    before = (tmp_path / "mine.journal").read_bytes()
    with pytest.raises(ValueError, match="^an unfinished calibration 'mine' has .*choose another name, or delete"):
        tuned(tmp_path, task=replace(TASK, **change))
    assert (tmp_path / "mine.journal").read_bytes() == before
