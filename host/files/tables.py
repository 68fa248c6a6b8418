"""Where the pack finds percentile tables, and where it writes tables of its own."""

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folder_paths

from ...adaptive_diffusion.bundled import TABLES
from ...adaptive_diffusion.gate.outline import outline
from ...adaptive_diffusion.gate.percentiles import PercentileTable
from ...adaptive_diffusion.locks import sweep
from ...adaptive_diffusion.quoting import listed, quoted, unquoted
from .known import Known, tell_once, texts

THIS_RUN = "this run"
LONGEST = 200


def user_tables() -> Path:
    return Path(folder_paths.get_user_directory()) / "adaptive_diffusion" / "percentiles"


def running_tables() -> Path:
    return user_tables().parent / "running"


def sweep_tables() -> None:
    """Remove what killed servers left in the folders of the user's tables."""
    for folder in (user_tables(), running_tables()):
        sweep(folder)


def table_choices() -> list[str]:
    """`this run`, the bundled tables, then the user's own, as far as they can be read."""
    return [THIS_RUN, *(name for name, path in tables().items() if table_outline(path))]


def tables() -> dict[str, Path]:
    """The file of every table, bundled ones first; a name is its file's stem."""
    folder = user_tables()
    own = {stem: folder / f"{stem}.json" for stem in _stems(folder)}
    return _bundled() | {name: path for name, path in own.items() if name not in _bundled()}


def table_path(name: str) -> Path:
    """The file of the table called `name`; ValueError when there is none."""
    if path := tables().get(name):
        return path
    raise ValueError(f"there is no percentile table {quoted(name)}; choose one of {listed(tables())}")


def check_table(name: str) -> None:
    """ValueError where there is no table called `name`, nor is it `this run`."""
    if name != THIS_RUN:
        table_path(name)


def table_states(names: Sequence[str | None]) -> list[Any]:
    """What changes when one of the tables `names` does; None stands for a linked name, which may be any."""
    paths = list(tables().values()) if None in names else [table_path(str(name)) for name in {*names} - {THIS_RUN}]
    return [*names, *(path.stat().st_mtime_ns for path in sorted(paths))]


def new_table_path(name: str) -> Path:
    """Where a table called `name` is written; ValueError when the name is no plain file name or is already taken."""
    check_new_name(name)
    return user_tables() / f"{name}.json"


def check_new_name(name: str) -> None:
    """ValueError where a name is no plain file name, or one of the pack's own tables."""
    if not re.fullmatch(r"\w[\w .()+-]*", name):
        raise ValueError(f"{quoted(name)} cannot name a table; use letters, digits, spaces and . _ - ( ) + only")
    if (length := len(name.encode())) > LONGEST:
        raise ValueError(f"{quoted(name)} is too long for a file's name by {length - LONGEST} letters; shorten it")
    if name == THIS_RUN or name in _bundled():
        raise ValueError(f"{quoted(name)} is a table of the pack itself; choose another name")


@functools.cache
def _bundled() -> dict[str, Path]:
    return {stem: TABLES / f"{stem}.json" for stem in _stems(TABLES)}


def _stems(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        tell_once(f"the folder {unquoted(folder)} cannot be read ({error.strerror}); its tables are passed over")
        return []
    return sorted(name.removesuffix(".json") for name in texts(names) if name.endswith(".json"))


def _outline(path: Path) -> dict[str, Any]:
    return outline(PercentileTable.load(path))


table_outline = Known(_outline)
