"""What a MODEL tells of where it came from."""

from pathlib import Path
from typing import Any


def model_name(model: Any) -> str | None:
    """The base name of the file the model was loaded from, where core remembers it."""
    origin = model.cached_patcher_init
    path = origin[1][0] if origin and origin[1] else None
    return Path(path).stem if isinstance(path, str) else None
