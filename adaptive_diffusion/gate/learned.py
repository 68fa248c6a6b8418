"""The learned gate: the probability that the teacher's image is better, from the student's score and features."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
from scipy.special import expit

from ..comparison import Interval
from ..quoting import quoted
from ..tensors import array
from .about import About
from .confidence import Confidence, confidence
from .judge import Judge, check_same
from .pairs import Pairs
from .promise import Promise, promise
from .ranking import area
from .stored import Form
from .student import Student
from .teacher import Teacher

FORM = Form("adaptive-diffusion gate", "gate", "is not a whole gate's file; fit it again")
SHOWN = tuple(range(0, 101, 5))


@dataclass(frozen=True, eq=False)
class LearnedGate:
    """A gate fitted to N pairs; see `fitting.fit`.

    weights (1 + F,), constant: of score and features, in the log odds of the risk. floor: what a lower score counts as.
    risks (N,): of the pairs, each by a fit that left its prompt out, ascending. improved (N,): whether the teacher's
    image was better. keys (N,): of the prompts. about: what the pairs were made with.
    """

    name: str
    weights: numpy.ndarray
    constant: float
    floor: float
    risks: numpy.ndarray
    improved: numpy.ndarray
    keys: numpy.ndarray
    about: About

    @classmethod
    def of(
        cls, name: str, weights: numpy.ndarray, constant: float, floor: float, log_odds: numpy.ndarray, pairs: Pairs
    ) -> "LearnedGate":
        """The gate with the left out pairs' log odds (N,), in their order."""
        risks = expit(log_odds)
        order = numpy.lexsort((pairs.seeds, pairs.keys, risks))
        kept = (risks[order], pairs.improved[order], pairs.keys[order])
        return cls(name, weights, constant, floor, *kept, pairs.about)

    def risk(self, scores: Any, features: numpy.ndarray | None) -> numpy.ndarray:
        """The probability that the teacher's image is better, (B,); an image's does not depend on its batch.

        scores (B,), features (B, F): an estimator's reading; see `check_estimator`. ValueError where they do not fit.
        """
        values, width = numpy.asarray(scores, float), len(self.weights) - 1
        if features is None or features.shape != (len(values), width):
            found = "none" if features is None else f"{features.shape[-1]}"
            raise ValueError(
                f"gate {quoted(self.name)} reads {width} features of each image, and {found} came with the scores; "
                f"score with {self.about.estimator.label}"
            )
        finite = numpy.isfinite(values) & numpy.isfinite(features).all(1)
        if not finite.all():
            raise ValueError(
                f"the features of image {int(numpy.argmin(finite))} are not finite; check the image and the "
                "estimator's weights"
            )
        rows = numpy.column_stack([numpy.maximum(values, self.floor), features])
        rows *= self.weights
        return expit(rows.sum(1) + self.constant)

    def threshold(self, k: float) -> float:
        """The risk above which the worst `k` percent lie; inf at k=0 (accept all), -inf at k=100 (reject all)."""
        if not 0 <= k <= 100:
            raise ValueError(f"k is {k:g}; choose a percentage from 0 to 100")
        if k in (0, 100):
            return -math.inf if k else math.inf
        return float(-numpy.percentile(-self.risks, k))

    def confidence(self, k: float) -> Confidence:
        """How sure the threshold at k is, in risks; see `confidence.confidence`."""
        found = confidence(-self.risks, k)
        low, high = found.threshold
        return replace(found, threshold=(-high, -low))

    def promise(self, most: float) -> Promise:
        """What keeps as much as possible while at most `most` percent of it would have been improved, 95 % sure."""
        return promise(self.risks, self.improved, most)

    def check_estimator(self, judge: Judge, feature_names: str) -> None:
        """ValueError where scores are of another estimator, precision or weights, or features are others."""
        check_same(self.about.estimator, judge, "gate", self.name, "fit a gate to pairs of this one")
        if feature_names != self.about.features:
            raise ValueError(
                f"gate {quoted(self.name)} reads the features {quoted(self.about.features)}, but the scores came with "
                f"{quoted(feature_names or 'none')}; fit a gate to pairs with these"
            )

    def differences(self, student: Student | None, teacher: Teacher | None) -> list[str]:
        """Where known settings differ from those of the pairs, each as one phrase."""
        phrases = self.about.student.differences(student) if student else []
        return phrases + (
            [f"teacher {phrase}" for phrase in self.about.teacher.differences(teacher)] if teacher else []
        )

    @property
    def count(self) -> int:
        """How many pairs it was fitted to."""
        return len(self.risks)

    @cached_property
    def auc(self) -> Interval:
        """The chance that an image which the teacher betters has the higher risk, by pairs that were left out."""
        return area(self.risks, self.improved, self.keys)

    @cached_property
    def gains(self) -> dict[str, list[float]]:
        """What each k of `k` is worth, by pairs that were left out, in percent of all images.

        improved: sent to the teacher and better for it. missed: kept though the teacher's would have been better.
        """
        sent = [self.risks > self.threshold(k) for k in SHOWN]
        share = [[100 * float((part & self.improved).mean()) for part in (one, ~one)] for one in sent]
        return {"k": [*map(float, SHOWN)], "improved": [one for one, _ in share], "missed": [two for _, two in share]}

    @property
    def content(self) -> bytes:
        """The bytes of the gate's file; equal for gates of equal pairs."""
        arrays = {"weights": self.weights, "constant": numpy.array([self.constant]), "risks": self.risks}
        arrays |= {"improved": self.improved.astype(numpy.uint8), "keys": self.keys}
        arrays |= {"floor": numpy.array([self.floor])}
        auc = {"value": self.auc.value, "low": self.auc.low, "high": self.auc.high}
        count, improved = self.count, int(self.improved.sum())
        return FORM.content(arrays, self.about, count=count, improved=improved, auc=auc, gains=self.gains)

    def save(self, path: Path) -> None:
        """Write the gate; a reader sees the old file or the new one, never half of one."""
        FORM.save(path, self.content)

    @classmethod
    def load(cls, path: Path) -> "LearnedGate":
        """Read a gate's file; FileNotFoundError without it, ValueError where it holds anything else."""
        return FORM.load(path, _arrays, cls)


def _arrays(file: Any) -> dict[str, Any]:
    """The arrays of an `opened` gate's file; ValueError where they cannot be a gate's. Old ones have no floor."""
    weights = array(file, "weights", "F64", (None,))
    [constant] = array(file, "constant", "F64", (1,))
    floor = float(array(file, "floor", "F64", (1,))[0]) if "floor" in {*file.keys()} else -math.inf
    risks = array(file, "risks", "F64", (None,))
    improved = array(file, "improved", "U8", risks.shape)
    keys = array(file, "keys", "U64", risks.shape)
    ordered = numpy.all(risks[1:] >= risks[:-1]) and len(risks) and 0 <= risks[0] <= risks[-1] <= 1
    finite = numpy.isfinite(weights).all() and numpy.isfinite(constant) and len(weights) and floor < math.inf
    if not (ordered and finite and {*numpy.unique(improved).tolist()} == {0, 1}):
        raise ValueError("numbers that are no gate's")
    return {
        "weights": weights,
        "constant": float(constant),
        "floor": floor,
        "risks": risks,
        "improved": improved.astype(bool),
        "keys": keys,
    }
