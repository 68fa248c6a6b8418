"""Prompts from a file: each different one once, all of them or a drawn sample; or every line of it.

A file is read line by line, so memory is needed for what is returned, not for the file.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .columns import read
from .lines import NO_TEXT
from .quoting import quoted

CAPTION = "caption"
MOST_PROMPTS = 100_000


def read_prompts(
    path: Path, column: str = CAPTION, count: int = 0, seed: int = 0, any_number: bool = False
) -> list[str]:
    """The different prompts of a file, in its order; or `count` of them, drawn without replacement.

    column: the one that is read, see `columns.read`. Blank prompts are left out.
    Drawn are those with the smallest SHA-256 of seed and prompt, smallest first: the same on every machine, and a
    larger count of the same seed begins with the same prompts. ValueError where the file has none, too few for
    `count`, more than MOST_PROMPTS unless it may be `any_number`, or cannot be read; it names the line.
    """
    most = None if any_number else MOST_PROMPTS
    if count < 0 or (most is not None and count > most):
        fix = "a number" if most is None else f"a number up to {most:,}"
        raise ValueError(f"count is {count}; choose 0 for all prompts, or {fix}")
    prompts = _prompts(path, column)
    ahead = None if most is None else most + 1
    chosen = _drawn(prompts, count, seed) if count else list(islice(_different(prompts), ahead))
    _check_number(chosen, count, path.name, most)
    return chosen


def every_prompt(path: Path, column: str = CAPTION) -> list[str]:
    """The prompts of a file as they stand there, repeated ones too; otherwise as `read_prompts`."""
    prompts = list(islice(_prompts(path, column), MOST_PROMPTS + 1))
    _check_any(prompts, path.name)
    if len(prompts) > MOST_PROMPTS:
        raise ValueError(f"{quoted(path.name)} holds more than {MOST_PROMPTS:,} prompts; take them in parts")
    return prompts


def repeated(prompts: Sequence[str], pictures: int, any_number: bool = False) -> list[str]:
    """Every prompt `pictures` times in a row; ValueError where that is none, or more than MOST_PROMPTS in all."""
    if pictures < 1:
        raise ValueError(f"pictures is {pictures}; choose at least 1 for each prompt")
    if not any_number and len(prompts) * pictures > MOST_PROMPTS:
        raise ValueError(
            f"{len(prompts):,} prompts with {pictures:,} pictures each are over {MOST_PROMPTS:,} images; "
            "choose fewer pictures, or set count to draw some of the prompts"
        )
    return [prompt for prompt in prompts for _ in range(pictures)]


def check_text(prompt: str) -> None:
    """ValueError where a prompt holds what is no character: half of one (a lone surrogate), or a zero."""
    if found := NO_TEXT.search(prompt):
        raise ValueError(
            f"the prompt {quoted(prompt)} holds {quoted(found[0])}, which is no character; write it anew, as UTF-8"
        )


def cut(reader: str, most: int, count: Callable[[str], int], prompts: Iterable[str]) -> list[str]:
    """A sentence for every different prompt of which `reader` reads only the first `most` tokens of `count`."""
    counted = {prompt: count(prompt) for prompt in prompts}
    return [
        f"{reader} reads the first {most} of {number} tokens of {quoted(prompt[:40].strip() + '...')}"
        for prompt, number in counted.items()
        if number > most
    ]


def prompt_seeds(seed: int, count: int) -> list[int]:
    """A seed for each of `count` prompts: seed, seed + 1 ..., beginning again at 0 after 64 bits."""
    return seeds_of(seed, range(count))


def seeds_of(seed: int, numbers: Iterable[int]) -> list[int]:
    """The seeds of the prompts of these numbers, of which number 0 has `seed`."""
    return [(seed + number) % 2**64 for number in numbers]


def described(prompts: Sequence[str], seed: int) -> dict[str, Any]:
    """Prompts, and the first one's seed, as tables and runs record them."""
    digest = hashlib.sha256()
    for part in json.JSONEncoder().iterencode(list(prompts)):  # which may be a million
        digest.update(part.encode())
    return {"count": len(prompts), "seed": seed, "sha256": digest.hexdigest()}


def continues(prompts: Sequence[str], seed: int, recorded: Any) -> bool:
    """Whether prompts that were `described` as what is `recorded` are the first of these, with the same seeds."""
    count = recorded.get("count") if isinstance(recorded, dict) else None
    return isinstance(count, int) and described(prompts[:count], seed) == recorded


def _prompts(path: Path, column: str) -> Iterator[str]:
    return (prompt for (prompt,) in read(path, [column]) if prompt)


def _check_any(prompts: list[str], file: str) -> None:
    if not prompts:
        raise ValueError(f"{quoted(file)} holds no prompts; write at least one or choose another file")


def _check_number(prompts: list[str], count: int, file: str, most: int | None) -> None:
    _check_any(prompts, file)
    if len(prompts) < count:
        raise ValueError(
            f"{quoted(file)} holds {len(prompts)} different prompts, fewer than count {count}; "
            "lower count, or set 0 for all"
        )
    if most is not None and len(prompts) > most:
        raise ValueError(f"{quoted(file)} holds more than {most:,} different prompts; set count to draw some of them")


def _different(prompts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for prompt in prompts:
        if prompt not in seen:
            seen.add(prompt)
            yield prompt


def _drawn(prompts: Iterable[str], count: int, seed: int) -> list[str]:
    kept: dict[bytes, str] = {}
    for prompt in prompts:
        kept[hashlib.sha256(f"{seed}\0{prompt}".encode()).digest()] = prompt
        if len(kept) > 2 * count:
            kept = dict(sorted(kept.items())[:count])
    return [prompt for _, prompt in sorted(kept.items())[:count]]
