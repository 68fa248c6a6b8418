"""A vision-language model as an estimator."""

from collections.abc import Sequence

import torch

from ...digest import digest
from ..base import Estimator, Reading
from .answers import LEAST_MASS, names_of
from .network import Answers, Network, ask
from .questions import Questions
from .resize import RULE, resized
from .trial import check_answering
from .words import MOST_TOKENS, TEMPLATE

REFERENCE = Questions()


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
        self._tried = False

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

        ValueError where an answer is no number, or the network does not do what judging rests on: tried once.
        """
        if not self._tried:
            check_answering(self.network)
            self._tried = True
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
