"""collect: what shards hold, as a folder of images or as data sets."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .libraries import needing
from .options import positive
from .sharing import check_is_folder

if TYPE_CHECKING:
    from ..scale.sharded import ShardedRun

KINDS = ("images", "webdataset", "parquet")
SIZE = 1000


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "collect",
        help="put the shards of generate --shard together",
        description="Make one run of what `generate --shard` drew: images with images.jsonl, in the prompts' order, or "
        "a data set. Nothing is drawn.",
    )
    parser.add_argument("shards", metavar="PLACE", help="where the shards lie: a folder, or such as s3://bucket/run")
    parser.add_argument("--out", required=True, metavar="PLACE", help="for what is made of them")
    parser.add_argument("--to", choices=KINDS, default=KINDS[0], help="images in a folder, or a data set (%(default)s)")
    parser.add_argument("--size", type=positive, metavar="N", help=f"images in a file of a data set ({SIZE})")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    from ..quoting import unquoted, without_secrets
    from ..scale import sharded, stores

    with needing("cluster"):
        from tqdm import tqdm
    kept = sharded.existing(stores.open_store(chosen.shards))
    if chosen.to == KINDS[0] and chosen.size:
        raise ValueError(f"--size {chosen.size} is for data sets; name one with --to, such as --to webdataset")
    if chosen.to == KINDS[0]:
        check_is_folder(chosen.out, "choose --to webdataset")
    with tqdm(total=kept.total, unit="image", disable=None) as bar:
        for count in _made(kept, chosen):
            bar.update(count)
    failed = kept.count(kept.failed())
    left_out = f"; {failed} of failed units are left out" if failed else ""
    return f"{kept.total - failed} images are in {unquoted(without_secrets(chosen.out))}{left_out}"


def _made(kept: "ShardedRun", chosen: argparse.Namespace) -> Iterator[int]:
    from ..scale import collection, stores
    from ..scale.packs import pack

    if chosen.to == KINDS[0]:
        return collection.into_folder(kept, Path(chosen.out))
    collection.check_whole(kept)
    return pack(kept, stores.open_store(chosen.out), chosen.to, chosen.size or SIZE)
