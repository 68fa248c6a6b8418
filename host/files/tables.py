"""Where the pack finds percentile tables and learned gates, and where it writes tables of its own."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import folder_paths

from ...adaptive_diffusion.bundled import TABLES
from ...adaptive_diffusion.gate.gauge import Gauge
from ...adaptive_diffusion.gate.learned import LearnedGate
from ...adaptive_diffusion.gate.outline import outline
from ...adaptive_diffusion.gate.percentiles import THIS_RUN, PercentileTable
from ...adaptive_diffusion.locks import sweep
from ...adaptive_diffusion.quoting import listed, quoted, unquoted
from .known import Known, names_in, tell_once, texts

LONGEST = 200
OF_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""What Windows takes for a device, whatever follows after a full stop."""

TABLE, GATE = ".json", ".safetensors"
OF_A_TABLES_NAME = " (learned gate)"


def user_tables() -> Path:
    return _own(folder_paths.get_user_directory())


def user_gates() -> Path:
    return user_tables().parent / "gates"


def running_tables() -> Path:
    return user_tables().parent / "running"


def sweep_tables() -> None:
    """Remove what killed servers left in the folders of the user's tables."""
    for folder in (user_tables(), running_tables()):
        sweep(folder)


def table_choices() -> list[str]:
    """`this run`, the bundled tables, then the user's own, as far as they can be read."""
    return [THIS_RUN, *(name for name, path in tables().items() if outline_of(path))]


def tables() -> dict[str, Path]:
    """The file of every table, bundled ones first; a name is its file's stem."""
    return _named(TABLES, user_tables(), TABLE)


def gates() -> dict[str, Path]:
    """The file of every learned gate, likewise; one that is called as a table is says that it is none."""
    return _gates_beside(tables())


def is_gate(name: str) -> bool:
    """Whether a learned gate is called so, and no table."""
    return name not in tables() and name in gates()


def gauges() -> dict[str, Path]:
    """The file of all that Threshold Gate can judge by: the tables, then the gates."""
    found = tables()
    return found | {name: path for name, path in _gates_beside(found).items() if name not in found}


def table_path(name: str) -> Path:
    """The file of the table called `name`; ValueError when there is none."""
    if path := tables().get(name):
        return path
    raise ValueError(f"there is no percentile table {quoted(name)}; choose one of {listed(tables())}")


def gauge_path(name: str) -> Path:
    """The file of the table or gate called `name`; ValueError when there is none."""
    if path := gauges().get(name):
        return path
    raise ValueError(f"there is no table or gate {quoted(name)}; choose one of {listed(gauges())}")


def load_gauge(path: Path) -> Gauge:
    """The table or gate in a file; ValueError where it is neither."""
    return LearnedGate.load(path) if path.suffix == GATE else PercentileTable.load(path)


def check_gauge(name: str) -> None:
    """ValueError where there is no table or gate called `name`, nor is it `this run`."""
    if name != THIS_RUN:
        gauge_path(name)


def gauge_states(names: Sequence[str | None]) -> list[Any]:
    """What changes when one of the tables and gates `names` does; None stands for a linked name, which may be any."""
    paths = list(gauges().values()) if None in names else [gauge_path(str(name)) for name in {*names} - {THIS_RUN}]
    return [*names, *(path.stat().st_mtime_ns for path in sorted(paths))]


def new_table_path(name: str) -> Path:
    """Where a table called `name` is written; ValueError when the name is no plain file name or is already taken."""
    check_new_name(name)
    if (user_gates() / f"{name}{GATE}").exists():
        raise ValueError(f"there is a learned gate called {quoted(name)} already; choose another name for the table")
    return user_tables() / f"{name}{TABLE}"


def check_new_name(name: str) -> None:
    """ValueError where a name is no plain file name, or one of the pack's own tables."""
    check_plain_name(name, "table")
    if name == THIS_RUN or name in {*_files(TABLES, TABLE), *_files(TABLES, GATE)}:
        raise ValueError(f"{quoted(name)} is a table of the pack itself; choose another name")


@functools.cache
def _own(user: str) -> Path:
    return Path(user) / "adaptive_diffusion" / "percentiles"


def _gates_beside(tables: Mapping[str, Path]) -> dict[str, Path]:
    found = _named(TABLES, user_gates(), GATE).items()
    return {f"{name}{OF_A_TABLES_NAME}" if name in tables else name: path for name, path in found}


def check_plain_name(name: str, kind: str) -> None:
    """ValueError where a name cannot be that of a file or folder, of this `kind`, on any system."""
    if not re.fullmatch(r"\w[\w .()+-]*", name):
        raise ValueError(f"{quoted(name)} cannot name a {kind}; use letters, digits, spaces and . _ - ( ) + only")
    if name[-1] in ". " or OF_WINDOWS.fullmatch(name):
        raise ValueError(f"{quoted(name)} cannot name a {kind} on Windows; choose one that ends otherwise or is longer")
    if (length := len(name.encode())) > LONGEST:
        raise ValueError(f"{quoted(name)} is too long for a file's name by {length - LONGEST} letters; shorten it")


def _named(bundled: Path, own: Path, suffix: str) -> dict[str, Path]:
    """The files of both folders by their stems; where two have one stem, the pack's."""
    packed = dict(_files(bundled, suffix))
    return packed | {stem: path for stem, path in _files(own, suffix).items() if stem not in packed}


def _files(folder: Path, suffix: str) -> Mapping[str, Path]:
    """A folder's files of a kind by their stems; none where it cannot be read."""
    try:
        return _by_stem(folder, suffix, names_in(folder))
    except FileNotFoundError:
        return {}
    except OSError as error:
        tell_once(f"the folder {unquoted(folder)} cannot be read ({error.strerror}); its files are passed over")
        return {}


@functools.lru_cache(maxsize=16)
def _by_stem(folder: Path, suffix: str, names: tuple[str, ...]) -> Mapping[str, Path]:
    stems = sorted(name.removesuffix(suffix) for name in texts(names) if name.endswith(suffix))
    return {stem: folder / f"{stem}{suffix}" for stem in stems}


def _outline(path: Path) -> dict[str, Any]:
    return outline(load_gauge(path))


outline_of = Known(_outline)
