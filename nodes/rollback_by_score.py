"""The further a score lies under the threshold, the further back the teacher goes."""

from collections import Counter

from comfy_api.latest import io

from ..adaptive_diffusion.gate.rollback_by_score import RollbackByScore as Line
from ..host.node import AdaptiveNode, DecisionLink
from ..host.shown import show_text


class RollbackByScore(AdaptiveNode):
    TITLE = "Rollback by Score"
    LISTS = ("decision",)

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveRollbackByScore",
            description="A rollback for every image: small right under the threshold, large far under it.",
            search_aliases=["sigma", "denoise", "strength"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                _rollback_input("near", 0.5, "Rollback of an image that fails by a hair."),
                _rollback_input("far", 0.8, "Rollback of an image whose score lies the distance under the threshold."),
                io.Float.Input(
                    "distance",
                    default=1.0,
                    min=0.001,
                    max=1000.0,
                    step=0.1,
                    tooltip="How far under the threshold `far` is reached, in units of the score; where a learned gate "
                    "decided, how far the risk lies over it. More changes less.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="rollback",
                    is_output_list=True,
                    tooltip="For Teacher Refine: one of at most 4 values for each rejected image, 0 for the others.",
                )
            ],
        )

    @classmethod
    def run(cls, decision, near, far, distance):
        line = Line(near, far, distance)
        rollbacks = [rollback for judged in decision for rollback in line.of(judged)]
        counts = Counter(f"{rollback:.3g}" for rollback in sorted(rollbacks) if rollback)
        show_text(cls.hidden, ", ".join(f"{count} at {rollback}" for rollback, count in counts.items()))
        return io.NodeOutput(rollbacks)


def _rollback_input(name: str, default: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1000.0, step=0.01, tooltip=tooltip)
