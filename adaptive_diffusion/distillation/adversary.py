"""The adversary of ADD (arXiv 2311.17042, section 3.2): small heads on the features of a frozen network."""

from collections.abc import Sequence

import torch
from torch import nn

from .features import Features
from .layouts import POOLED, STATES, Condition

HEADS = "heads"
R1 = 1e-5
WIDTH = 64
SLOPE = 0.2


class Head(nn.Module):
    """Logits (B, N) of features (B, N, C), each a part of the image; conditioned by projection (arXiv 1802.05637)."""

    def __init__(self, width: int, text_width: int, image_width: int):
        super().__init__()
        self.inward = nn.Linear(width, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.outward = nn.Linear(WIDTH, 1)
        self.text, self.image = nn.Linear(text_width, WIDTH), nn.Linear(image_width, WIDTH)

    def forward(self, features: torch.Tensor, text: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.leaky_relu(self.norm(self.inward(features)), SLOPE)
        asked = (self.text(text) + self.image(image)).unsqueeze(1)
        return self.outward(hidden).squeeze(-1) + (hidden * asked).mean(-1)


def student_loss(logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """-E D(x_student), the mean over heads and parts (equation 2)."""
    return torch.stack([-each.mean() for each in logits]).mean()


def heads_loss(real: Sequence[torch.Tensor], drawn: Sequence[torch.Tensor]) -> torch.Tensor:
    """E max(0, 1 - D(x0)) + E max(0, 1 + D(x_student)), the hinge of equation 3, the mean over heads and parts."""
    losses = [
        (1 - one).clamp(min=0).mean() + (1 + other).clamp(min=0).mean() for one, other in zip(real, drawn, strict=True)
    ]
    return torch.stack(losses).mean()


def r1_penalty(logits: Sequence[torch.Tensor], features: Sequence[torch.Tensor]) -> torch.Tensor:
    """E ||grad of D by its features||^2 on real images, the sum over heads (arXiv 1801.04406, equation 9)."""
    gradients = torch.autograd.grad([each.sum() for each in logits], list(features), create_graph=True)
    return torch.stack([each.square().flatten(1).sum(1).mean() for each in gradients]).sum()


class Adversary:
    """Heads that tell data from the student's images by `features`, given the prompt and a description of the image."""

    def __init__(self, features: Features, blank: Condition):
        """blank: the empty prompt's condition, whose widths the heads take."""
        self.features = features
        width = _text(blank).shape[1]
        self.heads = nn.ModuleList(Head(each, width, features.image_width) for each in features.widths)

    def round(self, latents: torch.Tensor, condition: Condition, informed: torch.Tensor) -> "Round":
        """One step's judgement on real latents (B, C, H, W).

        informed: where the student saw something of the image, (B,); only there the heads get its description.
        """
        with torch.no_grad():
            real = self.features(latents, condition)
            image = self.features.describe(real) * informed.unsqueeze(1)
        return Round(self, [each.requires_grad_() for each in real], condition, image)


class Round:
    """What the heads say of one batch: first of the student's images for the student, then of both for themselves."""

    def __init__(self, adversary: Adversary, real: list[torch.Tensor], condition: Condition, image: torch.Tensor):
        self.adversary, self.real, self.condition, self.image = adversary, real, condition, image
        self.drawn: list[torch.Tensor] = []

    def of_student(self, student: torch.Tensor) -> torch.Tensor:
        """The student's loss by its x0 (B, C, H, W)."""
        features = self.adversary.features(student, self.condition)
        self.drawn = [each.detach() for each in features]
        return student_loss(self._logits(features))

    def of_heads(self) -> torch.Tensor:
        """The heads' loss, after `of_student`."""
        real = self._logits(self.real)
        return heads_loss(real, self._logits(self.drawn)) + R1 * r1_penalty(real, self.real)

    def _logits(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        text = _text(self.condition)
        return [head(each, text, self.image) for head, each in zip(self.adversary.heads, features, strict=True)]


def _text(condition: Condition) -> torch.Tensor:
    """A prompt's description (B, F): its pooled state where there is one, else the mean of its tokens' states."""
    return condition[POOLED].float() if POOLED in condition else condition[STATES].float().mean(1)
