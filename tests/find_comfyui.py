"""Where the ComfyUI is that the tests run on, and its Python."""

import os
import sys
from pathlib import Path

PACK = Path(__file__).resolve().parent.parent
DEFAULT = Path.home() / "comfy" / "ComfyUI"


def comfyui() -> Path | None:
    """COMFYUI_PATH, else the ComfyUI whose custom_nodes hold this pack, else comfy-cli's default place."""
    stated = os.environ.get("COMFYUI_PATH")
    places = [Path(stated)] if stated else [PACK.parent.parent, DEFAULT]
    return next((place for place in places if (place / "main.py").exists() and (place / "comfy").is_dir()), None)


def comfyui_python(comfy: Path) -> Path:
    """COMFYUI_PYTHON, else an environment in or beside ComfyUI, else the Python that asks."""
    stated = os.environ.get("COMFYUI_PYTHON")
    places = [comfy / "venv", comfy / ".venv", comfy.parent / "venv", comfy.parent / ".venv", DEFAULT.parent / "venv"]
    found = (place / "bin" / "python" for place in places if (place / "bin" / "python").exists())
    return Path(stated) if stated else next(found, Path(sys.executable))
