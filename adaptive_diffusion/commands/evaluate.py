"""evaluate: how good a folder of images is, and which of two is better."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..parts import parts
from ..prompts import every_prompt
from .few_steps import drawn
from .judging import ORACLE, load_judge
from .libraries import needing
from .options import add_prompts, add_scoring
from .reading import warn_of_cut
from .sharing import add_cluster, check_workers, finders

if TYPE_CHECKING:
    from ..scale.finding import Find, Finders
    from ..standalone.evaluation import Judged
    from ..standalone.galleries import Gallery

PART = 256  # images, some batches of them


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a folder of images, or compare two",
        description="Measure the images of a run of generate, or of any folder, by estimators and FID; of two, also "
        "how often each one's image is better. A folder's images belong to the prompts in natural order (2 before 10), "
        "or as its metadata.csv or metadata.jsonl with file_name and text says; what is transparent is laid on white.",
    )
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="one, or two of the same prompts")
    parser.add_argument(
        "--student", help="draw the prompts with this model in 1, 2, 4 and 8 steps, and tell them beside its teacher"
    )
    parser.add_argument("--teacher", help="the student's teacher, drawn alone (with the demo student: demo)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the images of --student and --teacher")
    parser.add_argument(
        "--judge",
        action="append",
        metavar="FILE",
        help="an estimator's weight file, demo, oracle (the exact grader of the demo scenes), or vlm:FOLDER of a "
        "Qwen3-VL from Hugging Face; may be repeated (demo, unless there is --fid)",
    )
    parser.add_argument("--fid", type=Path, metavar="FOLDER", help="images to measure FID against")
    parser.add_argument("--fid-weights", type=Path, metavar="FILE", help="FID's Inception v3")
    add_prompts(parser, required=False)
    add_scoring(parser)
    add_cluster(parser)
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    check_workers(chosen)
    with needing("standalone"):
        from ..standalone import evaluation
        from ..standalone.galleries import open_gallery
    if chosen.student:
        return _of_student(chosen)
    if not 1 <= len(chosen.folders) <= 2:
        raise ValueError(f"{len(chosen.folders)} folders came; name one, or two to compare")
    prompts = every_prompt(Path(chosen.prompts), chosen.column) if chosen.prompts else []
    galleries = [open_gallery(folder, prompts) for folder in chosen.folders]
    if len(galleries) == 2:
        evaluation.check_pair(*galleries)
    distances = [_told(chosen, *each) for each in _distances(chosen, galleries)]
    judged = _judged(chosen, galleries)
    lines = evaluation.costs(galleries)
    if judged:
        lines += evaluation.opinions(judged, galleries)
        lines += evaluation.wins(judged, *galleries) if len(galleries) == 2 else []
        lines += [evaluation.NOTE]
    return "\n".join([*lines, *distances])


def _of_student(chosen: argparse.Namespace) -> str:
    """The table of a student in several numbers of steps beside its teacher."""
    from ..standalone import evaluation, models
    from ..standalone.galleries import open_gallery

    if chosen.folders:
        raise ValueError("give either folders of images or --student, whose images are drawn")
    if chosen.out is None or chosen.prompts is None:
        raise ValueError("a student's images need prompts and a place; name them with --prompts and --out")
    models.check(chosen.student, chosen.teacher)
    runs = drawn(chosen, _checked_estimator(chosen))
    galleries = [replace(open_gallery(run), name=run.name) for run in runs]
    distances = [distance for _, distance in _distances(chosen, galleries)]
    lines = evaluation.side_by_side(galleries, _judged(chosen, galleries), distances)
    return "\n".join([*lines, evaluation.NOTE])


def _checked_estimator(chosen: argparse.Namespace) -> str:
    """What scores a student's images while they are drawn; ValueError where they could not be judged afterwards."""
    from ..standalone import models
    from ..standalone.scenes import read_caption

    prompts = every_prompt(Path(chosen.prompts), chosen.column)
    for name in chosen.judge or []:
        load_judge(name, chosen)
    if ORACLE in (chosen.judge or []):
        for prompt in prompts:
            read_caption(prompt)
    if chosen.fid:
        _inception(chosen)
    estimator = next((name for name in chosen.judge or [] if name != ORACLE), models.DEMO)
    try:
        models.check_prompts(prompts, estimator)
    except ValueError as error:
        raise ValueError(f"{error}; or name what judges other images with --judge") from error
    return estimator


