"""Prompts of every kind that people and accidents type, the same on every machine."""

import random
from collections.abc import Callable, Sequence

COLOURS = ("red", "blue", "golden", "grey", "pale", "dark green")
PLACES = ("pond", "bowl", "dark sea", "tin", "cloud")
SCORED = (
    "a painting of an ocean with clouds and birds, day time, low depth field effect",
    "cat",
    "A Portrait of an élégante Señora in Zürich, (masterpiece:1.2), <lora:ink:0.8>, 8k, UHD",
    ", ".join(f"a {colour} fish in a {place}" for place in PLACES for colour in COLOURS) + " and a heron at dawn",
    "一只猫 и собака, 日本語のテキスト, 👩‍🚀🏽 in 🌊",
    "\u200b.",
    "[ENC] a cat [SEP] a dog [MASK]",
)
WORDS = str.split(
    "a photo of the red fox jumping over an old stone bridge at night cinematic lighting highly detailed bokeh "
    "trending artstation Unreal octane render watercolour unbelievable antidisestablishmentarianism GANs won't "
    "state-of-the-art 35mm f/1.8 1,000.50 $5 50% don't Mr. O'Neill's e-mail naïve café RAW HDR #hashtag @user"
)
SPECIAL = str.split(
    "[CLS] [SEP] [PAD] [MASK] [UNK] [DEC] [ENC] [enc] [ sep ] ##ing [unused1] <|endoftext|> (cat:1.3) [[dog]] {a|b}"
)
ACCENTED = str.split("é è ü ß Å ñ ç İ ı ø Ł œ ǆ e\u0301 A\u030a o\u0302\u0323 ﬁ ½ ² Ⅷ ﬀ ΐ Ω ы Й й")
EMOJI = str.split("🎨 👍🏽 👩‍🚀 🇫🇷 ❤️ ☃ 🧑🏿‍🤝‍🧑🏻 ™ © ♥ ✈︎ 1️⃣ 🌊🌊 ✨")
BLANKS = ["  ", "\t", "\n", "\r\n", "\xa0", "\u3000", "\u2028", "\u200b", "\u200d", "\ufeff", "\xad", "\x0b", "\x0c"]
CONTROL = ["\x00", "\x01", "\x07", "\x08", "\x1b", "\x1f", "\x7f", "\x85", "\x9f", "\ufffd", "\u202e", "\u2066"]
# Characters that every Unicode since 9.0 has: which others are words and which are dropped differs by tokenizer.
BLOCKS = (
    (0x20, 0x24F), (0x250, 0x36F), (0x391, 0x3A1), (0x3A3, 0x3CE), (0x400, 0x52F), (0x5D0, 0x5EA), (0x621, 0x6FF),
    (0x904, 0x97F), (0xE01, 0xE3A), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x1F00, 0x1F15), (0x2010, 0x2063),
    (0x20A0, 0x20B5), (0x2100, 0x214F), (0x2190, 0x23CF), (0x2460, 0x27BF), (0x3000, 0x303F), (0x3041, 0x3096),
    (0x3099, 0x30FF), (0x3400, 0x4DB5), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFA2D),
    (0xFE00, 0xFE0F), (0xFF01, 0xFF9F), (0x1D400, 0x1D454), (0x1F300, 0x1F64F), (0x20000, 0x2A6D6),
    (0xE0020, 0xE007F),
)  # fmt: skip
EDGES = (
    "", " ", ".", "\x00", "\u0301", "a" * 100, "a" * 101, "a" * 10_000, "cat " * 2_500, "猫" * 10_000, "👩‍🚀" * 600,
    "[SEP]" * 50, "-" * 200, "é" * 101, "a\u0301" * 101, "\n".join("abc"), "don't" * 30,
)  # fmt: skip


def fuzzed(count: int = 720, seed: int = 1) -> list[str]:
    """`count` prompts: the edge cases, then all recipes in turn."""
    rng = random.Random(seed)
    return [*EDGES, *(RECIPES[i % len(RECIPES)](rng) for i in range(count - len(EDGES)))]


def _whole(rng: random.Random, low: int, high: int) -> int:
    """A whole number low..high; only `random()` is promised to stay the same in every Python."""
    return low + int(rng.random() * (high - low + 1))


def _pick(rng: random.Random, things: Sequence) -> object:
    return things[_whole(rng, 0, len(things) - 1)]


def _letters(rng: random.Random, low: int, high: int) -> str:
    return "".join(chr(_whole(rng, low, high)) for _ in range(_whole(rng, 1, 12)))


def _one_block(rng: random.Random) -> str:
    low, high = _pick(rng, BLOCKS)
    return " ".join(_letters(rng, low, high) for _ in range(_whole(rng, 1, 6)))


def _all_blocks(rng: random.Random) -> str:
    return "".join(chr(_whole(rng, *_pick(rng, BLOCKS))) for _ in range(_whole(rng, 1, 60)))


def _case(rng: random.Random, word: str) -> str:
    return _pick(rng, (word, word, word.upper(), word.title(), word.swapcase()))


def _mix(*kinds: Sequence[str], glue: Sequence[str] = (" ",)) -> Callable[[random.Random], str]:
    """Prompts of up to 60 pieces out of `kinds`, with `glue` between them."""

    def prompt(rng: random.Random) -> str:
        pieces = (_case(rng, _pick(rng, _pick(rng, kinds))) + _pick(rng, glue) for _ in range(_whole(rng, 1, 60)))
        return "".join(pieces)

    return prompt


RECIPES = (
    _mix(WORDS),
    _mix(WORDS, glue=(" ", ", ", ". ", "-", "/", "_", "!?", "'", "")),
    _mix(WORDS, SPECIAL),
    _mix(WORDS, SPECIAL, glue=("",)),
    _mix(WORDS, ACCENTED),
    _mix(ACCENTED, glue=("", " ")),
    _mix(WORDS, EMOJI, glue=("", " ")),
    _mix(WORDS, BLANKS, CONTROL, glue=("",)),
    _mix(WORDS, glue=BLANKS),
    _mix(WORDS, SPECIAL, ACCENTED, EMOJI, BLANKS, CONTROL, glue=("", " ")),
    _one_block,
    _all_blocks,
)
