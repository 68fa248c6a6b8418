"""A vision-language model as an estimator."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from ...digest import digest
from ...quoting import quoted
from ..base import Estimator, Reading
from .answers import LEAST_MASS, log_odds, mass, names_of
from .packing import Packed, pack
from .questions import Questions
from .resize import RULE, resized
from .words import MOST_TOKENS, TEMPLATE, Words

REFERENCE = Questions()


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


class VisionJudge(Estimator):
    """VQAScore (arXiv 2404.01291) by a Qwen3-VL: the mean log-odds, by weight, with which it answers Yes."""

    max_tokens = MOST_TOKENS

    def __init__(self, network: Network, questions: Questions = REFERENCE):
        """No `Estimator.__init__`: the network is another's, and all its weights are too many to be told apart by."""
        self.network, self.questions, self.module = network, questions, network.module
        own = f" (questions {digest(questions.settings)[:8]})" if questions.settings != REFERENCE.settings else ""
        self.name = f"VQAScore {network.name}{own}"
        self.uses_prompt = questions.uses_prompt
        self.feature_names = names_of([check.name for check in questions.checks])
        self.weights = digest([network.digest, TEMPLATE, RULE])
        self._by_weight = torch.tensor([check.weight for check in questions.all], dtype=torch.float64)

    @property
    def dtype(self) -> str:
        """The type that the weights are stored in; it computes in float32 whatever that is."""
        return self.network.dtype

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(I, 1 + D, rows, columns, C)."""
        return torch.stack([self.network.look(pixels) for pixels in resized(images)])

    def judge(self, encoded: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor:
        return self.look(encoded, prompts).scores

    def look(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Reading:
        return self.reading(self.answer(encoded, prompts))

    def answer(self, encoded: torch.Tensor, prompts: Sequence[str]) -> Answers:
        """(I * K, Q), on the CPU, of I encoded images for K prompts each, image by image.

        ValueError where an answer is no number.
        """
        images = encoded.repeat_interleave(len(prompts) // len(encoded), dim=0)
        found = [ask(self.network, seen, self._asked(prompt)) for seen, prompt in zip(images, prompts, strict=True)]
        return Answers(*map(torch.stack, zip(*found, strict=True)))

    def reading(self, answers: Answers) -> Reading:
        """The scores (B,), in float64, of the answers (B, Q) to a batch; their log-odds are the features.

        ValueError where they are no Yes or No.
        """
        if (sure := answers.mass.mean().item()) < LEAST_MASS:
            raise ValueError(
                f"{self.network.name} answers Yes or No with a probability of {sure:.2g} only, so it does not answer; "
                "use an Instruct model (no Thinking, no prompt enhancer) whose file is whole, or ask it otherwise"
            )
        return Reading(answers.odds @ self._by_weight / self._by_weight.sum(), answers.odds.float())

    def count_tokens(self, prompt: str) -> int:
        return max(len(self.network.words.block(question)) for question in self._asked(prompt))

    def cut(self, prompts: Sequence[str]) -> list[str]:
        """Nothing is cut: a prompt that is too long is refused."""
        return []

    def _asked(self, prompt: str) -> list[str]:
        return [check.of(prompt) for check in self.questions.all]


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
