"""What a tuning leaves: its journal, the gate and the preset of what was chosen, and what is told of it."""

from pathlib import Path
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.learned import LearnedGate
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.routing import Point
from ..adaptive_diffusion.gate.tuned import gate_of, preset_of
from ..adaptive_diffusion.gate.tuning import Tuned
from ..adaptive_diffusion.preset_files import save_preset
from ..adaptive_diffusion.quoting import quoted
from .files.gates import new_gate_paths, tuning_path
from .files.presets import new_preset_path
from .files.tables import new_table_path


class TunedPaths(NamedTuple):
    """Where the parts of a tuning lie; `table` is written where no learned gate is."""

    journal: Path
    preset: Path
    gate: Path
    table: Path


def new_tuned_paths(name: str) -> TunedPaths:
    """Of a tuning called `name`; ValueError where something else is called so."""
    preset, gate, table = new_preset_path(name), new_gate_paths(name)[0], new_table_path(f"{name} scores")
    paths = TunedPaths(tuning_path(name), preset, gate, table)
    if not paths.journal.exists() and any(path.exists() for path in paths[1:]):
        raise ValueError(f"there is a gate, table or preset called {quoted(name)} already; choose another name")
    return paths


def keep(tuned: Tuned, paths: TunedPaths) -> LearnedGate | PercentileTable:
    """Save the gate of what was chosen, then its preset; the gate of an earlier choice goes."""
    gate = gate_of(tuned, paths.gate.stem, paths.table.stem)
    by_score = isinstance(gate, PercentileTable)
    gate.save(paths.table if by_score else paths.gate)
    (paths.gate if by_score else paths.table).unlink(missing_ok=True)
    save_preset(paths.preset, preset_of(tuned))
    return gate


def told(tuned: Tuned, gate: LearnedGate | PercentileTable) -> dict[str, Any]:
    """What a client reads of it: each choice in words and numbers."""
    return {
        "gate": gate.name,
        "choices": [
            {"budget": _finite(choice.budget), "told": str(choice), **_told(choice.point)} for choice in tuned.choices
        ],
    }


def _told(point: Point) -> dict[str, Any]:
    interval = point.interval
    return {
        "way": point.name,
        "k": point.k,
        "evaluations": point.evaluations,
        "seconds": point.seconds,
        "quality": [interval.low, interval.value, interval.high],
    }


def _finite(budget: float) -> float | None:
    return budget if budget < float("inf") else None
