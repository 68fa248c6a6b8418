"""Calibrate: score a student's images for many prompts and save their table."""

from functools import partial

from comfy_api.latest import io

from ..adaptive_diffusion.gate.calibration import calibrate
from ..adaptive_diffusion.gate.student import Student, agreed
from ..host.files.outlines import about
from ..host.files.tables import new_table_path
from ..host.hosted import cut_by
from ..host.node import AdaptiveNode, TableLink
from ..host.sampling.calibration import Calibration, check, score_all
from ..host.shown import ScoresSoFar, show_text
from .calibration_inputs import calibration_inputs, drawing_inputs, negative_input


class Calibrate(AdaptiveNode):
    TITLE = "Calibrate"
    LISTS = ("prompts", "student")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveCalibrate",
            description="Draws and scores an image for each of many prompts and saves their table for Threshold Gate. "
            "Interrupted, it keeps what was done; queue it again to go on.",
            search_aliases=["percentiles", "threshold", "table"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                *calibration_inputs(),
                io.String.Input("name", default="my student", tooltip="The table's name in Threshold Gate."),
                *drawing_inputs(),
                negative_input(),
            ],
            outputs=[TableLink.Output(display_name="table", tooltip="For Threshold Gate, in the same run.")],
        )

    @classmethod
    def run(cls, model, clip, vae, estimator, student, prompts, name, seed, batch, negative=None):
        path = new_table_path(name.strip())
        task = Calibration(model, clip, vae, estimator, agreed(student) or Student(), prompts, seed, batch, negative)
        check(task)
        progress = ScoresSoFar(cls.hidden, len(prompts))
        table = calibrate(path, task.described, partial(score_all, task), progress.tell)
        if told := cut_by((estimator,), prompts):
            show_text(cls.hidden, "\n".join(told))
        return io.NodeOutput(table, ui={"adaptive_table": [about(table)]})
