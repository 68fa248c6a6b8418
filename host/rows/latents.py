"""Reading LATENT values: what they must be, and the rows of a gate's rejected images."""

from collections.abc import Sequence
from typing import Any

import comfy.sample
import comfy.sampler_helpers
import torch

from ...adaptive_diffusion.gate.rows import Rows

Latent = dict[str, Any]
RATIOS = ("downscale_ratio_spacial", "downscale_ratio_temporal")


def check_latent(latent: Latent) -> torch.Tensor:
    """The samples of an image latent, (B, C, h, w) or (B, C, 1, h, w); ValueError for anything else."""
    samples = latent["samples"]
    if samples.is_nested:
        raise ValueError("the latent is nested (audio with video), which has no images to gate; give an image latent")
    if samples.ndim not in (4, 5):
        raise ValueError(f"the latent has {samples.ndim} dimensions; give an image latent with 4, or 5 with one frame")
    if samples.ndim == 5 and samples.shape[2] > 1:
        raise ValueError(
            f"the latent has {samples.shape[2]} frames; this works on images, so give a latent of one frame"
        )
    if not torch.isfinite(samples).all():
        raise ValueError(
            "the latent holds NaN or infinite values; mend what made it (often fp16 overflow in the model)"
        )
    return samples


def take(latent: Latent, positions: Sequence[int]) -> Latent:
    """The latent's rows at `positions`, with their part of noise_mask and batch_index."""
    part = latent.copy()
    part["samples"] = latent["samples"][list(positions)]
    if "noise_mask" in latent:
        masks = mask_rows(latent)
        rows = Rows(tuple(positions), len(latent["samples"]))
        part["noise_mask"] = rows.pick(masks) if len(masks) > 1 else masks
    if "batch_index" in latent:
        part["batch_index"] = [latent["batch_index"][i] for i in positions]
    return part


def mask_rows(latent: Latent) -> torch.Tensor:
    """The noise_mask with a row for each image, or one for all, as core reads one of any shape.

    Where latents have frames, core takes a flat mask's rows for frames.
    """
    mask, samples = latent["noise_mask"], latent["samples"]
    if samples.ndim == 4:
        return mask.reshape(-1, 1, *mask.shape[-2:])
    if mask.ndim >= samples.ndim or len(mask) == 1:
        return mask
    return comfy.sampler_helpers.prepare_mask(mask, samples.shape, samples.device)


def row_noise(part: Latent, rows: Rows, seed: int) -> torch.Tensor:
    """Unit noise for `part`, whose images are `rows` of a full batch: what KSampler gives those rows for `seed`."""
    samples = part["samples"]
    if "batch_index" in part:
        return comfy.sample.prepare_noise(samples, seed, part["batch_index"])
    full = samples.new_empty((rows.batch, *samples.shape[1:]))
    return comfy.sample.prepare_noise(full, seed)[list(rows)]


def row_numbers(part: Latent, rows: Rows) -> Rows:
    """The rows by which the images of `part` are told apart: those its batch_index names, else their places."""
    return Rows(tuple(part["batch_index"]), rows.batch) if "batch_index" in part else rows


def emptied(latent: Latent) -> Latent:
    """The latent with its drawing forgotten: zeros, except where a noise_mask keeps the image as it is."""
    samples = latent["samples"]
    if "noise_mask" not in latent:
        return {**latent, "samples": torch.zeros_like(samples)}
    mask = comfy.sampler_helpers.prepare_mask(latent["noise_mask"], samples.shape, samples.device)
    return {**latent, "samples": samples * (mask <= 0)}


def with_samples(latent: Latent, samples: torch.Tensor) -> Latent:
    """A copy of `latent` around new samples of the same batch."""
    return {key: value for key, value in latent.items() if key not in RATIOS} | {"samples": samples}


def fit_to_model(model: Any, latent: Latent) -> Latent:
    """An empty latent takes the model's channels, as in KSampler; a drawn one of another channel count is refused."""
    ratios = {key: latent[key] for key in RATIOS if key in latent}
    samples = comfy.sample.fix_empty_latent_channels(model, check_latent(latent), **ratios)
    expected = model.get_model_object("latent_format").latent_channels
    if samples.shape[1] != expected:
        raise ValueError(
            f"the latent has {samples.shape[1]} channels, the model expects {expected}; "
            "decode with the student's VAE and encode with the teacher's"
        )
    return with_samples(latent, samples)
