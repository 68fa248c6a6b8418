"""A run's images as data sets: tars that WebDataset reads, or Parquet files that `datasets` reads."""

import io
import json
import math
import tarfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ..quoting import listed, quoted
from ..standalone.runs import Record
from .collection import shards
from .sharded import ShardedRun
from .shards import add_picture
from .stores import Store

TEXT, NUMBER, WHOLE, YES = "string", "double", "int64", "bool"
COLUMNS = {
    **{"index": WHOLE, "prompt": TEXT, "seed": "uint64", "score": NUMBER, "table": TEXT, "threshold": NUMBER},
    **{"verdict": TEXT, "taken": YES, "final_score": NUMBER, "steps": WHOLE, "evaluations": NUMBER, "seconds": NUMBER},
}
Picture = tuple[Record, bytes]


def pack(run: ShardedRun, store: Store, kind: str, size: int) -> Iterator[int]:
    """Write the images that were drawn to a place, `size` to a file; yields how many went into each.

    kind: one of KINDS. What is there under the same names is written over. ValueError where files are there that would
    be read along with these.
    """
    suffix, written = KINDS[kind]
    _check_alone(store, suffix, math.ceil((run.total - run.count(run.failed())) / size))
    pictures = (
        (record, data) for shard in shards(run) for record, data in zip(shard.records, shard.pictures, strict=True)
    )
    for number, part in enumerate(iter(lambda: list(islice(pictures, size)), [])):
        store.put(_name(number, suffix), written(part))
        yield len(part)


def _name(number: int, suffix: str) -> str:
    return f"{number:06d}{suffix}"


def _check_alone(store: Store, suffix: str, count: int) -> None:
    """ValueError where there are files of this kind beside so many that are written."""
    own = {_name(number, suffix) for number in range(count)}
    others = sorted(name for name in store.names() - own if name.endswith(suffix))
    if others:
        raise ValueError(
            f"{quoted(store.place)} holds other files of this kind ({listed(others)}), which would count as parts of "
            "the data set; choose another place"
        )


def _tar(part: Iterable[Picture]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for record, picture in part:
            add_picture(tar, record, picture)
    return data.getvalue()


def _parquet(part: Iterable[Picture]) -> bytes:
    """Pictures as `datasets` has them, a struct of bytes and path, with the columns of their records."""
    import pyarrow
    from pyarrow import parquet

    rows = [{"image": {"bytes": data, "path": record["image"]}, **_cells(record)} for record, data in part]
    image = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    named = {"image": image, **{name: pyarrow.type_for_alias(kind) for name, kind in COLUMNS.items()}}
    features = {"image": {"_type": "Image"}, **{name: _feature(kind) for name, kind in COLUMNS.items()}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.Table.from_pylist(rows, pyarrow.schema(named, told))
    data = io.BytesIO()
    parquet.write_table(table, data, use_dictionary=False)
    return data.getvalue()


def _cells(record: Record) -> dict[str, Any]:
    return {name: record.get(name) for name in COLUMNS}


def _feature(kind: str) -> dict[str, str]:
    return {"dtype": {NUMBER: "float64"}.get(kind, kind), "_type": "Value"}


KINDS: dict[str, tuple[str, Callable[[Iterable[Picture]], bytes]]] = {
    "webdataset": (".tar", _tar),
    "parquet": (".parquet", _parquet),
}
