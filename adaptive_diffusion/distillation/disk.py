"""What the disk refuses to the libraries, which raise errors of their own, in the sentence of all files here."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ..files import writing
from ..quoting import quoted


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Saving to `path` within: what cannot be written is a ValueError that names it, the reason and the fix."""
    try:
        with writing(path):
            yield
    except (SafetensorError, RuntimeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"{quoted(path)} cannot be written ({reason}); free some space and run it again") from error
