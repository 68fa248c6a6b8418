"""Where the golden values lie and how prompts and ids are told apart in them; read on both sides."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

SCORES = Path(__file__).with_name("tiny_scores.json")
TOKENS = Path(__file__).with_name("tokens.json")
LENGTHS = (35, 128)


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def texts_digest(texts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def ids_digest(*rows: Sequence[int]) -> str:
    """The first 16 digits are enough to tell rows of token ids apart."""
    return hashlib.sha256(" ".join(str(token) for row in rows for token in row).encode()).hexdigest()[:16]
