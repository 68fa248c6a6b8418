"""Where the pack keeps the gates that were fitted here, and the pairs that they were fitted to."""

from pathlib import Path

from ...adaptive_diffusion.locks import sweep
from ...adaptive_diffusion.quoting import quoted
from .tables import GATE, check_new_name, user_gates, user_tables


def user_pairs() -> Path:
    return user_tables().parent / "pairs"


def tuning_path(name: str) -> Path:
    """The journal of the tuning called `name`."""
    return user_tables().parent / "tuning" / f"{name}.journal"


def sweep_made() -> None:
    """Remove what killed servers left beside pairs, gates, presets and tunings."""
    for folder in (user_gates(), user_pairs(), user_tables().parent / "tuning", user_tables().parent / "presets"):
        sweep(folder)


def new_gate_paths(name: str) -> tuple[Path, Path]:
    """Where a gate of this name and its pairs are written; ValueError as of `check_new_name`, or for a table's name."""
    check_new_name(name)
    if (user_tables() / f"{name}.json").exists():
        raise ValueError(f"there is a percentile table called {quoted(name)} already; choose another name for the gate")
    return user_gates() / f"{name}{GATE}", user_pairs() / f"{name}{GATE}"
