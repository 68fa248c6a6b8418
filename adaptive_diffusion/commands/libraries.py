"""The libraries that not every command needs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

OF_MODELS = ("standalone", "train")


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Imports within; ValueError that names the extra to install where a library is missing."""
    try:
        if extra in OF_MODELS:
            _hush()
        yield
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed; run: pip install 'adaptive-diffusion[{extra}]'") from error


def _hush() -> None:
    """Leave the output to this program: no advice and no progress bars of the libraries, from their import on."""
    import diffusers
    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity(logging.CRITICAL)
        library.utils.logging.disable_progress_bar()
