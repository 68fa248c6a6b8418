"""Which UNet files in ComfyUI's folders take a guidance embedding."""

from pathlib import Path

import folder_paths

from ...adaptive_diffusion.diffusion.guidance_embedding import takes_guidance
from ...adaptive_diffusion.estimators.weights import SAFETENSORS

FOLDER = "diffusion_models"


def unet_choices() -> list[str]:
    """The safetensors files in models/diffusion_models that do."""
    names = (name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(SAFETENSORS))
    return [name for name in names if _takes_guidance(folder_paths.get_full_path(FOLDER, name))]


def unet_path(name: str) -> Path:
    """The file called `name`; ValueError where there is none."""
    path = folder_paths.get_full_path(FOLDER, name) if name in folder_paths.get_filename_list(FOLDER) else None
    if path is None:
        raise ValueError(f"there is no file '{name}' in models/diffusion_models; choose one that is there")
    return Path(path)


def _takes_guidance(path: str | None) -> bool:
    try:
        return path is not None and takes_guidance(Path(path))
    except (ValueError, OSError):
        return False
