"""Graded images of the demo models for the benchmarks of searching and of rollback by score, kept in a folder.

600 scenes in 3 noises each, of the development or the test part (see training/README.md). What was drawn is kept, so
that an interrupted run goes on and the benchmarks share it.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import torch

from adaptive_diffusion.comparison import told
from adaptive_diffusion.files import replacing
from adaptive_diffusion.gate.percentiles import PercentileTable
from training.common import RUNS
from training.evaluate import by_caption
from training.export import DEMO_MODELS
from training.sampling import BATCH, DemoModels, captions_for, evaluations, exact, seeds_for
from training.table import TABLE

PROMPTS, NOISES, SEED = 600, 3, 20267
HARDEST = 60


class Candidate(NamedTuple):
    """One drawing of every image (I): noise seeds, scores (I,), 1.0 where exactly right (I,).

    NaN for images that have passed with an earlier one, at k HARDEST and so at every lower k.
    """

    seeds: list[int]
    scores: numpy.ndarray
    right: numpy.ndarray


class DemoImages:
    """The student's drawings of every image and what the teacher makes of them.

    evaluations: of the student for a drawing, of the teacher for a refined one.
    """

    def __init__(self, part: str, folder: Path):
        self.models, self.folder = DemoModels(DEMO_MODELS), folder / part
        self.part, self.table = part, PercentileTable.load(TABLE)
        self.student, self.teacher = (self.models.settings[role] for role in ("student", "teacher"))
        self.evaluations = tuple(evaluations(role["steps"], role["cfg"]) for role in (self.student, self.teacher))
        scenes, _ = captions_for(PROMPTS, SEED, part)
        self.scenes = scenes * NOISES
        self._candidates: dict[int, Candidate] = {}
        self.folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.scenes)

    def candidate(self, number: int) -> Candidate:
        """Drawing `number` of every image, made now unless the folder has it."""
        if number not in self._candidates:
            path, seeds = self.folder / f"candidate-{number}.pt", seeds_for(len(self), SEED + number, self.part)
            if not path.exists():
                _save(path, self._draw(seeds, self._needing(number)))
            scores, right = torch.load(path, weights_only=True).numpy()
            self._candidates[number] = Candidate(seeds, scores, right)
        return self._candidates[number]

    def _needing(self, number: int) -> numpy.ndarray:
        """The images whose drawings before `number` all fail at HARDEST."""
        threshold = self.table.threshold(HARDEST)
        failing = [self.candidate(earlier).scores < threshold for earlier in range(number)]
        return numpy.flatnonzero(numpy.all(failing, axis=0)) if failing else numpy.arange(len(self))

    def _draw(self, seeds: list[int], rows: numpy.ndarray) -> torch.Tensor:
        """(2, I): scores and grades of one drawing of every image; those of other images than `rows` are NaN."""
        captions, own_seeds = [self.scenes[i].caption for i in rows], [seeds[i] for i in rows]
        result = self.models.draw("student", captions, own_seeds, self.student["steps"], self.student["cfg"])
        found = torch.full((2, len(self)), torch.nan, dtype=torch.float64)
        found[:, rows] = torch.tensor(numpy.stack([self.models.scores(result), exact(result)]))
        return found

    def refined(self, rows: numpy.ndarray, numbers: numpy.ndarray, rollback: float) -> numpy.ndarray:
        """1.0 where the teacher makes drawing `numbers` (R,) of the images `rows` (R,) exactly right, (R,)."""
        path = self.folder / f"refined-{self.teacher['steps']}-{rollback:g}.pt"
        known = torch.load(path, weights_only=True) if path.exists() else {}
        pairs = list(zip(rows.tolist(), numbers.tolist(), strict=True))
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            known.update(zip(part, self._refine(part, rollback).tolist(), strict=True))
            _save(path, known)
        return numpy.array([known[pair] for pair in pairs])

    def _refine(self, pairs: list[tuple[int, int]], rollback: float) -> numpy.ndarray:
        captions = [self.scenes[i].caption for i, _ in pairs]
        seeds = [self.candidate(j).seeds[i] for i, j in pairs]
        return exact(self.models.draw("refine", captions, seeds, self.teacher["steps"], self.teacher["cfg"], rollback))

    def spelled(self, values: numpy.ndarray, sign: str = "") -> str:
        """Mean and 95 % interval of values (I,), by caption."""
        return told(by_caption(values, self.scenes), sign)

    @property
    def about(self) -> str:
        different = len({scene.meaning for scene in self.scenes})
        return (
            f"{PROMPTS} prompts x {NOISES} noises of the {self.part} part ({different} different captions, a third of "
            "the prompts each with one, two and three objects). Share of exactly right images by the grader, ± 95 %, "
            "images of one caption counted as one. Model evaluations: the student's and the "
            "teacher's, two a guided step."
        )


def _save(path: Path, content: Any) -> None:
    with replacing(path) as beside:
        torch.save(content, beside)


def chosen_images(description: str | None) -> DemoImages:
    """The images that the command line asks for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("development", "test"), default="development")
    parser.add_argument("--folder", type=Path, default=RUNS / "drawings")
    chosen = parser.parse_args()
    return DemoImages(chosen.part, chosen.folder)
