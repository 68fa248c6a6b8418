"""What refining and regenerating share: inputs, lazy loading, and the pooled run over all batches."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..adaptive_diffusion.gate.decision import GateDecision
from ..host.node import DecisionLink
from ..host.rows.latents import Latent, rejected_positions, row_noise, take, with_samples
from ..host.rows.pairing import per_decision, per_image, split_like
from ..host.sampling.drawing import Job, run_jobs
from ..host.sampling.samplers import UNIPC, make_sampler
from ..host.sampling.schedules import UNIFORM, ModelSchedule
from ..host.sampling.timing import TEACHER, timed
from .sampling_inputs import cfg_input, override_inputs, sampler_inputs, seed_input, steps_input

LAZY = ("model", "positive", "negative")
Choice = dict[str, Any]
Placed = list[tuple[Sequence[int], Job]]


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
            schedulers,
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


def missing_lazy(decisions: Sequence[GateDecision], linked: dict[str, Any]) -> list[str]:
    """The lazy inputs to evaluate now: none while nothing is rejected."""
    if not any(decision.any_rejected for decision in decisions):
        return []
    return [name for name in LAZY if name in linked and linked[name][0] is None]


def improve(
    decisions: Sequence[GateDecision],
    max_batch: int,
    inputs: dict[str, Sequence[Any]],
    plan: Callable[[GateDecision, Choice, Latent], Placed],
) -> io.NodeOutput:
    """Improve the rejected images of every batch; the output lists their latents, in order.

    plan: makes the jobs of a batch from its own value of each input (of rollback, one for each scored image) and the
    latent of its rejected images, with each job's places among these; images without a job stay as they are. Where
    nothing at all is rejected, a lone blocker quietly ends the branch behind the node.
    """
    decisions = split_like(decisions, [len(latent["samples"]) for latent in inputs["latent"]])
    spread = {
        name: (per_image if name == "rollback" else per_decision)(values, decisions, name)
        for name, values in inputs.items()
    }
    planned = []
    for i, decision in enumerate(decisions):
        if decision.any_rejected:
            choice = {name: values[i] for name, values in spread.items()}
            part = take(choice["latent"], rejected_positions(choice["latent"], decision))
            planned.append((part, plan(decision, choice, part)))
    jobs = [job for _, placed in planned for _, job in placed]
    with timed(TEACHER, sum(len(job.rows) for job in jobs)):
        improved = iter(run_jobs(jobs, max_batch))
    outputs = [_put_back(part, [(places, next(improved)) for places, _ in placed]) for part, placed in planned]
    return io.NodeOutput(outputs or [ExecutionBlocker(None)])


def _put_back(part: Latent, improved: Sequence[tuple[Sequence[int], Latent]]) -> Latent:
    """The latent of the rejected images with each improved one in its place."""
    rows = list(part["samples"])
    for places, latent in improved:
        for place, row in zip(places, latent["samples"], strict=True):
            rows[place] = row
    return with_samples(part, torch.stack(rows))


def make_job(decision: GateDecision, choice: Choice, latent: Latent, noise_seed: int, sigmas) -> Job:
    """A job from the clean latent of the rejected images and the sigmas to sample along."""
    flow = ModelSchedule(choice["model"].get_model_object("model_sampling")).flow
    name, scheduler = choice["sampler_name"], "" if choice.get("sigmas") is not None else choice["scheduler"]
    noise = row_noise(latent, decision.origin_rows, decision.scores.batch, noise_seed)
    return Job(
        model=choice["model"],
        positive=choice["positive"],
        negative=choice.get("negative"),
        cfg=choice["cfg"],
        latent=latent,
        noise=noise,
        rows=decision.origin_rows,
        seed=noise_seed,
        sampler=choice.get("sampler") or make_sampler(name, flow, scheduler),
        sampler_key=id(choice["sampler"]) if choice.get("sampler") else (name, scheduler),
        sigmas=sigmas,
        batch=decision.scores.batch,
    )
