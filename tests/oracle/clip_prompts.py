"""Prompts for CLIP's tokenizers: those for BERT's, and what ftfy would clean."""

import random
from collections.abc import Sequence

from . import prompts

WORDS = ["a", "photo", "of", "the", "red", "fox", "won't", "LOUD", "café", "35mm"]
HTML = [
    "&amp;",
    "&lt;b&gt;",
    "&quot;x&quot;",
    "&#39;",
    "&#x2014;",
    "&hellip;",
    "&rsquo;",
    "&eacute;",
    "AT&T",
    "R&amp;B",
]
QUOTES = ["it’s", "“quoted”", "‘single’", "„low“", "ʼn", "rock‘n’roll", "5′", "6″", "«guillemets»"]
WIDE = ["ＬＯＵＤ", "　", "ﾀｰﾝ", "Ｕ", "！？", "ﬁsh", "ﬄ", "Ĳssel", "Ǆ", "ŉ"]
ODD = ["\x1b[31mred\x1b[0m", "\x1b[K", "\ud83d\udca9", "\ud83d", "\udca9", "\r", "\u2028", "\x85", "\x93a\x94", "\x80"]
ENDS = ("<|endoftext|>", "<|startoftext|>")


def fuzzed(count: int = 240, seed: int = 2) -> list[str]:
    """The prompts for BERT's tokenizer that have any text and no name of a CLIP token, then `count` of the others."""
    known = [text for text in prompts.fuzzed() if text.strip() and not any(end in text.lower() for end in ENDS)]
    rng = random.Random(seed)
    return known + [_mixed(rng, (WORDS, (HTML, QUOTES, WIDE, ODD)[i % 4])) for i in range(count)]


def _mixed(rng: random.Random, kinds: Sequence[Sequence[str]]) -> str:
    """Up to 40 pieces; only `random()` is promised to stay the same in every Python."""
    pieces = [_pick(rng, _pick(rng, kinds)) for _ in range(1 + int(rng.random() * 40))]
    return _pick(rng, (" ", "")).join(pieces)


def _pick(rng: random.Random, things: Sequence) -> object:
    return things[int(rng.random() * len(things))]
