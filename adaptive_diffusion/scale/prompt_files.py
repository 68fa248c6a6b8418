"""Files of prompts that lie on an object store, or are Parquet: brought to what `prompts.read_prompts` reads."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..quoting import listed, quoted, unquoted, without_secrets
from .reasons import first_line
from .stores import reason

PARQUET = ".parquet"


@contextmanager
def brought(place: Path | str, column: str) -> Iterator[Path]:
    """A file of text with the prompts of `place`, which goes afterwards.

    place: a Parquet file, or an address such as s3://bucket/prompts.csv. column: the one that is needed.
    ValueError where it cannot be read, or a Parquet file has no such column of texts.
    """
    name = Path(str(place).partition("?")[0] if "://" in str(place) else place).name
    with tempfile.TemporaryDirectory() as folder:
        if not name.lower().endswith(PARQUET):
            path = Path(folder) / name
            with _opened(str(place)) as file, path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            yield path
            return
        path = Path(folder) / "prompts.jsonl"
        with _opened(str(place)) as file:
            _as_lines(file, path, column, name)
        with _named(path, name):
            yield path


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """What is wrong with what was written to `path` is told of the file it comes from, whose rows are its lines."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace(quoted(path.name), quoted(name), 1)) from error


@contextmanager
def _opened(place: str) -> Iterator[Any]:
    from pyarrow import ArrowInvalid, fs

    try:
        files, path = fs.FileSystem.from_uri(place) if "://" in place else (fs.LocalFileSystem(), place)
        with files.open_input_file(path) as file:
            yield file
    except (OSError, ArrowInvalid) as error:
        raise ValueError(
            f"{quoted(without_secrets(place))} cannot be read ({reason(error, place)}); name a file of prompts that is "
            "there"
        ) from error


def _as_lines(file: Any, path: Path, column: str, name: str) -> None:
    """Write the column of a Parquet file, one JSON text a line; a missing text is a blank one."""
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.ParquetFile(file)
        _check_column(table.schema_arrow, column, name)
        with path.open("w", encoding="utf-8") as lines:
            for batch in table.iter_batches(columns=[column]):
                lines.writelines(json.dumps({column: text or ""}) + "\n" for text in batch.column(0).to_pylist())
    except (ArrowException, OSError) as error:
        raise ValueError(f"{quoted(name)} is no whole Parquet file ({first_line(error)}); make it again") from error


def _check_column(schema: Any, column: str, name: str) -> None:
    """ValueError where a Parquet file of this schema has no such column of texts."""
    from pyarrow import types

    if column not in schema.names:
        raise ValueError(
            f"{quoted(name)} has no column {quoted(column)}, only {listed(schema.names)}; name one of these with "
            "--column"
        )
    kind = schema.field(column).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    texts = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    if not any(is_text(kind) for is_text in texts):
        raise ValueError(
            f"column {quoted(column)} of {quoted(name)} holds {unquoted(kind)}, no texts; name another with --column"
        )
