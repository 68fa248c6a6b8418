"""What all images of a folder have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..gate.decision import GateDecision
from ..gate.description import check_format
from ..gate.judge import Judge
from ..gate.student import Student, differences
from ..quoting import quoted
from ..reading import read_json, told

FORMAT, VERSION = "adaptive-diffusion held images", 1


@dataclass(frozen=True)
class Origin:
    """Who drew, judged and rejected the images of a folder.

    student: without its images' size, which each file has. table, k: what they were rejected by, as of GateDecision.
    feature_names, relative: as of QualityScores. vae: letters for the decoder outside ComfyUI, where its latents are
    kept; None elsewhere.
    """

    judge: Judge
    student: Student
    table: str
    k: float | None
    feature_names: str = ""
    relative: bool = False
    vae: str | None = None

    @classmethod
    def of(cls, decision: GateDecision, vae: str | None = None) -> "Origin":
        scores, student = decision.scores, decision.student or Student()
        student = Student.read({**student.settings, "width": None, "height": None})
        return cls(scores.judge, student, decision.table, decision.k, scores.feature_names, scores.relative, vae)

    @property
    def described(self) -> dict[str, Any]:
        """What must be the same for images to lie in one folder, as JSON."""
        alike = {"estimator": self.judge.settings, "student": self.student.settings, "table": self.table, "k": self.k}
        return {**alike, "features": self.feature_names, "vae": self.vae}

    @property
    def content(self) -> dict[str, Any]:
        """What a folder's JSON file says."""
        return {"format": FORMAT, "version": VERSION, **self.described, "relative": self.relative}

    @classmethod
    def load(cls, path: Path) -> "Origin":
        """Read a JSON file of `content`; FileNotFoundError without it, Unreadable where it holds anything else."""
        damaged = f"{quoted(path)} is damaged; copy it again, or hold images in another folder"
        found = read_json(path, damaged)
        with told(damaged):
            check_format(found, FORMAT, VERSION, quoted(path))
            return _read(found)

    def check_same(self, other: "Origin", folder: Path) -> None:
        """ValueError, naming what differs, where images of `other` are to lie beside these in `folder`."""
        if changes := differences(self.described, other.described):
            raise ValueError(
                f"the images in {quoted(folder.name)} have {', '.join(changes)}; hold these in another folder"
            )

    def of_size(self, height: int, width: int) -> Student:
        """The student of images of this size in pixels."""
        return replace(self.student, height=height, width=width)


def _read(found: Mapping[str, Any]) -> Origin:
    k, names, relative, vae = found["k"], found["features"], found["relative"], found["vae"]
    if not isinstance(found["table"], str) or not isinstance(names, str) or not isinstance(relative, bool):
        raise TypeError("of another kind")
    judge, student = Judge.read(found["estimator"]), Student.read(found["student"])
    return Origin(judge, student, found["table"], None if k is None else float(k), names, relative, vae)
