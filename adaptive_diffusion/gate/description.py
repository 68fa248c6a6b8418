"""What files say of how they were made: read with care, and joined where files are."""

import sys
from collections.abc import Mapping
from typing import Any

from ..quoting import quoted
from ..reading import Unreadable

LONGEST = 1_000
TEXTS = ("created", "source", "features")


def check_description(key: str, value: Any, what: str) -> None:
    """ValueError unless it is text, as for TEXTS, or else an object of short texts and numbers.

    what: the file, as the sentence names it.
    """
    kind, wanted = (str, "text") if key in TEXTS else (dict, "an object of texts and numbers")
    parts = list(value.values()) if isinstance(value, dict) else []
    if not isinstance(value, kind) or not all(part is None or _is_plain(part) for part in parts):
        raise ValueError(f"{what} describes its {key} as {quoted(value)}; expected {wanted}")


def check_format(content: Mapping[str, Any], form: str, version: int, what: str) -> None:
    """Unreadable unless a file is of this format and version. what: the file, as the sentence names it."""
    found = content.get("version")
    if content.get("format") != form or found != version:
        newer = "; update the pack" if type(found) is int and found > version else ""
        raise Unreadable(
            f"{what} has format {quoted(content.get('format'))} version {quoted(found)}; "
            f"this pack reads {quoted(form)} version {version}{newer}"
        )


def joined(one: str, other: str) -> str:
    """Every part of both, once each: "a" and "a; b" make "a; b"."""
    return "; ".join(sorted({*one.split("; "), *other.split("; ")} - {""}))


def alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in both. Of two spellings (1 and 1.0) always the same."""
    return {key: min(first[key], second[key], key=repr) for key in first.keys() & second.keys()}


def joined_prompts(first: Mapping[str, Any], second: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What is told of both files' prompts, `count` together."""
    named = joined(str(first.get("name", "")), str(second.get("name", "")))
    return {**({"name": named} if named else {}), "count": count}


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
