"""Word-level tokens of a closed vocabulary."""

from collections.abc import Sequence

import torch

from ..quoting import listed, quoted

PAD, START, END = "[PAD]", "[CLS]", "[SEP]"


class WordTokenizer:
    """Splits prompts into words of `vocabulary`; the place of a word in it is its token id."""

    def __init__(self, vocabulary: Sequence[str], max_length: int):
        self.ids = {word: i for i, word in enumerate(vocabulary)}
        self.max_length = max_length

    def __call__(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (B, max_length) and which of them are not padding (B, max_length).

        ValueError for a word that is not in the vocabulary and for a prompt that is too long.
        """
        rows = [self._row(prompt) for prompt in prompts]
        tokens = torch.tensor([row + [self.ids[PAD]] * (self.max_length - len(row)) for row in rows])
        return tokens, tokens != self.ids[PAD]

    def count(self, prompt: str) -> int:
        """Tokens of the whole prompt, start and end included."""
        return len(self._row(prompt))

    def _row(self, prompt: str) -> list[int]:
        words = prompt.lower().replace(",", " ").replace(".", " ").split()
        if unknown := [word for word in words if word not in self.ids]:
            known = listed(word for word in self.ids if word not in (PAD, START, END))
            raise ValueError(f"this estimator does not know the word {quoted(unknown[0])}; use only: {known}")
        if len(words) > self.max_length - 2:
            raise ValueError(f"the prompt has {len(words)} words; this estimator reads at most {self.max_length - 2}")
        return [self.ids[START], *(self.ids[word] for word in words), self.ids[END]]
