"""Score every image against its prompt."""

from collections.abc import Sequence

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..adaptive_diffusion.gate.checked import answered, told_answers
from ..adaptive_diffusion.gate.outcome import kept_instead
from ..host.node import AdaptiveNode, DecisionLink, EstimatorLink, ScoresLink
from ..host.scoring import first_look, scored, second_look
from ..host.shown import show_text
from ..host.thumbnails import thumbnails

SHOWN = 16


class QualityScore(AdaptiveNode):
    TITLE = "Quality Score"
    LISTS = ("images", "prompt", "decision")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveQualityScore",
            description="Scores each image for its prompt: one number per image, higher is better.",
            search_aliases=["image reward", "score", "rank"],
            has_intermediate_output=True,
            hidden=[io.Hidden.unique_id],
            inputs=[
                EstimatorLink.Input("estimator", tooltip="From Load Estimator."),
                io.Image.Input("images", tooltip="Decoded with the student's VAE."),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="What the images were drawn from: one text for all, one per batch, or one per image.",
                ),
                DecisionLink.Input(
                    "decision",
                    optional=True,
                    advanced=True,
                    tooltip="Link a gate's decision to score the teacher's images: each is scored with its own prompt.",
                ),
            ],
            outputs=[
                ScoresLink.Output(display_name="scores", is_output_list=True, tooltip="For Threshold Gate."),
                io.Float.Output(
                    display_name="values", is_output_list=True, tooltip="The same scores as plain numbers."
                ),
                io.String.Output(
                    display_name="reasons",
                    is_output_list=True,
                    tooltip="For each image the names of the checks it failed, from Judge from Text Encoder.",
                ),
            ],
        )

    @classmethod
    def run(cls, estimator, images, prompt=("",), decision=None):
        batches = second_look(images, prompt, decision) if decision else first_look(images, prompt)
        scores, told = scored(estimator, batches)
        values = [value for group in scores for value in group.values]
        answers = [answered(group) for group in scores]
        judge = estimator.estimator
        cut = judge.cut([text for batch in batches for text in batch.prompts])
        broken = sum(batch.broken for batch in batches)
        failed = [kept_instead(f"{broken} of {len(values)} images")] if broken else []
        show_text(cls.hidden, "\n".join([_listed(judge.name, values), *failed, *told, *cut]))
        shown = {
            "estimator": judge.name,
            "dtype": judge.dtype,
            "scores": [list(group.values) for group in scores],
            "truncated": cut,
            **told_answers(answers),
        }
        small = thumbnails(image for batch in batches for image in batch.images)
        ui = {"adaptive_scores": [shown], "adaptive_thumbnails": small}
        reasons = [", ".join(each.reasons) if each else "" for group in answers for each in group]
        nothing = [ExecutionBlocker(None)]
        return io.NodeOutput(scores or nothing, values or nothing, reasons or nothing, ui=ui)


def _listed(name: str, values: Sequence[float]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return f"{name}: {', '.join(f'{value:.2f}' for value in values[:SHOWN])}{more}"
