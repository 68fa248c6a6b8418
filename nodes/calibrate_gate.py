"""Calibrate Gate: draw a student's and a teacher's images of many prompts, and fit a gate to them."""

from functools import partial

from comfy_api.latest import io

from ..adaptive_diffusion.gate.calibration import calibrate
from ..adaptive_diffusion.gate.fitted import summary
from ..adaptive_diffusion.gate.fitting import fit
from ..adaptive_diffusion.gate.student import Student, agreed
from ..host.files.gates import new_gate_paths
from ..host.files.outlines import about_pairs
from ..host.hosted import cut_by
from ..host.node import AdaptiveNode, TableLink
from ..host.sampling.calibration import Calibration
from ..host.sampling.pairs import Pairing, check_pairing, draw_pairs
from ..host.shown import ScoresSoFar, show_text
from .calibration_inputs import calibration_inputs, settings_inputs, teacher_models, teaching


class CalibrateGate(AdaptiveNode):
    TITLE = "Calibrate Gate"
    LISTS = ("prompts", "student")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveCalibrateGate",
            description="Draws an image of the student and one of the teacher for each of many prompts, and fits a "
            "gate that knows what this teacher improves. Interrupted, it keeps what was done; queue it again to go on.",
            search_aliases=["learned gate", "pairs", "fit", "calibrate"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                *calibration_inputs(),
                *teacher_models(),
                io.String.Input("name", default="my gate", tooltip="The gate's name in Threshold Gate."),
                *settings_inputs(),
            ],
            outputs=[TableLink.Output(display_name="gate", tooltip="For Threshold Gate, in the same run.")],
        )

    @classmethod
    def run(
        cls, model, clip, vae, estimator, student, prompts, name, seed, batch, negative=None, judge=None, **teacher
    ):
        gate_path, pairs_path = new_gate_paths(name.strip())
        drawn = Calibration(model, clip, vae, estimator, agreed(student) or Student(), prompts, seed, batch, negative)
        task = Pairing(drawn, teaching(vae, **teacher), judge)
        check_pairing(task)
        progress = ScoresSoFar(cls.hidden, len(prompts))
        pairs = calibrate(pairs_path, task.described, partial(draw_pairs, task), progress.tell)
        gate = fit(pairs)
        gate.save(gate_path)
        show_text(cls.hidden, "\n".join([summary(gate), *cut_by((estimator, judge), prompts)]))
        return io.NodeOutput(gate, ui={"adaptive_table": [about_pairs(pairs)]})
