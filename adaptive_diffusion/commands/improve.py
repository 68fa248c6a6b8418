"""improve: the teacher's work on images that were held for it."""

import argparse
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ..holding.folder import HeldFolder, Taken
from ..numeric import IMAGES
from ..quoting import quoted
from .libraries import needing
from .options import DTYPES, add_teacher, among, fill
from .reading import warn_of_cut

if TYPE_CHECKING:
    from ..standalone.drawing import Pipeline
    from ..standalone.teaching import Teaching

TOGETHER = 64


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "improve",
        help="let a teacher improve images that were held for it",
        description="Let the teacher improve what `generate --hold` or the node Hold Rejected put into a folder. Each "
        "result is there, in the folder `improved` within, as soon as it is drawn; the same command goes on where it "
        "was stopped.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with the images that were held")
    add_teacher(parser)
    parser.add_argument("--negative", metavar="PROMPT", help="what the images are to avoid (nothing)")
    parser.add_argument(
        "--batch", type=among(IMAGES), default=8, metavar="N", help="images drawn at a time (%(default)s)"
    )
    parser.add_argument("--most", type=among(IMAGES), metavar="N", help="improve so many at most (all)")
    parser.add_argument("--dtype", choices=DTYPES, help="the teacher's precision (float16 on a GPU, else float32)")
    parser.add_argument("--device", help="such as cuda or cpu (a GPU if there is one)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    with needing("standalone"):
        from ..standalone import models
    folder = HeldFolder(chosen.folder)
    with folder.taking():
        teaching = _completed(chosen, folder)
        first = folder.take(TOGETHER if chosen.most is None else min(chosen.most, TOGETHER))
        if first.damaged and not first.images:
            raise ValueError(first.damaged[0])
        models.check(chosen.teacher)
        became = _improve(chosen, folder, first, teaching)
        left = len(folder.waiting)
    each = ", ".join(f"{count} {word}" for word, count in became.items()) or "nothing waited"
    return f"{each}; the results are in {quoted(chosen.folder / 'improved')}, and {left} images wait"


def _completed(chosen: argparse.Namespace, folder: HeldFolder) -> "Teaching":
    """Fill in what was left out; ValueError where only a person can tell."""
    from ..gate.student import Student
    from ..standalone import models
    from ..standalone.teaching import Teaching

    if folder.origin.student.name in Student.same_model:
        fill(chosen, {"teacher": models.DEMO})
    if chosen.teacher is None:
        raise ValueError("nothing improves the images; name the teacher's folder with --teacher")
    known = models.settings(chosen.teacher, "teacher")
    steps = known["steps" if chosen.strategy == "refine" else "steps_alone"]
    fill(chosen, {"teacher_steps": steps, "teacher_cfg": known["cfg"], "sigma": known["rollback"]})
    fill(chosen, models.hardware(chosen.device))
    asked = (chosen.strategy, chosen.teacher_steps, chosen.teacher_cfg, chosen.negative, chosen.sigma)
    return Teaching.of(*asked, chosen.rollback_scale, chosen.batch)


def _improve(chosen: argparse.Namespace, folder: HeldFolder, taken: Taken, teaching: "Teaching") -> Counter[str]:
    """What the images became, counted."""
    from tqdm import tqdm

    from ..standalone.holding import improve_held

    became: Counter[str] = Counter()
    for sentence in taken.damaged:
        warnings.warn(sentence, stacklevel=2)
    left = len(taken.images) + taken.left
    total = left if chosen.most is None else min(left, chosen.most)
    teacher = _teacher(chosen, taken) if taken.images else None
    with tqdm(total=total, unit="image", disable=None) as bar:
        while taken.images:
            for word in improve_held(folder, taken.images, teacher, teaching):
                became[word] += 1
                bar.update()
            taken = folder.take(min(total - sum(became.values()), TOGETHER))
    return became


def _teacher(chosen: argparse.Namespace, taken: Taken) -> "Pipeline":
    from ..standalone import models
    from ..standalone.noise import check_reproducible
    from ..standalone.reading import cut_by

    texts = [image.prompt for image in taken.images.values()]
    models.check_prompts([*texts, chosen.negative or ""], chosen.teacher)
    teacher = models.load_teacher(chosen.teacher, chosen.device, chosen.dtype)
    check_reproducible(teacher, "teacher")
    warn_of_cut(cut_by("the teacher", teacher, texts))
    return teacher
