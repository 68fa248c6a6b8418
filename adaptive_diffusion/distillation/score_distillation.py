"""Score distillation of adversarial diffusion distillation (ADD, arXiv 2311.17042, section 3)."""

from collections.abc import Iterator

import torch

from ..diffusion.schedules import lcm_timesteps
from .adversary import HEADS, Adversary
from .averaging import Averaged
from .layouts import Condition
from .levels import Levels
from .objective import STUDENT, Loss, Objective, between, randn_like
from .teacher import Teacher

WEIGHT = 2.5
STUDENT_TIMESTEPS = tuple(lcm_timesteps(4))
LOWEST, HIGHEST = 20, 980


def distance(levels: Levels, student: torch.Tensor, teacher: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """c(t) ||x_student - x_teacher||^2, the mean over all numbers (equation 4), with c(t) = alpha_t.

    student, teacher: both one's x0, (B, C, H, W); timesteps: those at which the teacher saw the student's, (B,).
    """
    signal, _ = levels.at(timesteps)
    return (signal * (student - teacher).square()).mean()


class ScoreDistillation(Objective):
    """The student's x0 is noised, and drawn to where the teacher then sees the clean image, with its guidance.

    student: learns; averaged: its moving average. adversary: what tells its images from those of the data, or None.
    guidance: lowest and highest scale of the teacher.
    """

    def __init__(
        self,
        teacher: Teacher,
        student: torch.nn.Module,
        guidance: tuple[float, float],
        averaged: Averaged,
        adversary: Adversary | None,
    ):
        self.teacher, self.range, self.averaged, self.adversary = teacher, guidance, averaged, adversary
        self.learners = {STUDENT: student} | ({HEADS: adversary.heads} if adversary else {})

    def losses(self, latents: torch.Tensor, condition: Condition, progress: float) -> Iterator[Loss]:
        """L = L_adversary + 2.5 L_distillation (equation 1) at one of N = 4 student timesteps; then the heads' loss."""
        timesteps = torch.tensor(STUDENT_TIMESTEPS)[torch.randint(len(STUDENT_TIMESTEPS), (len(latents),))]
        timesteps = timesteps.to(latents.device)
        x = self.teacher.levels.as_sampled(latents, randn_like(latents), timesteps)
        student, _ = self.teacher.predict(self.learners[STUDENT], x, timesteps, condition)
        loss = WEIGHT * self._distillation(student, condition)
        if self.adversary is None:
            yield STUDENT, loss
            return
        informed = timesteps < len(self.teacher.levels.signal) - 1
        judged = self.adversary.round(latents, condition, informed)
        yield STUDENT, loss + judged.of_student(student)
        yield HEADS, judged.of_heads()

    def _distillation(self, student: torch.Tensor, condition: Condition) -> torch.Tensor:
        count = len(student)
        timesteps = torch.randint(LOWEST, HIGHEST + 1, (count,)).to(student.device)
        scales = between(*self.range, count).to(student.device)
        x = self.teacher.levels.noised(student.detach(), randn_like(student), timesteps)
        teacher, _ = self.teacher.guided(x, timesteps, condition, scales)
        return distance(self.teacher.levels, student, teacher, timesteps)
