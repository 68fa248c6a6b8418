"""Giving a sub-batch the conditioning of its own rows.

ComfyUI repeats or cuts batched conditioning to the latent batch: row i uses row i % n of n conditioning rows. What it
joins to the latent itself it spreads evenly over the batch instead.
"""

from collections.abc import Sequence
from typing import Any

import comfy.utils
import torch

from ...adaptive_diffusion.gate.rows import Rows

Conditioning = list[list[Any]]

PER_ROW_TENSORS = {
    "pooled_output",
    "cross_attn_controlnet",
    "pooled_output_controlnet",
    "concat_latent_image",
    "concat_mask",
    "concat_image",
    "noise_concat",
    "mask",
    "attention_mask",
    "conditioning_lyrics",
    "ref_latent",
    "time_dim_concat",
}
SPREAD_TENSORS = {"concat_latent_image", "concat_mask", "concat_image"}
PER_ROW_LISTS = {"reference_latents"}


class RowSlicer:
    """Slices conditioning for the rows of one or several batches that are sampled together.

    rows: for each batch the rows that take part, in order.
    A ControlNet shared by positive and negative stays shared, so that core still evaluates both in one call.
    """

    def __init__(self, rows: Sequence[Rows]):
        self.rows = rows
        self._controls: dict[int, Any] = {}

    def __call__(self, conditionings: Sequence[Conditioning]) -> Conditioning:
        """One conditioning for all rows, from one conditioning per batch; their `signature`s must be equal."""
        return [self._entry([c[i] for c in conditionings]) for i in range(len(conditionings[0]))]

    def _entry(self, entries: Sequence[list[Any]]) -> list[Any]:
        options = [entry[1] for entry in entries]
        merged = {key: self._option(key, [o[key] for o in options]) for key in options[0]}
        return [self._tensors([entry[0] for entry in entries]), merged]

    def _option(self, key: str, values: Sequence[Any]) -> Any:
        if key == "control":
            return self._control(values[0])
        if key in PER_ROW_TENSORS and isinstance(values[0], torch.Tensor):
            return self._tensors(self._spread(values) if key in SPREAD_TENSORS else values)
        if key in PER_ROW_LISTS:
            return [self._tensors(parts) for parts in zip(*values, strict=True)]
        return values[0]

    def _spread(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        pairs = zip(tensors, self.rows, strict=True)
        return [t if len(t) == 1 else comfy.utils.resize_to_batch_size(t, rows.batch) for t, rows in pairs]

    def _tensors(self, tensors: Sequence[Any]) -> Any:
        first = tensors[0]
        if not isinstance(first, torch.Tensor):
            return first
        if all(t is first for t in tensors):
            return first if first.shape[0] == 1 else self._all_rows.pick(first)
        return torch.cat([rows.pick(t) for t, rows in zip(tensors, self.rows, strict=True)])

    @property
    def _all_rows(self) -> Rows:
        """The rows of all batches as if they were of one, for what is the same for every batch."""
        return Rows(tuple(number for rows in self.rows for number in rows), max(rows.batch for rows in self.rows))

    def _control(self, control: Any) -> Any:
        if id(control) not in self._controls:
            self._controls[id(control)] = self._sliced_control(control)
        return self._controls[id(control)]

    def _sliced_control(self, control: Any) -> Any:
        copy, rows = control.copy(), self._all_rows
        if picks_its_rows(control):
            copy.sub_idxs, copy.full_latent_length, copy.context_length = list(rows), rows.batch, len(rows)
        elif copy.cond_hint_original is not None and copy.cond_hint_original.shape[0] > 1:
            copy.cond_hint_original = rows.pick(copy.cond_hint_original)
        copy.extra_concat_orig = [rows.pick(t) if t.shape[0] > 1 else t for t in control.extra_concat_orig]
        if control.previous_controlnet is not None:
            copy.set_previous_controlnet(self._control(control.previous_controlnet))
        return copy


def picks_its_rows(control: Any) -> bool:
    """Whether a control object takes its images' own parts itself, told which they are as AnimateDiff tells it."""
    return hasattr(control, "sub_idxs")


def signature(conditioning: Conditioning) -> tuple[Any, ...]:
    """Equal for conditionings whose rows can be concatenated without changing any row's result."""
    return tuple((_shape(entry[0]), *_options(entry[1])) for entry in conditioning)


def _options(options: dict[str, Any]) -> list[Any]:
    return [(key, _option_signature(key, value)) for key, value in sorted(options.items())]


def _option_signature(key: str, value: Any) -> Any:
    if key in PER_ROW_TENSORS:
        return _shape(value)
    if key in PER_ROW_LISTS:
        return tuple(_shape(part) for part in value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else id(value)


def _shape(value: Any) -> Any:
    return (*value.shape[1:], value.dtype) if isinstance(value, torch.Tensor) else id(value)
