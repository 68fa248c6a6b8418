"""A vision-language model, wherever it was loaded, and all questions on an image asked in one pass."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from ...quoting import quoted
from .answers import log_odds, mass
from .packing import Packed, pack
from .words import Words


class Network(Protocol):
    """What is asked of a Qwen3-VL, wherever it was loaded. All tensors are float32 on its device.

    name: such as "Qwen3-VL 4B". dtype: the type that its weights are stored in. digest: letters that differ for other
    weights. module: what a host may move between devices.
    """

    name: str
    dtype: str
    digest: str
    module: torch.nn.Module
    words: Words

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        """What it sees of pixels (3, H, W), bytes: (1 + D, rows, columns, C), the image's tokens and D deeper looks."""

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """(T, C) of T token ids."""

    def read(self, embedded: torch.Tensor, packed: Packed, deeper: torch.Tensor) -> torch.Tensor:
        """The last hidden states (Q, C), normalised, at `packed.lasts` of a sequence (T, C). deeper: (D, image, C)."""

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(Q, V) of hidden states (Q, C)."""


class Answers(NamedTuple):
    """odds: log-odds of Yes, float64, of each question. mass: the probability of a Yes or No at all. Both (..., Q)."""

    odds: torch.Tensor
    mass: torch.Tensor


def ask(network: Network, seen: torch.Tensor, questions: Sequence[str]) -> Answers:
    """The answers (Q,) to all questions on one image, as `Network.look` saw it, in one pass.

    ValueError where the network's numbers are not finite.
    """
    words, (_, rows, columns, width) = network.words, seen.shape
    blocks = [words.block(question) for question in questions]
    packed = pack(len(words.before), rows, columns, len(words.after), [*map(len, blocks)])
    text = network.embed([*words.before, *words.after, *(token for block in blocks for token in block)])
    image, *deeper = seen.reshape(len(seen), -1, width)
    start = len(words.before)
    embedded = torch.cat([text[:start], image, text[start:]])
    logits = network.logits(network.read(embedded, packed, torch.stack(deeper) if deeper else seen[:0])).float().cpu()
    if not logits.isfinite().all():
        raise ValueError(
            f"the answer of {network.name} to {quoted(questions[0])} is not a number; its file is damaged, or its "
            "precision too small: load another one of the same model"
        )
    return Answers(log_odds(logits, words.yes), mass(logits, words.answers))
