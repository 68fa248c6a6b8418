"""What the teacher is to draw of the rejected images, and their improved latents."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ...adaptive_diffusion.diffusion.noise import derive_seed
from ...adaptive_diffusion.diffusion.rollback import start_sigma
from ...adaptive_diffusion.gate.cost import Spent
from ...adaptive_diffusion.gate.decision import GateDecision
from ...adaptive_diffusion.gate.outcome import kept_instead
from ...adaptive_diffusion.gate.verdicts import Verdicts
from ..rows.batches import batch_size
from ..rows.latents import Latent, check_latent, emptied, fit_to_model, row_noise, take, with_samples
from .call import Silent
from .drawing import Drawing, Drawn, draw_all
from .samplers import make_sampler
from .schedules import ModelSchedule, enter, entered_sigmas, full_sigmas
from .timing import TEACHER, timed

Settings = dict[str, Any]
Plan = list[tuple[Sequence[int], Drawing]]
_NOTHING = Spent(0, 0)


def improve(
    verdicts: Verdicts,
    max_batch: int,
    inputs: dict[str, Sequence[Any]],
    plan: Callable[[GateDecision, Settings, Latent], Plan],
    payer: str,
    progress: Silent | None = None,
) -> list[Latent]:
    """The latents of every batch's rejected images, improved, for the batches that have any.

    inputs: each one's values as the node got them; of rollback, one may come for each image. plan: makes the drawings
    of a batch from its settings and the latent of its rejected images, with each drawing's places among these; images
    without a drawing stay as they are. payer: the id of the node on whose account each image's costs are written.
    progress: as `draw_all` takes it.
    """
    verdicts = verdicts.fitted(list(map(batch_size, inputs["latent"])))
    planned = [
        (decision, part, plan(decision, settings, part))
        for decision, settings in zip(verdicts, _settings(verdicts, inputs), strict=True)
        if decision.any_rejected
        for part in [_rejected_part(settings["latent"], decision)]
    ]
    drawings = [drawing for *_, placed in planned for _, drawing in placed]
    with timed(TEACHER, sum(len(drawing.rows) for drawing in drawings)):
        drawn = iter(draw_all(drawings, max_batch, progress))
    return [
        _put_back(decision, part, [(places, next(drawn)) for places, _ in placed], payer)
        for decision, part, placed in planned
    ]


def _rejected_part(latent: Latent, decision: GateDecision) -> Latent:
    """The rejected images' rows of a latent of all images, or of these alone."""
    return take(latent, decision.places(len(check_latent(latent)), "latent images"))


def failures(decisions: Sequence[GateDecision], payer: str) -> str:
    """How many of the images that this node drew came to nothing, in a sentence; empty where none did."""
    spent = [bill[payer] for decision in decisions for bill in decision.bills if payer in bill]
    failed = sum(each.failed for each in spent)
    if not failed:
        return ""
    return kept_instead(f"{failed} of {len(spent)} images")


def plan_refine(decision: GateDecision, settings: Settings, part: Latent) -> Plan:
    """A drawing for each different rollback of a batch (Algorithm 1, strategy 1); rollback 0 has none."""
    rollbacks = [settings["rollback"][i] for i in decision.rejected]
    plan: Plan = []
    for rollback in sorted({*rollbacks} - {0}):
        places = [place for place, own in enumerate(rollbacks) if own == rollback]
        alike = replace(decision, rejected=tuple(decision.rejected[place] for place in places))
        plan.append((places, _refining(alike, {**settings, "rollback": rollback}, take(part, places))))
    return plan


def plan_regenerate(decision: GateDecision, settings: Settings, part: Latent) -> Plan:
    """One drawing of a batch's rejected images from pure noise (Algorithm 1, strategy 2)."""
    model, sigmas = _model(settings), settings.get("sigmas")
    latent = fit_to_model(model, emptied(part))
    if sigmas is None:
        sigmas = full_sigmas(model, settings["scheduler"], settings["steps"], settings["sampler_name"])
    return [(range(len(decision.rejected)), _drawing(decision, settings, latent, settings["seed"], sigmas.cpu()))]


def _settings(verdicts: Verdicts, inputs: dict[str, Sequence[Any]]) -> list[Settings]:
    """Each batch's own value of every input; of rollback, one for each of its images."""
    spread = {
        name: (verdicts.per_image if name == "rollback" else verdicts.per_batch)(values, name)
        for name, values in inputs.items()
    }
    return [{name: values[i] for name, values in spread.items()} for i in range(len(verdicts))]


def _refining(decision: GateDecision, settings: Settings, part: Latent) -> Drawing:
    latent = fit_to_model(_model(settings), part)
    return _drawing(decision, settings, latent, derive_seed(settings["seed"], "refine"), _refining_sigmas(settings))


def _model(settings: Settings) -> Any:
    """ValueError where what was linked gave nothing."""
    for name in ("model", "positive"):
        if settings[name] is None:
            raise ValueError(f"{name} came as nothing; link what gives one")
    return settings["model"]


def _refining_sigmas(settings: Settings) -> torch.Tensor:
    model, scale, rollback = settings["model"], settings["rollback_scale"], settings["rollback"]
    if settings.get("sigmas") is None:
        named = (settings["scheduler"], settings["steps"], scale, rollback, settings["sampler_name"])
        return entered_sigmas(model, *named)
    return enter(settings["sigmas"].cpu(), start_sigma(scale, rollback, ModelSchedule.of(model)))


def _drawing(decision: GateDecision, settings: Settings, latent: Latent, seed: int, sigmas: torch.Tensor) -> Drawing:
    """A drawing from the clean latent of the rejected images along `sigmas`."""
    model, sampler = settings["model"], settings.get("sampler")
    named = (settings["sampler_name"], "" if settings.get("sigmas") is not None else settings["scheduler"])
    return Drawing(
        model,
        settings["positive"],
        settings.get("negative"),
        settings["cfg"],
        latent,
        row_noise(latent, decision.rejected_rows, seed),
        decision.rejected_rows,
        seed,
        make_sampler(named[0], ModelSchedule.of(model).flow, named[1]) if sampler is None else sampler,
        named if sampler is None else id(sampler),
        sigmas,
    )


def _put_back(decision: GateDecision, part: Latent, drawn: Sequence[tuple[Sequence[int], Drawn]], payer: str) -> Latent:
    """The latent of the rejected images with each improved one in its place; what it took is written to its bill.

    An image that came out with NaN or infinite values leaves the student's where it was.
    """
    rows, spent = list(part["samples"]), [_NOTHING] * len(decision.rejected)
    for places, (latent, taken) in drawn:
        for place, row, cost in zip(places, latent["samples"], taken, strict=True):
            spent[place] = replace(cost, failed=not row.isfinite().all())
            rows[place] = rows[place] if spent[place].failed else row
    for position, cost in zip(decision.rejected, spent, strict=True):
        decision.bills[position][payer] = cost
    return with_samples(part, torch.stack(rows))
