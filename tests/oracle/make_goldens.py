"""Write what the real packages answer for tiny random networks; runs in the oracle's environment only."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch

from . import images, package, prompts
from .goldens import LENGTHS, SCORES, TOKENS, ids_digest, texts_digest, write
from .weights import HEADS, TINY, digest


def scores(kind: str) -> dict:
    """Scores (images, prompts) of one kind, float32 as decimals, and the digest of its weights."""
    state = package.save(kind, TINY)
    score = package.load(kind, TINY)
    tables = {
        "exact": package.table(score, images.exact(), prompts.SCORED),
        "resized": package.table(score, images.resized(), prompts.SCORED),
    }
    return {"weights": digest(state), **{name: numpy.float32(rows).tolist() for name, rows in tables.items()}}


def tokens(texts: Sequence[str]) -> dict:
    """How many tokens each prompt has, and a digest of its ids cut and padded to each of LENGTHS."""
    tokenizer = package.tokenizer()
    counts, digests = [], []
    for text in texts:
        rows = [tokenizer(text, padding="max_length", truncation=True, max_length=n).input_ids for n in LENGTHS]
        counts.append(len(tokenizer(text).input_ids))
        digests.append(ids_digest(*rows))
    return {"prompts": texts_digest(texts), "counts": counts, "ids": digests}


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        package.settle(Path(folder))
        write(SCORES, {kind: scores(kind) for kind in HEADS})
        write(TOKENS, tokens(prompts.fuzzed()))


if __name__ == "__main__":
    main()
