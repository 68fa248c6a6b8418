"""Which prompt files can be chosen: the bundled sets, and what lies in ComfyUI's input folder."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import folder_paths

from ...adaptive_diffusion.bundled import PROMPTS
from ...adaptive_diffusion.columns import EXTENSIONS
from ...adaptive_diffusion.quoting import listed, quoted


def prompt_choices() -> list[str]:
    """The bundled sets, then the input folder's files with their subfolders, written with / on every system."""
    return [*PROMPTS, *sorted(_input_files())]


def prompt_path(name: str) -> Path:
    """The file chosen as `name`; ValueError for anything that is not on the list."""
    if name in PROMPTS:
        return PROMPTS[name]
    choices = prompt_choices()
    if name not in choices:
        raise ValueError(
            f"there is no prompt file {quoted(name)} in ComfyUI's input folder; choose one of {listed(choices)}"
        )
    return Path(folder_paths.get_input_directory(), name)


def prompt_states(names: Sequence[str | None]) -> list[int]:
    """What changes when one of these files does; None stands for a linked name, which may be any."""
    chosen = prompt_choices() if None in names else names
    states = [prompt_path(name).stat() for name in chosen if name is not None]
    return [number for state in states for number in (state.st_mtime_ns, state.st_size)]


def _input_files() -> Iterator[str]:
    root = Path(folder_paths.get_input_directory())
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        prompts = (name for name in files if name.lower().endswith(EXTENSIONS) and not name.startswith("."))
        paths = (Path(folder, name) for name in prompts)
        yield from (path.relative_to(root).as_posix() for path in paths if path.is_file())
