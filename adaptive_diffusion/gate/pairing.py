"""Calibrating a gate: the pairs of a student's and a teacher's image that are to be drawn for it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..prompts import prompt_seeds
from .about import About
from .calibration import Prompts
from .journal import SCORES, Row, stacked
from .judge import Judge
from .pairs import Pairs
from .teacher import Teacher

FEATURES, TEACHER_SCORES, JUDGED = "features", "teacher_scores", "judged"
_PARTS = ("estimator", "student", "teacher", "judge", "prompts")


@dataclass(frozen=True)
class PairTask(Prompts):
    """Pairs to make, of a student and a teacher. judge: fields of Judge, empty without a second one.

    feature_names: what the features are, as the estimator tells it. What is found of a prompt has its score and
    features, and the teacher's score; with a judge also its scores of both images.
    """

    teacher: Teacher
    judge: Mapping[str, str]
    feature_names: str

    kind = "pairs"

    def about(self) -> dict[str, Any]:
        return {**super().about(), "teacher": self.teacher.settings, "judge": self.judge}

    def make(self, path: Path, rows: Mapping[int, Row]) -> Pairs:
        """Save the pairs of what was found of all prompts at `path`."""
        created = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        pairs = self.pairs(path.stem, rows, created)
        pairs.save(path)
        return pairs

    def pairs(self, name: str, rows: Mapping[int, Row], created: str) -> Pairs:
        """The pairs of what was found of all prompts; created: when the last one came, in UTC."""
        numbers = range(len(self.prompts))
        scores, features, improved = (stacked(rows, column, numbers) for column in (SCORES, FEATURES, TEACHER_SCORES))
        judged = stacked(rows, JUDGED, numbers) if self.judge else None
        about = About(
            Judge.read(self.estimator),
            self.feature_names,
            self.student,
            self.teacher,
            Judge.read(self.judge) if self.judge else None,
            self.described,
            created,
        )
        seeds = prompt_seeds(self.seed, len(numbers))
        return Pairs.drawn(name, self.prompts, seeds, scores, features, improved, judged, about)

    def load(self, path: Path) -> tuple[Pairs, Mapping[str, Any]]:
        """The pairs at `path`, and what they say of themselves."""
        pairs = Pairs.load(path)
        return pairs, {part: pairs.about.content[part] for part in _PARTS}
