"""Which UNet files in ComfyUI's folders take a guidance embedding."""

from pathlib import Path

import folder_paths

from ...adaptive_diffusion.diffusion.guidance_embedding import takes_guidance
from ...adaptive_diffusion.estimators.weights import SAFETENSORS
from ...adaptive_diffusion.quoting import quoted
from .known import Known, texts

FOLDER = "diffusion_models"


def unet_choices() -> list[str]:
    """The safetensors files in models/diffusion_models that do."""
    names = (name for name in texts(folder_paths.get_filename_list(FOLDER)) if name.endswith(SAFETENSORS))
    paths = {name: folder_paths.get_full_path(FOLDER, name) for name in names}
    return [name for name, path in paths.items() if path is not None and _takes_guidance(Path(path))]


def unet_path(name: str) -> Path:
    """The file called `name`; ValueError where there is none."""
    path = folder_paths.get_full_path(FOLDER, name) if name in folder_paths.get_filename_list(FOLDER) else None
    if path is None:
        raise ValueError(f"there is no file {quoted(name)} in models/diffusion_models; choose one that is there")
    return Path(path)


_takes_guidance = Known(takes_guidance, tell=False)