def _told(chosen: argparse.Namespace, gallery: "Gallery", distance: float) -> str:
    from ..standalone.galleries import image_files

    count = len(image_files(chosen.fid))
    return f"FID of {gallery.name} ({len(gallery.images)} images) against {chosen.fid} ({count}): {distance:.2f}"


def _judged(chosen: argparse.Namespace, galleries: "Sequence[Gallery]") -> "Judged":
    """Every judge's scores of every gallery."""
    from tqdm import tqdm

    from ..estimators import Estimator
    from ..standalone.evaluation import scores

    names = chosen.judge or ([] if chosen.fid else ["demo"])
    judges = [load_judge(name, chosen) for name in names]
    for judge in judges:
        if isinstance(judge, Estimator):
            warn_of_cut(judge.cut([prompt for gallery in galleries for prompt in gallery.prompts]))
    total = len(judges) * sum(len(gallery.images) for gallery in galleries)
    with tqdm(total=total, unit="image", disable=None) as bar:
        if chosen.cluster and judges:
            with finders(chosen, partial(_scorer, chosen, names)) as workers:
                found = _found(workers, galleries, len(names), bar.update)
            return [(judge.name, each) for judge, each in zip(judges, found, strict=True)]
        return [(judge.name, [scores(judge, gallery, bar.update) for gallery in galleries]) for judge in judges]


def _found(
    workers: "Finders", galleries: "Sequence[Gallery]", judges: int, tell: Callable[[int], object]
) -> list[list[list[float]]]:
    """Every judge's scores of every gallery, by the workers of a cluster, who see the same files."""
    places = [(place, rows) for place, gallery in enumerate(galleries) for rows in parts(len(gallery.images), PART)]
    asked = [(judge, place, rows, galleries[place].part(rows)) for judge in range(judges) for place, rows in places]
    found = [[[0.0] * len(gallery.images) for gallery in galleries] for _ in range(judges)]
    for judge, place, rows, values in workers.found(asked):
        found[judge][place][rows] = values
        tell(len(values))
    return found


def _scorer(chosen: argparse.Namespace, names: Sequence[str]) -> "Find":
    """What scores a part of a gallery by one of the judges of these names; loads them all."""
    from ..standalone.evaluation import scores

    judges = [load_judge(name, chosen) for name in names]

    def find(asked: Any) -> Iterator[Any]:
        judge, place, rows, part = asked
        yield judge, place, rows, scores(judges[judge], part, lambda _: None)

    return find


def _distances(chosen: argparse.Namespace, galleries: "Sequence[Gallery]") -> "list[tuple[Gallery, float]]":
    """Each gallery's FID; none where none was asked for."""
    if chosen.fid is None:
        return []
    extractor = _inception(chosen)
    from ..standalone import fid, models
    from ..standalone.galleries import image_files

    reference, device = image_files(chosen.fid), models.hardware(chosen.device)["device"]
    return [(gallery, fid.distance(extractor, gallery.images, reference, device)) for gallery in galleries]


def _inception(chosen: argparse.Namespace) -> Any:
    """FID's network; ValueError where its weights are not named."""
    with needing("evaluate"):
        from ..standalone import fid

        if chosen.fid_weights is None:
            raise ValueError(f"FID needs Inception's weights; download {fid.WEIGHTS} and name it with --fid-weights")
        return fid.inception(chosen.fid_weights)
