"""Questions as token ids between the marks of Qwen's chat template, whatever the text itself holds."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ...quoting import quoted

TEMPLATE = "2026-11 user, vision, question, assistant"
BEFORE_IMAGE = ("<|im_start|>", "user\n", "<|vision_start|>")
AFTER_IMAGE = ("<|vision_end|>",)
AFTER_QUESTION = ("<|im_end|>", "\n", "<|im_start|>", "assistant\n")
YES, ANSWERS = "Yes", ("Yes", "No", "yes", "no")
MOST_TOKENS = 16_384


class Words:
    """A tokenizer of transformers that knows Qwen's marks; ValueError where it does not, or splits Yes or No."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        self._marks: dict[str, int] = tokenizer.get_added_vocab()
        for mark in {*BEFORE_IMAGE, *AFTER_IMAGE, *AFTER_QUESTION}:
            if mark.startswith("<|") and mark not in self._marks:
                raise ValueError(f"the tokenizer has no {quoted(mark)}; use a Qwen3-VL model with its own tokenizer")
        self.answers = [self._one(word) for word in ANSWERS]
        self.yes = self._one(YES)

    def literal(self, text: str) -> list[int]:
        """The ids of `text` in which nothing is a mark: what looks like one is read letter by letter at its start."""
        places = [found.start() + 1 for found in self._alike.finditer(text)]
        parts = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
        ids = [token for part in parts for token in self._encode(part)]
        if marks := {*ids} & {*self._marks.values()}:
            raise ValueError(
                f"{quoted(text)} is read as the mark {quoted(self._tokenizer.decode([*marks][:1]))}; reword it"
            )
        return ids

    def framed(self, parts: Sequence[str]) -> list[int]:
        """The ids of a template's parts, marks and texts."""
        return [
            token for part in parts for token in ([self._marks[part]] if part in self._marks else self._encode(part))
        ]

    def block(self, question: str) -> list[int]:
        """A question and what comes behind it, up to where the answer would begin; ValueError where it is too long."""
        ids = self.literal(question)
        if len(ids) > MOST_TOKENS:
            raise ValueError(
                f"the question {quoted(question)} has {len(ids):,} tokens; at most {MOST_TOKENS:,} are read, shorten it"
            )
        return [*ids, *self.framed(AFTER_QUESTION)]

    @cached_property
    def before(self) -> list[int]:
        return self.framed(BEFORE_IMAGE)

    @cached_property
    def after(self) -> list[int]:
        return self.framed(AFTER_IMAGE)

    @cached_property
    def _alike(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._marks)))

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False) if text else []

    def _one(self, word: str) -> int:
        ids = self._encode(word)
        if len(ids) != 1:
            raise ValueError(f"the tokenizer splits {quoted(word)} into {len(ids)} tokens; use a Qwen3-VL model")
        return ids[0]
