"""Verdicts that a person corrected, kept by what tells an image from others (see digest.py)."""

import re
from collections.abc import Mapping
from dataclasses import replace

from ..quoting import quoted
from .decision import GateDecision

_REJECTED = {"teacher": True, "keep": False}
_ENTRY = re.compile(rf"({'|'.join(_REJECTED)})\s+([0-9a-f]{{16}})")


def read_corrections(text: str) -> dict[str, bool]:
    """Whether the image of each digest is rejected, from text such as "teacher 0123456789abcdef, keep ...".

    The last one counts of a digest that is named twice. ValueError for anything else.
    """
    found = [entry.strip() for entry in re.split(r"[,\n]", text) if entry.strip()]
    read = {entry: _ENTRY.fullmatch(entry) for entry in found}
    for entry, match in read.items():
        if not match:
            raise ValueError(
                f"corrections holds {quoted(entry)}; write teacher or keep and the 16 letters of an image's digest, "
                "with commas between, or click a thumbnail"
            )
    return {match[2]: _REJECTED[match[1]] for match in read.values() if match}


def corrected(decision: GateDecision, corrections: Mapping[str, bool]) -> GateDecision:
    """The decision with the verdicts of a person, whether each digest is rejected; those of all other images stay."""
    given = {i: corrections[name] for i, name in enumerate(decision.scores.digests) if name in corrections}
    changed = {i for i, rejected in given.items() if rejected != (i in decision.rejected)}
    rejected = tuple(sorted({*decision.rejected} ^ changed))
    return replace(decision, rejected=rejected, corrected=tuple(sorted(changed)))
