"""What the commands say of prompts that are longer than a model reads."""

import warnings
from collections.abc import Sequence


def warn_of_cut(sentences: Sequence[str]) -> None:
    """One warning for all prompts of which a model reads only the beginning; sentences: one for each of them."""
    if sentences:
        others = f", and cuts {len(sentences) - 1} more" if len(sentences) > 1 else ""
        warnings.warn(sentences[0] + others, stacklevel=2)
