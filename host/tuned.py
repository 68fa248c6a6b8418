"""What a tuning leaves: its journal, the gate and the preset of what was chosen, and what is told of it."""

from pathlib import Path
from typing import Any, NamedTuple

from ..adaptive_diffusion.gate.learned import LearnedGate
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.routing import Point
from ..adaptive_diffusion.gate.tuned import gate_of, preset_of
from ..adaptive_diffusion.gate.tuning import Tuned
from ..adaptive_diffusion.preset_files import save_preset
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
    return TunedPaths(
        tuning_path(name), new_preset_path(name), new_gate_paths(name)[0], new_table_path(f"{name} scores")
    )


def keep(tuned: Tuned, paths: TunedPaths) -> LearnedGate | PercentileTable:
    """Save the gate of what was chosen, then its preset."""
    gate = gate_of(tuned, paths.gate.stem, paths.table.stem)
    gate.save(paths.table if isinstance(gate, PercentileTable) else paths.gate)
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
