"""Calibrate: score a student's images for many prompts and save their table."""

from functools import partial

from comfy_api.latest import io

from ..adaptive_diffusion.gate.calibration import calibrate
from ..adaptive_diffusion.gate.student import Student, agreed
from ..host.files.outlines import about
from ..host.files.tables import new_table_path
from ..host.node import AdaptiveNode, EstimatorLink, StudentInfoLink, TableLink
from ..host.sampling.calibration import Calibration, check, score_all
from ..host.shown import ScoresSoFar


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
                io.Model.Input("model", tooltip="The student, with its LoRA if it has one."),
                io.Clip.Input("clip", tooltip="The student's."),
                io.Vae.Input("vae", tooltip="The student's."),
                EstimatorLink.Input("estimator", tooltip="The one that will score your images."),
                StudentInfoLink.Input("student", tooltip="From Student Sample: its settings are repeated exactly."),
                io.String.Input("prompts", force_input=True, tooltip="A list of texts, such as from Load Prompts."),
                io.String.Input("name", default="my student", tooltip="The table's name in Threshold Gate."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="Prompt i is drawn with seed + i.",
                ),
                io.Int.Input("batch", default=4, min=1, max=4096, tooltip="Images drawn at a time."),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="What the student is to avoid. Not needed at cfg 1."
                ),
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
        return io.NodeOutput(table, ui={"adaptive_table": [about(table)]})
