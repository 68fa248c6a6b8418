"""What refining and regenerating share: their inputs, the lazy ones among them, and what comes out."""

from collections.abc import Callable, Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..host.node import AdaptiveNode, DecisionLink, node_id, unevaluated
from ..host.sampling.samplers import UNIPC
from ..host.sampling.schedules import UNIFORM, scheduler_names
from ..host.sampling.teacher import Plan, failures, improve
from ..host.shown import show_text
from .sampling_inputs import cfg_input, override_inputs, sampler_inputs, seed_input, steps_input

LAZY = ("model", "positive", "negative")
SETTINGS = ("seed", "steps", "cfg", "sampler_name", "scheduler", "rollback", "rollback_scale", "sampler", "sigmas")
PER_BATCH = ("decision", "latent", *LAZY, *SETTINGS)


def teacher_inputs(
    steps: int, schedulers: list[str], about_schedulers: str, rollback: Sequence[io.Input] = ()
) -> list[io.Input]:
    """The inputs of a teacher node; `rollback` are those that only refining has."""
    return [
        DecisionLink.Input("decision", tooltip="From Threshold Gate."),
        io.Latent.Input("latent", tooltip="The student's latent: the whole batch, or only the rejected images."),
        io.Model.Input("model", lazy=True, tooltip="The slow, good model. Not even loaded while nothing is rejected."),
        io.Conditioning.Input("positive", lazy=True, tooltip="The prompt, encoded with the teacher's CLIP."),
        seed_input("One for all, or one for each batch of a list."),
        steps_input(steps, "A rejected image gets exactly this many steps."),
        cfg_input(8.0, "Guidance: higher follows the prompt more closely. Anything but 1 doubles the cost."),
        *sampler_inputs(
            UNIPC,
            "unipc_diffusers is the second-order UniPC of the method's own pipeline.",
            scheduler_names(schedulers),
            UNIFORM,
            about_schedulers,
        ),
        *rollback,
        io.Int.Input(
            "max_batch",
            default=16,
            min=1,
            max=4096,
            advanced=True,
            tooltip="Rejected images of all prompts are improved together; fewer at a time need less memory.",
        ),
        io.Conditioning.Input("negative", lazy=True, optional=True, tooltip="What to avoid. Not needed at cfg 1."),
        *override_inputs("steps and scheduler"),
    ]


def missing_lazy(linked: dict[str, Any]) -> list[str]:
    """The lazy inputs to evaluate now that something was rejected."""
    return [name for name in LAZY if name in linked and unevaluated(linked[name])]


def improved(
    node: type[AdaptiveNode],
    decision: Sequence[GateDecision],
    max_batch: int,
    inputs: dict[str, Sequence[Any]],
    plan: Callable[..., Plan],
) -> io.NodeOutput:
    """The latents of the rejected images, as a list; a lone blocker quietly ends the branch where there are none."""
    payer = node_id(node.hidden)
    latents = improve(Verdicts(tuple(decision)), max_batch, inputs, plan, payer)
    if told := failures(decision, payer):
        show_text(node.hidden, told)
    return io.NodeOutput(latents or [ExecutionBlocker(None)])
