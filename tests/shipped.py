"""Which files leave the repository: all for a source distribution, and those of the archive for ComfyUI's registry."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

PACK = Path(__file__).resolve().parent.parent


def tracked() -> list[str]:
    """What git has; none where this is no clone."""
    return _listed("--cached")


def archived() -> list[str]:
    """What comfy-cli packs: what git has, but for what .comfyignore names."""
    left_out = set(_listed("--cached", "--ignored", "--exclude-from=.comfyignore"))
    return [name for name in tracked() if name not in left_out]


def copied(names: Iterable[str], folder: Path) -> Path:
    """The folder, with these files of the repository in it."""
    for name in names:
        if (PACK / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PACK / name, folder / name)
    return folder


def _listed(*options: str) -> list[str]:
    if not (PACK / ".git").exists():
        return []
    listed = subprocess.run(["git", "ls-files", "-z", *options], cwd=PACK, capture_output=True, check=True)
    return listed.stdout.decode().split("\0")[:-1]
