"""Prompts as the commands read them, and what they say of those that are longer than a model reads."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..prompts import read_prompts
from .libraries import needing

PARQUET = ".parquet"


def prompts_of(chosen: argparse.Namespace, any_number: bool = False) -> list[str]:
    """Those of --prompts, wherever they lie; see `prompts.read_prompts`."""
    place, how = chosen.prompts, (chosen.column, chosen.count, chosen.seed, any_number)
    if "://" not in str(place) and Path(place).suffix.lower() != PARQUET:
        return read_prompts(place, *how)
    with needing("cluster"):
        from ..scale.prompt_files import brought

        with brought(place, chosen.column) as path:
            return read_prompts(path, *how)


def warn_of_cut(sentences: Sequence[str]) -> None:
    """One warning for all prompts of which a model reads only the beginning; sentences: one for each of them."""
    if sentences:
        others = f", and cuts {len(sentences) - 1} more" if len(sentences) > 1 else ""
        warnings.warn(sentences[0] + others, stacklevel=2)
