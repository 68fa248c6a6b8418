"""From what an image may cost on average to k, and back."""

from collections.abc import Sequence

from comfy_api.latest import io

from ..adaptive_diffusion.gate.budget import EVALUATIONS, STEPS, cost_of_settings, cost_of_students
from ..adaptive_diffusion.gate.cost import Costs
from ..adaptive_diffusion.gate.student import Student
from ..host.node import AdaptiveNode, StudentInfoLink
from ..host.sampling.samplers import UNIPC, sampler_names
from ..host.sampling.timing import STUDENT, TEACHER, seconds_per_image
from ..host.shown import show_text
from .sampling_inputs import cfg_input

SECONDS = "seconds"


class Budget(AdaptiveNode):
    TITLE = "Budget"
    LISTS = ("student",)

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveBudget",
            description="Which k makes images cost what you want to spend on average; or what a given k costs.",
            search_aliases=["cost", "speed", "average steps"],
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Float.Input(
                    "average", default=10.0, min=0.0, max=1e6, step=0.1, tooltip="What an image may cost on average."
                ),
                io.Combo.Input(
                    "unit",
                    options=[STEPS, EVALUATIONS, SECONDS],
                    tooltip="Guidance other than 1 takes two evaluations a step. Seconds are those of the last runs.",
                ),
                io.Int.Input("student_steps", default=4, min=1, max=10000, tooltip="Not used with a linked student."),
                io.Int.Input("teacher_steps", default=12, min=1, max=10000, tooltip="As on the teacher's node."),
                cfg_input(8.0, "The teacher's guidance, as on its node."),
                StudentInfoLink.Input(
                    "student", optional=True, tooltip="From Student Sample or Best of N: what its images really took."
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=sampler_names(),
                    default=UNIPC,
                    optional=True,
                    advanced=True,
                    tooltip="As on the teacher's node: some samplers evaluate the model several times a step.",
                ),
                io.Boolean.Input(
                    "negative",
                    default=True,
                    optional=True,
                    advanced=True,
                    tooltip="Whether the teacher has a negative. Samplers that end in cfg_pp evaluate it at cfg 1 too.",
                ),
                io.Float.Input(
                    "k",
                    optional=True,
                    advanced=True,
                    extra_dict={"forceInput": True},
                    tooltip="Link a k to be told what it costs; `average` is then not used.",
                ),
            ],
            outputs=[
                io.Float.Output(display_name="k", tooltip="The share to improve, for Threshold Gate."),
                io.Float.Output(display_name="average", tooltip="What an image costs on average at this k."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, unit, **_others):
        """Measured seconds change with every run."""
        return float("nan") if SECONDS in unit else unit

    @classmethod
    def run(
        cls, average, unit, student_steps, teacher_steps, cfg, student=(), k=None, sampler_name=UNIPC, negative=True
    ):
        costs = _costs(unit, student, student_steps, (teacher_steps, cfg, sampler_name, negative))
        k = costs.k_for(average) if k is None else k
        expected = costs.average(k)
        text = f"k {k:.1f} %: {expected:.3g} {unit} per image; the teacher alone takes {costs.teacher:.3g}"
        show_text(cls.hidden, text + _of_single(costs, k, student))
        return io.NodeOutput(k, expected)


def _of_single(costs: Costs, k: float, students: Sequence[Student]) -> str:
    """What a gate's table of single drawings makes of k, where Best of N draws; nothing where it does not."""
    share = max((student.share_under(k) for student in students), default=k)
    if share == k:
        return ""
    average = f"{costs.average(share):.3g} {costs.unit} per image"
    return f"; with a table of single drawings about {share:.3g} % of what Best of N keeps, {average}"


def _costs(unit: str, students: Sequence[Student], student_steps: int, teacher: tuple[int, float, str, bool]) -> Costs:
    """teacher: its steps, cfg and sampler, and whether a negative is linked to it."""
    if unit == SECONDS:
        return Costs(seconds_per_image(STUDENT), seconds_per_image(TEACHER), SECONDS)
    student = cost_of_students(students, unit) if students else student_steps
    return Costs(student, cost_of_settings(*teacher, unit), unit)
