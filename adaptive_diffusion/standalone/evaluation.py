"""What galleries are worth, as tables: their costs, every judge's opinion, and who wins."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy
import torch

from ..comparison import duel, mean, spelled
from ..gate.outcome import ACCEPTED, FAILED
from ..quoting import quoted
from .galleries import Gallery, read_batches
from .runs import Record

NOTE = "Intervals are 95 %: Student's t of a mean, Wilson's of a share. p: sign test, exact, without the ties."


Judged = list[tuple[str, list[list[float]]]]


class Judge(Protocol):
    """What `estimators.Estimator` has of it: a name, and a score for each image and prompt."""

    name: str
    uses_prompt: bool

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> torch.Tensor: ...


def check_pair(first: Gallery, second: Gallery) -> None:
    """ValueError unless both galleries show the same prompts in the same order."""
    if len(first.images) != len(second.images):
        raise ValueError(
            f"{quoted(first.name)} has {len(first.images)} images and {quoted(second.name)} {len(second.images)}; "
            "compare images of the same prompts"
        )
    for i, (one, other) in enumerate(zip(first.prompts, second.prompts, strict=False)):
        if one != other:
            raise ValueError(
                f"image {i} was drawn for {quoted(one)} in {quoted(first.name)} "
                f"and for {quoted(other)} in {quoted(second.name)}"
            )


def scores(judge: Judge, gallery: Gallery, tell: Callable[[int], object]) -> list[float]:
    """The judge's score of every image; `tell` is called with how many were scored after each batch."""
    if judge.uses_prompt and not gallery.prompts:
        raise ValueError(
            f"{judge.name} needs the prompts that {quoted(gallery.name)} was drawn from; "
            "name a file of them with --prompts"
        )
    prompts = gallery.prompts or ("",) * len(gallery.images)
    found: list[float] = []
    for batch in read_batches(gallery.images):
        texts = prompts[len(found) : len(found) + len(batch)]
        found += judge.score(batch.float() / 255, texts).tolist()
        tell(len(batch))
    return found


def costs(galleries: Sequence[Gallery]) -> list[str]:
    """A row for each run; none where no gallery is a run. What no run has is not shown: evaluations, and failures."""
    taken = {"steps": ".2f", "evaluations": ".2f", "seconds": ".3f"}
    runs = [gallery for gallery in galleries if gallery.records]
    known = [key for key in taken if any(_mean_of(gallery.records, key) is not None for gallery in runs)]
    heads = ["to the teacher", FAILED] if any(_shares(gallery)[1] for gallery in runs) else ["to the teacher"]
    rows = []
    for gallery in runs:
        shares = [f"{share:.1%}" for share, _ in zip(_shares(gallery), heads, strict=False)]
        means = [_mean_of(gallery.records, key) for key in known]
        cells = ["unknown" if one is None else f"{one:{taken[key]}}" for key, one in zip(known, means, strict=True)]
        rows.append([gallery.name, str(len(gallery.records)), *shares, *cells])
    return table(["run", "images", *heads, *(f"{key} an image" for key in known)], rows) if rows else []


def _shares(gallery: Gallery) -> tuple[float, float]:
    """Of a run's images, the share that went to the teacher, and the share for which it failed."""
    verdicts = [record["verdict"] for record in gallery.records]
    return 1 - verdicts.count(ACCEPTED) / len(verdicts), verdicts.count(FAILED) / len(verdicts)


def _mean_of(records: Sequence[Record], key: str) -> float | None:
    """The mean of what every record has; None where one has it not, as those of before it was recorded."""
    values: list[Any] = [record.get(key) for record in records]
    return None if None in values else float(numpy.mean(values))


def opinions(judged: Judged, galleries: Sequence[Gallery]) -> list[str]:
    """Every judge's mean of each gallery; judged: the judges' names, and their scores of every gallery's images."""
    rows = [
        [judge, gallery.name, str(len(values)), spelled(mean(values))]
        for judge, found in judged
        for gallery, values in zip(galleries, found, strict=True)
    ]
    return table(["judge", "images of", "number", "mean"], rows)


def side_by_side(galleries: Sequence[Gallery], judged: Judged, distances: Sequence[float]) -> list[str]:
    """One row for each run: what an image took, every judge's mean, and its FID where `distances` has them."""
    heads = ["drawn by", "images", "evaluations an image", *(judge for judge, _ in judged), *["FID"][: len(distances)]]
    rows = []
    for place, gallery in enumerate(galleries):
        taken = _mean_of(gallery.records, "evaluations")
        cells = ["unknown" if taken is None else f"{taken:.2f}", *(spelled(mean(found[place])) for _, found in judged)]
        cells += [f"{distance:.2f}" for distance in distances[place : place + 1]]
        rows.append([gallery.name, str(len(gallery.images)), *cells])
    return table(heads, rows)


def wins(judged: Judged, first: Gallery, second: Gallery) -> list[str]:
    """How often each judge prefers the first gallery's image to the second's."""
    rows = []
    for judge, (one, other) in judged:
        result = duel(one, other)
        counts = [str(count) for count in (result.wins, result.ties, result.losses)]
        rows.append([judge, *counts, spelled(result.share), f"{result.p:.2g}"])
    heads = [f"{first.name} wins", "ties", f"{second.name} wins", f"{first.name} of the decided", "p"]
    return table(["judge", *heads], rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A markdown table, and an empty line behind it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]
