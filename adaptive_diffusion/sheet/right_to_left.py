"""Arabic and Hebrew text as it is drawn from left to right, letter by letter.

Pillow joins and orders letters only where two more libraries are installed, which is seldom so on Windows. Here Arabic
letters take the form that Unicode lists for their neighbours (The Unicode Standard, section 9.2), and the letters of a
line are put in the order of Unicode Standard Annex 9, without its brackets and explicit marks. Vowel signs, which
readers do without, are left out.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

_VOWELS = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
_UNITS = re.compile("\u0644[\u0622\u0623\u0625\u0627]|.", re.DOTALL)  # lam and alef are written as one
_JOINERS = "\u0640\u200d"  # kashida, zero width joiner
_MIRRORED = dict(zip("()[]{}<>«»", ")(][}{><»«", strict=True))
_FORM_OF = {(False, False): "isolated", (False, True): "initial", (True, True): "medial", (True, False): "final"}
_STRONG, _DIGITS = {"L": "L", "R": "R", "AL": "R"}, {"EN", "AN"}
_POINTED = {("EN", "ES", "EN"), ("EN", "CS", "EN"), ("AN", "CS", "AN")}  # a sign between digits


def starts_right(text: str) -> bool:
    """Whether the first letter of the text is of a script that is written from right to left."""
    sides = (_STRONG.get(unicodedata.bidirectional(letter)) for letter in text)
    return next(filter(None, sides), "L") == "R"


def joined(text: str) -> str:
    """The text with every Arabic letter in the form that it has between its neighbours."""
    units = _UNITS.findall(_VOWELS.sub("", text))
    ties = [False, *(_tied(one, next_one) for one, next_one in pairwise(units)), False]
    forms = (_FORM_OF[around] for around in pairwise(ties))
    return "".join(_FORMS.get(unit, {}).get(form, unit) for unit, form in zip(units, forms, strict=False))


def ordered(line: str, from_right: bool) -> str:
    """The letters of a line from left to right as they are seen; from_right: whether its paragraph begins right."""
    levels = _levels([unicodedata.bidirectional(letter) for letter in line], from_right)
    order = list(range(len(line)))
    for level in (2, 1):
        runs = groupby(order, key=lambda i, level=level: levels[i] >= level)  # type: ignore[misc]
        order = [i for turned, run in runs for i in (reversed([*run]) if turned else run)]
    return "".join(_MIRRORED.get(line[i], line[i]) if levels[i] == 1 else line[i] for i in order)


def _tied(unit: str, next_unit: str) -> bool:
    """Whether a unit is joined to the one that follows."""
    onwards = unit in _JOINERS or "initial" in _FORMS.get(unit, {})
    return onwards and (next_unit in _JOINERS or "final" in _FORMS.get(next_unit, {}))


def _forms() -> dict[str, dict[str, str]]:
    """The forms of every letter, and of lam with alef, by their names in Unicode's tables."""
    forms: dict[str, dict[str, str]] = {}
    for letter in map(chr, range(0xFB50, 0xFF00)):
        kind, *parts = unicodedata.decomposition(letter).split() or [""]
        unit = "".join(chr(int(part, 16)) for part in parts)
        if kind.strip("<>") in _FORM_OF.values() and _UNITS.fullmatch(unit):
            forms.setdefault(unit, {}).setdefault(kind.strip("<>"), letter)
    return forms


_FORMS = _forms()


def _levels(kinds: Sequence[str], from_right: bool) -> list[int]:
    """How deep each lies, by its bidirectional class: odd where it is read from the right."""
    own = "R" if from_right else "L"
    kinds = ["EN" if near in _POINTED else near[1] for near in zip(["", *kinds], kinds, [*kinds[1:], ""], strict=False)]
    latest = [*accumulate(kinds, lambda side, kind: _STRONG.get(kind, side), initial=own)][1:]
    sides = [side if kind in _STRONG or kind in _DIGITS else "" for kind, side in zip(kinds, latest, strict=True)]
    before = accumulate(sides, lambda found, side: side or found, initial=own)
    after = [*accumulate(reversed(sides), lambda found, side: side or found, initial=own)][-2::-1]
    levels = []
    for kind, side, *around in zip(kinds, sides, before, after, strict=False):
        right = (side or (around[0] if around[0] == around[1] else own)) == "R"
        levels.append(1 if right and kind not in _DIGITS else 2 if right or from_right else 0)
    return levels
