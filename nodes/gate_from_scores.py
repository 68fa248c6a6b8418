"""Calibrate a gate from any graph: pairs of scores, of a student's images and of what a teacher made of them."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.fitted import summary
from ..adaptive_diffusion.gate.fitting import fit
from ..adaptive_diffusion.gate.pairs import Pairs
from ..adaptive_diffusion.gate.student import agreed
from ..host.files.gates import new_gate_paths
from ..host.files.outlines import about_pairs
from ..host.node import AdaptiveNode, ScoresLink, StudentInfoLink, TableLink
from ..host.pairing import new_in, pairs_of
from ..host.shown import show_text


class GateFromScores(AdaptiveNode):
    TITLE = "Gate from Scores"
    LISTS = ("scores", "improved_scores", "judged_scores", "judged_improved_scores", "student")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveGateFromScores",
            description="Keeps pairs of scores, of a student's images and of what any teacher made of all of them, and "
            "fits a gate to them for Threshold Gate. Running again adds to the pairs of that name.",
            search_aliases=["learned gate", "pairs", "fit", "calibrate"],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                ScoresLink.Input("scores", tooltip="Of the student's images, some hundred, from Quality Score."),
                ScoresLink.Input(
                    "improved_scores",
                    tooltip="Of the teacher's images of all of these: a gate at k 100 sends every image to it.",
                ),
                io.String.Input("name", default="my gate", tooltip="The gate's name in Threshold Gate."),
                io.String.Input(
                    "teacher",
                    default="",
                    tooltip="What you call the teacher and its settings; pairs of another are not mixed with these.",
                ),
                StudentInfoLink.Input("student", optional=True, tooltip="Recorded; the gate warns of another student."),
                ScoresLink.Input(
                    "judged_scores",
                    optional=True,
                    tooltip="A better estimator's scores of the student's images: it then says which image is better.",
                ),
                ScoresLink.Input(
                    "judged_improved_scores",
                    optional=True,
                    tooltip="The same estimator's scores of the teacher's images.",
                ),
            ],
            outputs=[TableLink.Output(display_name="gate", tooltip="For Threshold Gate, in the same run.")],
        )

    @classmethod
    def run(cls, scores, improved_scores, name, teacher, student=(None,), judged_scores=(), judged_improved_scores=()):
        gate_path, pairs_path = new_gate_paths(name.strip())
        if bool(judged_scores) != bool(judged_improved_scores):
            raise ValueError("a judge must see both images of each pair; link judged_scores and judged_improved_scores")
        judged = (judged_scores, judged_improved_scores) if judged_scores else None
        pairs = pairs_of(gate_path.stem, scores, improved_scores, judged, agreed(student), teacher.strip())
        fresh = new_in(pairs, pairs_path)
        kept = fresh.add_to(pairs_path) if fresh else Pairs.load(pairs_path)
        try:
            gate = fit(kept)
        except ValueError as error:
            raise ValueError(f"{error} ({len(kept)} pairs are kept; run again with more)") from None
        gate.save(gate_path)
        show_text(cls.hidden, summary(gate))
        return io.NodeOutput(gate, ui={"adaptive_table": [about_pairs(kept)]})
