"""What others' models raise, told in a sentence; and what is ComfyUI's own to act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from comfy.model_management import OOM_EXCEPTION, InterruptProcessingException

from ..adaptive_diffusion.quoting import unquoted


def is_comfyuis(error: Exception) -> bool:
    """Whether ComfyUI acts on it itself: an interruption, or memory that ran out."""
    return isinstance(error, (InterruptProcessingException, OOM_EXCEPTION)) or "out of memory" in str(error).lower()


@contextmanager
def explained(work: str, fix: str) -> Iterator[None]:
    """Turn what a linked model raises at `work` into a ValueError with its own words and the fix; a sentence of this
    pack's stays as it is.
    """
    try:
        yield
    except Exception as error:
        if (isinstance(error, ValueError) and _is_own(error)) or is_comfyuis(error):
            raise
        words = unquoted(f"{type(error).__name__}: {error}")
        raise ValueError(f"{work} failed ({words}); {fix}").with_traceback(error.__traceback__) from error


def _is_own(error: Exception) -> bool:
    """Whether it was raised in a module of this pack."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "").startswith(f"{_PACK}.")


_PACK = __name__.removesuffix(".host.faults")
