"""Tune: which steps, rollback, k and gate of your own models give the most for a cost."""

import re
from typing import Any

import numpy
import torch
from comfy_api.latest import io, ui

from ..adaptive_diffusion.gate.student import Student, agreed
from ..adaptive_diffusion.gate.tuning import tune
from ..adaptive_diffusion.gate.ways import STRATEGIES, Setting, settings_of
from ..adaptive_diffusion.quoting import quoted
from ..adaptive_diffusion.tuning_report import chart, report
from ..host.hosted import cut_by
from ..host.node import AdaptiveNode, TableLink
from ..host.sampling.calibration import Calibration
from ..host.sampling.tuning import Tuner
from ..host.shown import ImagesSoFar, show_text
from ..host.tuned import keep, new_tuned_paths, told
from .calibration_inputs import (
    calibration_inputs,
    drawing_inputs,
    optional_inputs,
    teacher_models,
    teacher_settings,
    teaching,
)

BOTH = "both"
STEPS = ("student_steps", "teacher_steps")


class Tune(AdaptiveNode):
    TITLE = "Tune"
    LISTS = ("prompts", "student")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveTune",
            description="Tries settings of your student and teacher on your prompts, and shows what each gives for its "
            "cost. The best is saved as a preset, with its gate. Interrupted, it goes on where it was.",
            search_aliases=["tuning", "optimise", "benchmark", "sweep", "successive halving"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=_inputs(),
            outputs=[
                io.Image.Output(display_name="picture", tooltip="Quality against evaluations and against seconds."),
                io.String.Output(display_name="table", tooltip="What was chosen, and all that was measured."),
                TableLink.Output(display_name="gate", tooltip="For Threshold Gate, in the same run."),
                io.Float.Output(display_name="k", tooltip="The chosen share to improve, for Threshold Gate."),
            ],
        )

    @classmethod
    def run(cls, model, clip, vae, estimator, student, prompts, name, seed, batch, negative=None, judge=None, **chosen):
        paths = new_tuned_paths(name.strip())
        settings, budgets = _tried(chosen)
        drawn = Calibration(model, clip, vae, estimator, agreed(student) or Student(), prompts, seed, batch, negative)
        tuner = Tuner(drawn, teaching(vae, **chosen), judge)
        tuner.check(settings)
        task = tuner.described(settings, budgets)
        tuned = tune(paths.journal, task, tuner.draw, ImagesSoFar(task.images).tell)
        gate = keep(tuned, paths)
        text = report(tuned)
        show_text(cls.hidden, "\n".join([*map(str, tuned.choices), *cut_by((estimator, judge), prompts)]))
        picture = torch.from_numpy(numpy.asarray(chart(tuned).draw()).astype(numpy.float32) / 255)[None]
        shown = {"adaptive_tune": [told(tuned, gate)], **ui.PreviewImage(picture).as_dict()}
        return io.NodeOutput(picture, text, gate, tuned.k, ui=shown)


def _inputs() -> list[io.Input]:
    return [
        *calibration_inputs(),
        *teacher_models(),
        io.String.Input("name", default="my tuning", tooltip="The name of the preset, and of the gate."),
        io.String.Input(
            "student_steps",
            default="1, 2, 4",
            tooltip="Numbers of student steps to try, such as 1, 2, 4. More take longer.",
        ),
        *drawing_inputs(),
        *teacher_settings([_list_input("teacher_steps", "6, 12", "Numbers of teacher steps to try.")], _tried_inputs()),
        *optional_inputs(),
    ]


def _tried_inputs() -> list[io.Input]:
    return [
        _list_input("rollback", "0.5, 0.7", "Where refining is to start. Not used where it only regenerates."),
        io.Combo.Input(
            "strategies",
            options=[*STRATEGIES, BOTH],
            tooltip="What the teacher is to try.",
        ),
        _list_input(
            "budgets",
            "",
            "What an image may cost on average, in model evaluations, such as 3, 6: the best for each is named, and "
            "that for the first is saved. Empty: the cheapest that is as good as the best.",
        ),
    ]


def _list_input(name: str, default: str, tooltip: str) -> io.Input:
    return io.String.Input(name, default=default, tooltip=tooltip)


def _tried(chosen: dict[str, Any]) -> tuple[list[Setting], list[float]]:
    """The settings and the budgets of these inputs, which are taken out."""
    student, teacher = ([*map(int, _numbers(name, chosen.pop(name)))] for name in STEPS)
    rollbacks, budgets = (_numbers(name, chosen.pop(name)) for name in ("rollback", "budgets"))
    strategies = chosen.pop("strategies")
    return settings_of(student, teacher, rollbacks, STRATEGIES if strategies == BOTH else [strategies]), budgets


def _numbers(name: str, text: str) -> list[float]:
    """The numbers of a text such as "1, 2.5"; steps are whole."""
    parts = [part for part in re.split(r"[,;\s]+", text.strip()) if part]
    try:
        return [int(part) if name in STEPS else float(part) for part in parts]
    except ValueError:
        kind = "whole numbers" if name in STEPS else "numbers"
        raise ValueError(f"{name} is {quoted(text)}; write {kind} such as 1, 2") from None
