"""Prompts as the commands read them, and what they say of those that are longer than a model reads."""

import argparse
import warnings
from collections.abc import Sequence

from ..prompts import MOST_PROMPTS, read_prompts
from .libraries import needing


def prompts_of(chosen: argparse.Namespace, most: int | None = MOST_PROMPTS) -> list[str]:
    """Those of --prompts, wherever they lie, `most` of them; see `prompts.read_prompts`."""
    from ..scale import prompt_files

    if not prompt_files.is_elsewhere(chosen.prompts):
        return read_prompts(chosen.prompts, chosen.column, chosen.count, chosen.seed, most)
    with needing("cluster"), prompt_files.brought(chosen.prompts, chosen.column) as path:
        return read_prompts(path, chosen.column, chosen.count, chosen.seed, most)


def warn_of_cut(sentences: Sequence[str]) -> None:
    """One warning for all prompts of which a model reads only the beginning; sentences: one for each of them."""
    if sentences:
        others = f", and cuts {len(sentences) - 1} more" if len(sentences) > 1 else ""
        warnings.warn(sentences[0] + others, stacklevel=2)
