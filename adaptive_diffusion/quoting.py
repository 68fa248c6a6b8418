"""What others wrote, in a sentence of ours: on one line, of bounded length, and fit for any log."""

import reprlib
from collections.abc import Iterable
from pathlib import PurePath

MOST, TAIL, MOST_LISTED, MOST_PARTS = 200, 60, 300, 20


def quoted(value: object) -> str:
    """`value` as Python writes it; text and paths in single quotes, else as `unquoted`."""
    if isinstance(value, (str, PurePath)):
        return f"'{unquoted(value)}'"
    return unquoted(_parts.repr(value))


def unquoted(value: object) -> str:
    """The text of `value` on one line, with escapes for what cannot be shown, shortened in its middle past MOST."""
    text = str(value)
    return printable(text if len(text) <= MOST else f"{text[: MOST - TAIL]}...{text[-TAIL:]}")


def listed(names: Iterable[object]) -> str:
    """The names one after the other, as many as MOST_LISTED characters hold; "none" where there are none."""
    shown = ""
    for name in map(unquoted, names):
        longer = f"{shown}, {name}" if shown else name
        if shown and len(longer) > MOST_LISTED:
            return f"{shown} ..."
        shown = longer
    return shown or "none"


def printable(text: str) -> str:
    """The text on one line, with escapes for what cannot be shown or logged: control signs, halves of characters."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


_parts = reprlib.Repr()
_parts.maxstring = _parts.maxother = _parts.maxlong = MOST
_parts.maxlist = _parts.maxtuple = _parts.maxdict = MOST_PARTS


def without_secrets(address: str) -> str:
    """A place as it may be shown: an address without the names and keys before an @, and without options."""
    if "://" not in address:
        return address
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
