"""The libraries of the extra `cluster`."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def installed() -> Iterator[None]:
    """Imports within; ValueError that says what to install where a library is missing."""
    try:
        yield
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed; run: pip install 'adaptive-diffusion[cluster]'") from error
