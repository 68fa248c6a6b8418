"""The presets to choose from: the pack's, then those of the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...adaptive_diffusion.preset_files import load_preset
from ...adaptive_diffusion.presets import PRESETS, Preset
from ...adaptive_diffusion.quoting import listed, quoted
from .known import Known, texts
from .tables import check_new_name, user_tables


def user_presets() -> Path:
    return user_tables().parent / "presets"


def presets() -> dict[str, Preset]:
    """Every preset that can be read, by name; a name of the pack's own is the pack's."""
    own = {name: _known(path) for name, path in _files().items()}
    return {**PRESETS, **{name: preset for name, preset in own.items() if preset and name not in PRESETS}}


def preset_named(name: str) -> Preset:
    """The preset called so; ValueError where there is none, or where its file cannot be read."""
    if name in PRESETS:
        return PRESETS[name]
    files = _files()
    if name not in files:
        raise ValueError(f"there is no preset {quoted(name)}; choose one of {listed(presets())}")
    return load_preset(files[name])


def preset_states(names: Sequence[str | None]) -> list[Any]:
    """What changes when one of these presets does; None stands for a linked name, which may be any."""
    files = _files()
    paths = list(files.values()) if None in names else [files[str(name)] for name in names if name in files]
    return [*names, *(path.stat().st_mtime_ns for path in paths)]


def new_preset_path(name: str) -> Path:
    """Where a preset called `name` is written; ValueError where it is no plain file name, or the pack's own."""
    check_new_name(name)
    if name in PRESETS:
        raise ValueError(f"{quoted(name)} is a preset of the pack itself; choose another name")
    return user_presets() / f"{name}.json"


def _files() -> dict[str, Path]:
    found = {path.name: path for path in sorted(user_presets().glob("*.json"))}
    return {found[name].stem: found[name] for name in texts(found)}


_known = Known(load_preset)
