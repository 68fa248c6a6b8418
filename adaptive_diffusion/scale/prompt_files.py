"""Files of prompts that lie on an object store, or are Parquet: brought to what `prompts.read_prompts` reads."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..quoting import listed, quoted, unquoted
from .stores import without_secrets

PARQUET = ".parquet"


@contextmanager
def brought(place: Path | str, column: str) -> Iterator[Path]:
    """A file of text with the prompts of `place`, which goes afterwards.

    place: a Parquet file, or an address such as s3://bucket/prompts.csv. column: the one that is needed.
    ValueError where it cannot be read, or a Parquet file has no such column of texts.
    """
    with tempfile.TemporaryDirectory() as folder:
        name = str(place).partition("?")[0].rpartition("/")[2]
        path = Path(folder) / name
        with _opened(str(place)) as file:
            if path.suffix.lower() == PARQUET:
                path = _as_lines(file, path.with_suffix(".jsonl"), column, name)
            else:
                with path.open("wb") as copy:
                    shutil.copyfileobj(file, copy)
        yield path


@contextmanager
def _opened(place: str) -> Iterator[Any]:
    from pyarrow import fs

    try:
        files, path = fs.FileSystem.from_uri(place) if "://" in place else (fs.LocalFileSystem(), place)
        file = files.open_input_file(path)
    except (OSError, ValueError) as error:
        reason = unquoted(str(error).partition("\n")[0])
        shown = without_secrets(place) if "://" in place else place
        raise ValueError(f"{quoted(shown)} cannot be read ({reason}); name a file of prompts that is there") from error
    with file:
        yield file


def _as_lines(file: Any, path: Path, column: str, name: str) -> Path:
    """The column of a Parquet file, one JSON text a line."""
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.ParquetFile(file)
        if column not in table.schema_arrow.names:
            raise ValueError(
                f"{quoted(name)} has no column {quoted(column)}, only {listed(table.schema_arrow.names)}; "
                "name one of these with --column"
            )
        with path.open("w", encoding="utf-8") as lines:
            for batch in table.iter_batches(columns=[column]):
                lines.writelines(json.dumps({column: text}) + "\n" for text in batch.column(0).to_pylist())
    except (ArrowException, OSError) as error:
        raise ValueError(f"{quoted(name)} is no whole Parquet file; make it again") from error
    return path
