"""What a queued unit left in ComfyUI's history: its pictures, and a record of each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...gate.outcome import ACCEPTED, REJECTED
from ...quoting import listed, quoted
from ...standalone.runs import Record, image_name

GATE, REPORT = "adaptive_gate", "adaptive_report"
SAVED = "output"
PNG = b"\x89PNG\r\n\x1a\n"
ITS_OWN = ("this run", "external")
Outputs = Mapping[str, Mapping[str, Any]]


def pictures(outputs: Outputs, count: int, node: str | None) -> list[Mapping[str, str]]:
    """Where the server keeps each of the unit's pictures.

    node: the id of the one that shows them; None for the only one that saves images, or else shows them.
    ValueError where no node, or several, may be meant, or another number of pictures came.
    """
    shown = {key: output["images"] for key, output in outputs.items() if output.get("images")}
    if node is None:
        saved = {key: images for key, images in shown.items() if all(each.get("type") == SAVED for each in images)}
        node = _only(saved or shown)
    if len(found := shown.get(node, [])) != count:
        raise ValueError(
            f"node {node} gave {len(found)} images for {count} prompts; let it save one for each, or name another "
            "with --images"
        )
    return found


def check_are_png(places: Sequence[Mapping[str, str]], files: Sequence[bytes]) -> None:
    """ValueError where what the workflow saved is another kind of picture, or a film."""
    for place, file in zip(places, files, strict=True):
        if not file.startswith(PNG):
            raise ValueError(
                f"the workflow saves {quoted(place['filename'])}, which is no PNG; save the final ones with Save Image"
            )


def _only(shown: Mapping[str, Any]) -> str:
    if len(shown) != 1:
        raise ValueError(
            f"{len(shown) or 'no'} nodes of the workflow save images ({listed(shown)}); name the one that saves the "
            "final ones with --images"
        )
    return next(iter(shown))


def records(outputs: Outputs, prompts: Sequence[str], seeds: Sequence[int], first: int, seconds: float) -> list[Record]:
    """What is kept of each picture: what Adaptive Report tells of it, or else the gate, and what it took.

    seconds: of the whole unit. ValueError where several gates judged all pictures and no report says which counts.
    """
    found = _reported(outputs, len(prompts)) or _judged(outputs, len(prompts))
    return [
        {
            **found[i],
            **{"index": first + i, "prompt": prompt, "seed": seeds[i]},
            **{"seconds": round(seconds / len(prompts), 4), "image": image_name(first + i)},
        }
        for i, prompt in enumerate(prompts)
    ]


def _reported(outputs: Outputs, count: int) -> list[Record]:
    found = [output[REPORT] for output in outputs.values() if len(output.get(REPORT, ())) == count]
    return [dict(entry) for entry in found[0]] if len(found) == 1 else []


def _judged(outputs: Outputs, count: int) -> list[Record]:
    """By the gate that judged all pictures; without one, all are as they were drawn."""
    gates = [shown for shown in _gates(outputs) if sum(map(len, shown["scores"])) == count]
    if len(gates) > 1:
        raise ValueError(
            f"{len(gates)} gates of the workflow judge all images; link the one that counts to an Adaptive Report"
        )
    return _by_gate(gates[0]) if gates else [{"verdict": ACCEPTED} for _ in range(count)]


def _by_gate(shown: Mapping[str, Any]) -> list[Record]:
    return [
        {
            **{"score": score, "table": shown["table"], "threshold": shown["threshold"]},
            "verdict": REJECTED if i in rejected else ACCEPTED,
        }
        for scores, rejected in zip(shown["scores"], shown["rejected"], strict=True)
        for i, score in enumerate(scores)
    ]


def _gates(outputs: Outputs) -> list[Mapping[str, Any]]:
    return [shown for output in outputs.values() for shown in output.get(GATE, ())]


def thresholds(outputs: Outputs) -> dict[str, Any]:
    """By each gate's id, the table and its threshold at k, where these are the same for every unit."""
    return {
        key: [shown["table"], shown["k"], shown["threshold"]]
        for key, output in outputs.items()
        for shown in output.get(GATE, ())
        if shown["table"] not in ITS_OWN and not shown.get("following")
    }


def check_thresholds(first: bytes, now: Mapping[str, Any]) -> None:
    """ValueError where a gate has another threshold than in the run's first unit, as JSON has it."""
    known = json.loads(first)
    for key, found in now.items():
        if known.get(key, found) != found:
            raise ValueError(
                f"the gate of node {key} has table, k and threshold {quoted(found)} instead of {quoted(known[key])}: "
                "its table was changed during the run; put the old one back, or draw the run again in another place"
            )
