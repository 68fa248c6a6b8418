"""The house: no import runs up a floor, functions and files stay small, each fact has one implementation."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
GROUND = (
    *("quoting", "bundled", "columns", "comparison", "digest", "files", "images", "lines"),
    *("locks", "numeric", "parts", "prompts", "reading", "tensors", "text", "vocabulary"),
)
FLOORS = [
    [f"adaptive_diffusion.{name}" for name in GROUND],
    [
        "adaptive_diffusion.diffusion",
        "adaptive_diffusion.estimators",
        "adaptive_diffusion.presets",
        "adaptive_diffusion.preset_files",
    ],
    ["adaptive_diffusion.gate"],
    ["adaptive_diffusion.report", "adaptive_diffusion.sheet", "adaptive_diffusion.tuning_report"],
    ["adaptive_diffusion.holding"],
    ["adaptive_diffusion.standalone"],
    ["adaptive_diffusion.scale", "adaptive_diffusion.distillation"],
    ["adaptive_diffusion.commands"],
    ["adaptive_diffusion.__main__", "adaptive_diffusion.__init__"],
    ["host"],
    ["nodes"],
]
SHIPPED = sorted(path for room in ("adaptive_diffusion", "host", "nodes") for path in (PACK / room).rglob("*.py"))
PYTHON = sorted(
    path
    for room in ("adaptive_diffusion", "host", "nodes", "training", "benchmarks", "tests")
    for path in (PACK / room).rglob("*.py")
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACK).with_suffix("").parts)


def floor_of(module: str) -> int | None:
    """The floor of a module of the pack; None for anything else."""
    for number, rooms in enumerate(FLOORS):
        if any(module == room or module.startswith(f"{room}.") for room in rooms):
            return number
    return None


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, those of the pack by their place in it. `nodes` alone is ComfyUI's."""
    package = name_of(path).split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name if alias.name != "nodes" else "comfy.nodes" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            base = [*start, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file with its lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{name_of(path)}.{node.name}", (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_no_import_runs_up_a_floor(path):
    floor = floor_of(name_of(path))
    assert floor is not None
    assert [found for found in imports(path) if (floor_of(found) or 0) > floor] == []


def exists(name: str) -> bool:
    """Whether there is such a module of the pack, or one that may hold the last part of the name."""
    place = PACK.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file() or place.parent.with_suffix(".py").is_file()


def test_every_module_that_is_imported_exists():
    """Type checkers pass over what they do not find."""
    ours = {path.name for path in PACK.iterdir() if path.is_dir()}
    found = {(name_of(path), name) for path in PYTHON for name in imports(path) if name.split(".")[0] in ours}
    package = {(where, name) for where, name in found if not exists(name) and not exists(name.rpartition(".")[0])}
    assert sorted(package) == []


@pytest.mark.parametrize("path", SHIPPED, ids=name_of)
def test_what_ships_knows_nothing_of_what_does_not(path):
    assert [found for found in imports(path) if found.split(".")[0] in {"training", "benchmarks", "tests"}] == []


@pytest.mark.parametrize("path", sorted((PACK / "adaptive_diffusion").rglob("*.py")), ids=name_of)
def test_the_method_knows_no_host(path):
    hosts = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "host", "nodes"}
    assert [found for found in imports(path) if found.split(".")[0] in hosts] == []


def test_functions_are_small():
    """Schemas are lists of inputs, not functions to follow."""
    found = dict(each for path in SHIPPED for each in functions(path) if not each[0].endswith(("schema", "_inputs")))
    assert {name: lines for name, lines in found.items() if lines > 40} == {}
    assert statistics.median(found.values()) < 10


def test_no_file_is_long():
    assert [name_of(path) for path in PYTHON if len(path.read_text("utf-8").splitlines()) > 700] == []


ONE_PLACE = {
    "writing beside and renaming": ("os.replace(", "adaptive_diffusion.files"),
    "sampling in ComfyUI": ("CFGGuider(", "host.sampling.call"),
    "timesteps to sigmas": (".log_sigmas", "adaptive_diffusion.diffusion.schedules"),
}


@pytest.mark.parametrize("fact", ONE_PLACE)
def test_a_fact_has_one_place(fact):
    text, place = ONE_PLACE[fact]
    assert [name_of(path) for path in SHIPPED if text in path.read_text("utf-8")] == [place]


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.name != "quoting.py"], ids=name_of)
def test_text_of_others_is_quoted_by_one_function(path):
    """Constants may stand in quotes as they are."""
    by_hand = re.compile(r"(?<![=\w])'\{[^{}']*[a-z][^{}']*\}'|\{[^{}]*[a-z][^{}]*!r\}")
    assert by_hand.findall(path.read_text("utf-8")) == []
