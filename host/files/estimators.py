"""Where the pack finds quality estimators, and which of the files there it can read."""

from pathlib import Path

import comfy.sd1_clip
import folder_paths

from ...adaptive_diffusion.bundled import DEMO_MODELS
from ...adaptive_diffusion.estimators import EXTENSIONS, kind_of
from ...adaptive_diffusion.quoting import listed, quoted
from .known import Known, texts

DEMO = "demo"
FOLDERS = ("quality_estimators", "image_reward")
CLIP_VISION = "clip_vision"
NO_CLIP_VISION = "none"
CLIP_TOKENIZER = Path(comfy.sd1_clip.__file__).parent / "sd1_tokenizer"


def register_estimators() -> None:
    """Make both folders known, beside whatever extra_model_paths.yaml already said."""
    for folder in FOLDERS:
        folder_paths.add_model_folder_path(folder, str(Path(folder_paths.models_dir) / folder))
        paths, extensions = folder_paths.folder_names_and_paths[folder]
        folder_paths.folder_names_and_paths[folder] = (paths, {*extensions, *EXTENSIONS})


def estimator_choices() -> list[str]:
    """The demo's estimator, then every file that holds one; told from its keys, not by its name."""
    return [DEMO, *(name for name, path in _files().items() if _kind(path))]


def estimator_path(name: str) -> Path:
    """The file of an estimator; ValueError where there is none or it holds something else."""
    if name == DEMO:
        return DEMO_MODELS / "estimator" / "model.safetensors"
    files = _files()
    if name not in files:
        raise ValueError(f"there is no estimator {quoted(name)}; choose one of {listed(estimator_choices())}")
    kind_of(files[name])
    return files[name]


def clip_vision_choices() -> list[str]:
    return [NO_CLIP_VISION, *texts(folder_paths.get_filename_list(CLIP_VISION))]


def clip_vision_path(name: str) -> Path | None:
    """The file of an image encoder; None for none. ValueError where there is no such file."""
    if name == NO_CLIP_VISION:
        return None
    if name not in clip_vision_choices():
        raise ValueError(f"there is no file {quoted(name)} in models/clip_vision; choose one that is there")
    return Path(folder_paths.get_full_path_or_raise(CLIP_VISION, name))


def _files() -> dict[str, Path]:
    """Every weight file in the folders by name; where two have one name, the one in the first folder.

    ComfyUI remembers listings for a while, so a file that was listed may be gone.
    """
    found = {name: folder for folder in reversed(FOLDERS) for name in texts(folder_paths.get_filename_list(folder))}
    paths = {name: folder_paths.get_full_path(folder, name) for name, folder in found.items()}
    return {name: Path(path) for name, path in paths.items() if path is not None}


_kind = Known(kind_of)
