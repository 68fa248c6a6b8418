"""Saving images by ComfyUI's Save Image, under names and with texts that only a decision knows."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import torch

import nodes as core

from ..adaptive_diffusion.files import writing
from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..adaptive_diffusion.quoting import quoted
from ..adaptive_diffusion.report import PNG_RECORD, record
from .holding import put_away
from .rows.batches import check_finite


def save(
    images: Sequence[torch.Tensor],
    decisions: Sequence[GateDecision],
    prefix: str,
    nodes: Collection[str] | None,
    prompt: Any,
    texts: Mapping[str, Any] | None,
) -> list[dict[str, str]]:
    """Save every image; where, as ComfyUI shows it.

    images: all that were judged of each batch, or those of exactly the rejected. nodes: the teachers and merges that
    count. prompt, texts: what Save Image writes into the files beside the image's record. ValueError where images and
    decisions do not belong together, the prefix leads out of the output folder, or that cannot be written to.
    """
    saved, first, root = [], 0, _root_of(prefix)
    for batch, judged in _pairs(images, Verdicts(tuple(decisions)).fitted([len(batch) for batch in images])):
        check_finite(batch, "images")
        places = range(len(judged)) if len(batch) == len(judged) else judged.rejected
        entries = record(judged, first=first, nodes=nodes)
        put_away(judged, batch, places)
        for image, position in zip(batch, places, strict=True):
            comfy.model_management.throw_exception_if_processing_interrupted()
            name = _name(prefix, judged.became(position, nodes), judged.scores.values[position])
            told = {**(texts or {}), PNG_RECORD: entries[position]}
            with writing(root / prefix):
                saved += core.SaveImage().save_images(image[None], name, prompt, told)["ui"]["images"]
        first += len(judged)
    return saved


def _pairs(images: Sequence[torch.Tensor], verdicts: Verdicts) -> list[tuple[torch.Tensor, GateDecision]]:
    """Each batch of images with its decision; batches of the rejected alone come only where there are any."""
    batches = images if len(images) == len(verdicts) else verdicts.per_rejecting(images, "images")
    pairs = [(batch, judged) for batch, judged in zip(batches, verdicts, strict=True) if batch is not None]
    for batch, judged in pairs:
        judged.places(len(batch), "images")
    return pairs


def _root_of(prefix: str) -> Path:
    """The output folder, where a prefix lies in it."""
    root = os.path.abspath(folder_paths.get_output_directory())
    if os.path.commonpath([root, os.path.abspath(os.path.join(root, prefix))]) != root:
        raise ValueError(f"filename_prefix {quoted(prefix)} leads out of the output folder; choose a name in it")
    return Path(root)


def _name(prefix: str, word: str, score: float) -> str:
    """The prefix of an image's file for Save Image: a folder for each word, of which the file has the word too."""
    plain = word.replace(" ", "_")
    return os.path.join(prefix, plain, f"{plain}_{score:.3f}")
