"""Judge from Text Encoder: ask a vision-language model, which a text encoder often is, whether images are right."""

from comfy_api.latest import io

from ..adaptive_diffusion.estimators.vlm import Questions
from ..adaptive_diffusion.estimators.vlm.questions import REFERENCE
from ..host.node import AdaptiveNode, EstimatorLink
from ..host.shown import show_text
from ..host.vision_judge import HostedVisionJudge


class VisionJudge(AdaptiveNode):
    TITLE = "Judge from Text Encoder"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveVisionJudge",
            description="Makes a Qwen3-VL text encoder, such as Krea 2's or Ideogram 4's, a judge of images: it is "
            "asked whether each shows its prompt, and what else you write.",
            search_aliases=["vqascore", "vlm", "vision language", "qwen3-vl", "question", "yes no"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Clip.Input(
                    "clip", tooltip="From Load CLIP, as a type that keeps the model's vision; no LoRA on it."
                ),
                io.String.Input(
                    "question",
                    default=REFERENCE,
                    multiline=True,
                    optional=True,
                    tooltip="What is asked of every image, to be answered by Yes or No. Where the prompt is to stand, "
                    "write the word prompt in curly brackets.",
                ),
                io.String.Input(
                    "checks",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="More yes/no questions, one a line. Behind a question, each after a vertical bar, may "
                    "stand its name, which is told where the answer is No, and its weight: a higher one counts for "
                    "more. The help page has an example.",
                ),
            ],
            outputs=[
                EstimatorLink.Output(
                    display_name="estimator", tooltip="For Quality Score, Calibrate, and all that take an estimator."
                )
            ],
        )

    @classmethod
    def run(cls, clip, question=REFERENCE, checks=""):
        questions = Questions.read(question, checks)
        judge = HostedVisionJudge(clip, questions)
        show_text(cls.hidden, "\n".join([judge.described.label, *questions.notes]))
        return io.NodeOutput(judge)
