"""Presets of the user's own, a file each."""

import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .files import write_atomically
from .presets import Preset, Role
from .quoting import quoted
from .reading import read_json, told

FORMAT = "adaptive-diffusion preset"
VERSION = 1
LONGEST = 1_000
_ROLES = ("student", "teacher")


def save_preset(path: Path, preset: Preset) -> None:
    """Write a preset as JSON; a reader sees the old file or the new one, never half of one."""
    content = {"format": FORMAT, "version": VERSION, **asdict(preset)}
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def load_preset(path: Path) -> Preset:
    """Read a file of `save_preset`; FileNotFoundError without it, ValueError where it holds anything else."""
    damaged = f"preset {quoted(path.stem)} is damaged; make it again"
    content = read_json(path, damaged)
    if isinstance(content, dict) and (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise ValueError(
            f"preset {quoted(path.stem)} has format {quoted(content.get('format'))} version "
            f"{quoted(content.get('version'))}; this pack reads {FORMAT!r} version {VERSION}"
        )
    with told(damaged):
        roles = {name: Role(**_known(Role, content[name])) for name in _ROLES}
        preset = Preset(**{**_known(Preset, content), **roles})
        _check(asdict(preset))
        return preset


def _known(kind: Any, content: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of it."""
    return {each.name: content[each.name] for each in fields(kind) if each.name in content}


def _check(content: dict[str, Any]) -> None:
    """ValueError where a value is of another kind than a preset's."""
    for name, value in content.items():
        if name in _ROLES:
            _check(value)
        elif value is None and name in _OPTIONAL:
            continue
        elif isinstance(value, bool) or not isinstance(value, _KINDS[name]) or not _is_sound(value):
            raise ValueError(f"{name} is {quoted(value)}")


def _is_sound(value: Any) -> bool:
    return len(value) <= LONGEST if isinstance(value, str) else math.isfinite(value) and value >= 0


_NUMBER = (int, float)
_OPTIONAL = {"shift", "alone"}
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("model", "sampler", "scheduler", "scale", "source"), str),
    **dict.fromkeys(("steps", "size", "alone"), int),
    **dict.fromkeys(("cfg", "shift", "rollback", "low", "high"), _NUMBER),
}
