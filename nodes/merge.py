"""Put the improved images back in their places among the accepted ones."""

from comfy_api.latest import io

from ..adaptive_diffusion.gate.outcome import kept_instead
from ..host.graph import behind
from ..host.holding import put_away
from ..host.merging import METHODS, Size, merge
from ..host.node import AdaptiveNode, DecisionLink, ScoresLink, node_id, unevaluated
from ..host.savings import tell_savings
from ..host.shown import show_text

STUDENT_SIZE, EXPLICIT_SIZE = "student", "width x height"


class Merge(AdaptiveNode):
    TITLE = "Adaptive Merge"
    LISTS = ("decision", "student", "improved", "improved_scores")

    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("batch", [io.Image, io.Latent])
        return cls.schema(
            node_id="AdaptiveMerge",
            description="Puts the improved images in the rejected ones' places; accepted images stay as they are.",
            search_aliases=["combine", "join batch", "keep the better"],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.MatchType.Input(
                    "student", template=template, tooltip="The student's images, or its latent: all of them."
                ),
                io.MatchType.Input(
                    "improved",
                    template=template,
                    lazy=True,
                    tooltip="The rejected images, improved. What leads here only runs when something was rejected.",
                ),
                *_size_inputs(),
                ScoresLink.Input(
                    "improved_scores",
                    optional=True,
                    lazy=True,
                    tooltip="Scores of the improved images: one is then only taken where it scores higher.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=template,
                    id="merged",
                    display_name="merged",
                    is_output_list=True,
                    tooltip="Every image once, in the student's order.",
                ),
                DecisionLink.Output(
                    display_name="decision",
                    is_output_list=True,
                    tooltip="The decision with the images that were taken, for Adaptive Report.",
                ),
            ],
        )

    @classmethod
    def check_lazy_status(cls, decision, improved, improved_scores=(True,), **_):
        if not cls.any_rejected(decision):
            return []
        linked = {"improved": improved, "improved_scores": improved_scores}
        return [name for name, value in linked.items() if unevaluated(value)]

    @classmethod
    def run(cls, decision, student, improved, size, width, height, resize_method, improved_scores=(None,)):
        chosen = Size((width, height) if size == EXPLICIT_SIZE else None, resize_method)
        teachers = behind(cls.hidden, ("improved",)) if cls.any_rejected(decision) else None
        merged = merge(decision, student, improved, improved_scores, chosen, node_id(cls.hidden), teachers)
        if broken := sum(len(each.broken) for each in merged):
            rejected = sum(len(each.decision.rejected) for each in merged)
            show_text(cls.hidden, kept_instead(f"{broken} of {rejected} images"))
        for each in merged:
            put_away(each.decision, each.batch, range(len(each.decision)))
        decisions = [each.decision for each in merged]
        tell_savings(cls.hidden, decisions, ["improved", "improved_scores"])
        return io.NodeOutput([each.batch for each in merged], decisions)


def _size_inputs() -> list[io.Input]:
    return [
        io.Combo.Input(
            "size",
            options=[STUDENT_SIZE, EXPLICIT_SIZE],
            default=STUDENT_SIZE,
            tooltip="The size of every image that comes out, whichever were rejected.",
        ),
        io.Int.Input("width", default=1024, min=8, max=16384, advanced=True, tooltip="Used at size 'width x height'."),
        io.Int.Input("height", default=1024, min=8, max=16384, advanced=True, tooltip="Used at size 'width x height'."),
        io.Combo.Input(
            "resize_method",
            options=METHODS,
            default="bicubic",
            advanced=True,
            tooltip="How images of another size are brought to the common one.",
        ),
    ]
