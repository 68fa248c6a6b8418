"""Whether a graph in API format uses a preset's values."""

from typing import Any

Graph = dict[str, dict[str, Any]]


def unlike(graph: Graph, preset: Any) -> list[str]:
    """Where the graph's sampling nodes, latent sizes and shifts say something else than the preset (see presets.py).

    A value that comes from a link is not looked at, nor are steps and scheduler where sigmas are linked.
    """
    roles = {
        "AdaptiveStudentSample": _of(preset.student),
        "AdaptiveBestOfN": _of(preset.student),
        "AdaptiveUntilEnough": _of(preset.student),
        "AdaptiveTeacherRefine": _of(preset.teacher) | {"rollback": preset.rollback, "rollback_scale": preset.scale},
    }
    found = []
    for name, node in graph.items():
        kind, inputs = node["class_type"], node["inputs"]
        expected = roles.get(kind, {})
        if kind.startswith("Empty") and "Latent" in kind:
            expected = {"width": preset.size, "height": preset.size}
        if kind.startswith("ModelSampling"):
            expected = {"shift": preset.student.shift}
        ignored = {"steps", "scheduler"} if "sigmas" in inputs else set()
        found += [
            f"{kind} {name}: {key} is {inputs[key]!r}, not {value!r}"
            for key, value in expected.items()
            if key not in ignored and not isinstance(inputs[key], list) and inputs[key] != value
        ]
    return found


def _of(role: Any) -> dict[str, Any]:
    return {"steps": role.steps, "cfg": role.cfg, "sampler_name": role.sampler, "scheduler": role.scheduler}
