"""What takes part in evaluating a model that ComfyUI itself did not bring: patches, wrappers, controls, hooks."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import comfy.hooks

from ...adaptive_diffusion.quoting import quoted, unquoted
from ..rows.conditioning import PER_ROW_LISTS, PER_ROW_TENSORS, Conditioning, picks_its_rows

PLAIN = (str, int, float, bool, type(None))
HARMLESS = {"model_sampling", "torch.compile", "denoise_mask_function", "multigpu_clones", "sample_sigmas"}
UNDERSTOOD = {*PER_ROW_TENSORS, *PER_ROW_LISTS, "area", "unclip_conditioning", "gligen", "uuid"}
REMEMBERING = "model_function_wrapper"


class Participant(NamedTuple):
    """Something that is not known to treat every image of a batch alike.

    place: what it is set as. value: itself. of_model: whether the model has it, not the conditioning.
    remembers: whether it may keep something from one step to the next.
    """

    place: str
    value: Any
    of_model: bool
    remembers: bool = False

    def __str__(self) -> str:
        name = getattr(self.value, "__qualname__", type(self.value).__name__)
        if self.of_model:
            return f"the model's patch {quoted(name)} ({unquoted(self.place)})"
        return f"the conditioning's {quoted(self.place)}"


def of_model(model: Any) -> list[Participant]:
    """The patches, wrappers and replaced parts of a model."""
    options = _leaves(model.model_options, "options", remembers=False)
    wrappers = _leaves(model.wrappers, "wrappers", remembers=True)
    return [*options, *_leaves(model.object_patches, "object patches", remembers=False), *wrappers]


def of_conditioning(conditioning: Conditioning) -> list[Participant]:
    """The hooks, unknown options and foreign controls of a conditioning."""
    return [
        Participant(key, value, of_model=False)
        for _, options in conditioning
        for key, value in options.items()
        if key not in UNDERSTOOD and not is_plain(value) and not _is_cores(key, value)
    ]


def model_without(model: Any, culprit: Participant) -> Any:
    """A copy of the model in which the participant is missing."""
    own = model.clone()
    own.model_options = _dropping(own.model_options, culprit.value)
    own.object_patches = _dropping(own.object_patches, culprit.value)
    own.wrappers = _dropping(own.wrappers, culprit.value)
    return own


def conditioning_without(conditioning: Conditioning, culprit: Participant) -> Conditioning:
    """The conditioning in which the participant is missing."""
    return [[tokens, _dropping(options, culprit.value)] for tokens, options in conditioning]


def _leaves(value: Any, place: str, remembers: bool) -> Iterator[Participant]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in HARMLESS:
                inner = remembers or key in (REMEMBERING, "wrappers")
                yield from _leaves(part, key if isinstance(key, str) else place, inner)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _leaves(part, place, remembers)
    elif not isinstance(value, PLAIN):
        yield Participant(place, value, True, remembers)


def is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, tuple) and all(map(is_plain, value)))


def _is_cores(key: str, value: Any) -> bool:
    """Whether it is ControlNets or weight hooks of ComfyUI's own, which are known to keep images apart."""
    if key == "hooks":
        return all(type(hook) is comfy.hooks.WeightHook for hook in value.hooks)
    return key == "control" and _are_cores_controls(value)


def _are_cores_controls(control: Any) -> bool:
    """Whether a ControlNet and all before it are of ComfyUI's own classes, whose hints are cut by their rows."""
    while control is not None:
        if picks_its_rows(control) or not type(control).__module__.startswith("comfy."):
            return False
        control = control.previous_controlnet
    return True


def _dropping(value: Any, culprit: Any) -> Any:
    if isinstance(value, dict):
        return {key: _dropping(part, culprit) for key, part in value.items() if part is not culprit}
    if isinstance(value, list):
        return [_dropping(part, culprit) for part in value if part is not culprit]
    return value


def of_all(model: Any, conditionings: Sequence[Conditioning]) -> list[Participant]:
    """What takes part of both."""
    return [*of_model(model), *(part for each in conditionings for part in of_conditioning(each))]
