"""What goes with a student into the world: how it was made, how it is used, and what is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any


def card(name: str, about: Mapping[str, Any], use: Sequence[str], figures: Sequence[str]) -> str:
    """A model card in markdown. about: settings by name; use, figures: a sentence each."""
    settings = [f"| {key} | {_plain(value)} |" for key, value in about.items()]
    lines = [
        *(f"# {name}", "", "Made by `python -m adaptive_diffusion`.", "", "## Use", "", *(f"- {line}" for line in use)),
        *("", "## Settings", "", "| setting | value |", "|---|---|", *settings),
        *("", "## Figures", "", *(f"- {line}" for line in figures or ["Nothing was measured yet."])),
    ]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
