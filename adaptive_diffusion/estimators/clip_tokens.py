"""Prompts as the token ids that CLIP (arXiv 2103.00020) was trained on."""

import html
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..quoting import quoted

FILES = ("vocab.json", "merges.txt")
TERMINAL = re.compile("\033\\[[\\d;]*[a-zA-Z]")
SINGLE_QUOTES = (0x91, 0x92, 0x2BC, *range(0x2018, 0x201C))
DOUBLE_QUOTES = (0x93, 0x94, *range(0x201C, 0x2020))
LIGATURES = (0x132, 0x133, *range(0x1C4, 0x1CD), *range(0x1F1, 0x1F4), *range(0xFB00, 0xFB05), 0xFB06)
WIDE_AND_NARROW = (0x3000, *range(0xFF01, 0xFFF0))
CONTROLS = (*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFD), 0xFEFF)
WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
PLAIN: dict[int, str | None] = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in (*LIGATURES, *WIDE_AND_NARROW)},
    **WINDOWS_1252,
    0x149: "'n",
    **dict.fromkeys(SINGLE_QUOTES, "'"),
    **dict.fromkeys(DOUBLE_QUOTES, '"'),
    **dict.fromkeys(CONTROLS),
}


def plain(text: str) -> str:
    """`text` as open_clip cleans it: no HTML entities, curly quotes, ligatures, wide letters or control characters.

    The steps are those of ftfy.fix_text (ftfy 6.3) except its guess at text that was decoded wrongly.
    """
    text = html.unescape(html.unescape(text))
    text = TERMINAL.sub("", text.replace("\r", "\n")).translate(PLAIN)
    return " ".join(unicodedata.normalize("NFC", text).split()).lower()


class ClipTokenizer:
    """Prompts to ids: a start, the pieces of the words, an end; as transformers' fast CLIPTokenizer gives them.

    folder: with CLIP's vocab.json and merges.txt.
    """

    def __init__(self, folder: Path):
        self._tokenizer = _open(folder)

    def __len__(self) -> int:
        """How many words the vocabulary has."""
        return len(self._tokenizer)

    def __call__(self, prompts: Sequence[str], length: int) -> torch.Tensor:
        """Ids (B, L), L <= length; shorter prompts are filled up with ends, longer ones are cut before their end."""
        texts = [self.clean(_without_surrogates(prompt)) for prompt in prompts]
        return torch.tensor(self._tokenizer(texts, padding=True, truncation=True, max_length=length)["input_ids"])

    def count(self, prompt: str) -> int:
        """How many ids the whole prompt has, start and end included."""
        return len(self._tokenizer(self.clean(_without_surrogates(prompt)), verbose=False)["input_ids"])

    def clean(self, prompt: str) -> str:
        """What is split into words; here nothing is cleaned first."""
        return prompt


class OpenClipTokenizer(ClipTokenizer):
    """The same with open_clip's cleaning, which it has from OpenAI's CLIP, in place of transformers'."""

    def __init__(self, folder: Path):
        from tokenizers.normalizers import Sequence as Steps

        super().__init__(folder)
        self._tokenizer.backend_tokenizer.normalizer = Steps([])

    def clean(self, prompt: str) -> str:
        return plain(prompt)


def _without_surrogates(text: str) -> str:
    """Halves of characters joined to one where both are there, else U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _open(folder: Path) -> Any:
    """transformers' fast tokenizer: its slow one before 5.0 cleans text otherwise, depending on what is installed."""
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ValueError(
            f"{quoted(missing[0])} of CLIP's tokenizer is not in {quoted(folder)}; name a folder that holds it"
        )
    import transformers

    kind: Any = getattr(transformers, "CLIPTokenizerFast", transformers.CLIPTokenizer)
    return kind.from_pretrained(folder, local_files_only=True)
