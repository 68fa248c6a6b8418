"""BERT's word pieces (arXiv 1810.04805), as BLIP reads prompts: bert-base-uncased's vocabulary and two tokens more."""

from collections.abc import Sequence
from pathlib import Path

import torch

VOCABULARY = Path(__file__).with_name("bert-base-uncased-vocab.txt")
ADDED = ["[DEC]", "[ENC]"]


class BertTokenizer:
    """Prompts to token ids between [CLS] and [SEP], cut and padded to `max_length`."""

    def __init__(self, max_length: int):
        from tokenizers import BertWordPieceTokenizer

        self.max_length = max_length
        self.tokenizer = BertWordPieceTokenizer(str(VOCABULARY), lowercase=True)
        self.tokenizer.add_special_tokens(ADDED)

    def __call__(self, prompts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (B, max_length) and which of them are not padding (B, max_length)."""
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.enable_padding(length=self.max_length)
        encoded = self.tokenizer.encode_batch(list(prompts))
        present = torch.tensor([row.attention_mask for row in encoded])
        return torch.tensor([row.ids for row in encoded]), present.bool()

    def count(self, prompt: str) -> int:
        """Tokens of the whole prompt, [CLS] and [SEP] included."""
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        return len(self.tokenizer.encode(prompt).ids)
