"""The folder of a training: one process at a time, and what must be the same for it to go on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import sweep, write_atomically
from ..locks import held
from ..quoting import quoted
from ..reading import read_json

FORMAT, VERSION = "adaptive-diffusion training", 1
ABOUT, LOCK = "training.json", ".lock"
MODEL, WEIGHTS = "model", "weights"  # the latter was not told before 2026-11-29


@contextmanager
def opened(folder: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """The folder for this process alone within, begun now or gone on with.

    about: what must be the same for a training to go on where another stopped, as JSON. ValueError where it is another,
    the folder holds something else, or another process is at it.
    """
    with held(folder / LOCK, f"another process is writing to {quoted(folder)}; wait for it, or choose another folder"):
        sweep(folder)
        now = json.loads(json.dumps({"format": FORMAT, "version": VERSION, **about}))
        path = folder / ABOUT
        if path.exists():
            _check_same(folder, path, now)
        elif _has_more(folder):
            raise ValueError(f"{quoted(folder)} holds files of something else; choose another folder")
        else:
            write_atomically(path, json.dumps(now, indent=1).encode() + b"\n")
        try:
            yield
        finally:
            if not _has_more(folder):
                path.unlink(missing_ok=True)


def _has_more(folder: Path) -> bool:
    """Whether anything was made in a training's folder, so that its settings count."""
    return any(entry.is_file() and entry != folder / ABOUT for entry in folder.rglob("[!.]*"))


def _check_same(folder: Path, path: Path, now: Mapping[str, Any]) -> None:
    found = read_json(path, f"{quoted(path)} is damaged; choose another folder")
    if not isinstance(found, dict):
        raise ValueError(f"{quoted(path)} is damaged; choose another folder")
    for key, value in now.items():
        if _plain(key, found.get(key)) != _plain(key, value) and not (key == WEIGHTS and key not in found):
            raise ValueError(
                f"the training in {quoted(folder)} has {key} {quoted(found.get(key))} instead of {quoted(value)}; "
                "choose another folder, or the same settings to go on with it"
            )


def _plain(key: str, value: Any) -> Any:
    """A setting as it is compared: a model's path without what the system does not heed, such as a last slash."""
    return str(Path(value)) if key == MODEL and isinstance(value, str) else value
