"""Rollback by score: the further a score lies below the threshold, the further back its image goes."""

import math
from dataclasses import dataclass

from .decision import GateDecision

LEVELS = 4


@dataclass(frozen=True)
class RollbackByScore:
    """A straight line through two points: `near` right below the threshold, `far` at `distance` below it and beyond.

    near, far: rollback values in the teacher's scale. distance: above 0, in units of the score; of the risk, where a
    learned gate decided.
    """

    near: float
    far: float
    distance: float

    def __post_init__(self) -> None:
        if not self.distance > 0:
            raise ValueError(f"the distance is {self.distance:g}; choose how far below the threshold a score is far")

    def __call__(self, score: float, threshold: float) -> float:
        """The rollback of a rejected image: one of LEVELS evenly spaced values, so that few teacher batches do.

        One that a person rejected above the threshold is taken to lie right below it.

        ValueError where the threshold is not finite, so that nothing lies at a distance from it.
        """
        if not math.isfinite(threshold):
            raise ValueError(
                f"the threshold is {threshold:g}, from which no score has a distance; choose a k between 0 and 100, "
                "or use one rollback for all"
            )
        share = min(max((threshold - score) / self.distance, 0.0), 1.0)
        level = round(share * (LEVELS - 1))
        return self.near + (self.far - self.near) * level / (LEVELS - 1)

    def of(self, decision: GateDecision) -> list[float]:
        """The rollback of every image of a batch; 0, which keeps it, of those that were accepted."""
        merits, threshold = decision.merits
        return [self(merit, threshold) if i in decision.rejected else 0.0 for i, merit in enumerate(merits)]
