"""Where the pack holds images for a teacher: in named folders of ComfyUI's output folder."""

from pathlib import Path

import folder_paths

from ...adaptive_diffusion.holding.folder import HeldFolder
from .tables import check_plain_name

HELD = "held"


def check_folder(name: str) -> None:
    """ValueError where a name is no plain folder's."""
    check_plain_name(name.strip(), "folder")


def held_folder(name: str) -> HeldFolder:
    """The folder called `name`, which need not be there; ValueError as of `check_folder`."""
    check_folder(name)
    return HeldFolder(Path(folder_paths.get_output_directory()) / HELD / name.strip())
