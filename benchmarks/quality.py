"""Quality against cost on the demo models, graded by the exact oracle.

    python -m benchmarks.quality FOLDER [--workers 2] [--plot docs/quality.png]

Draws what FOLDER lacks (an hour and a half of processor time; stop it whenever you like), then prints the tables.

Fixed before measuring: 600 different captions of the test part, three noise seeds each (those with one object 42,
because the part has only 20 of them, so that a third of all images shows one object, a third two, a third three).
Teachers of more than 12 steps, which are not judged, get a third of the seeds.
Judged by the threshold of the run's own scores, refining and regenerating:
- at the default k (30) and at k = 50: above the teacher with DDIM (trailing) and with UniPC, each without guidance and
  at CFG 2, and with DDIM at CFG 3, at steps rounded up so that it may cost more evaluations than ours, never fewer;
- at every k from 20 to 80: above as many images taken at random;
- keep-the-better at every k: not below the student.
Above means that the paired 95 % interval, by caption, lies above 0; not below, that its one-sided 95 % bound is at
least 0.
"""

import argparse
from pathlib import Path

from benchmarks.drawing import Way, draw_all

TEACHER, REFINER = 8, 2.0
STUDENT, REFINED, REDRAWN = Way("student", 1), Way("refine", TEACHER, REFINER), Way("unipc", TEACHER, REFINER)
JUDGED = {30: {1.0: 6, 2.0: 3, 3.0: 3}, 50: {1.0: 9, 2.0: 5, 3.0: 5}}
RIVALS = (("ddim", 1.0), ("unipc", 1.0), ("ddim", 2.0), ("unipc", 2.0), ("ddim", 3.0))
SCORED = [STUDENT, REFINED, REDRAWN]
OTHERS = [
    *[Way("student", steps) for steps in (2, 4, 8)],
    *[Way("refine", steps, REFINER) for steps in (1, 2, 4)],
    *[Way("ddim", steps, 2.0) for steps in (1, 2, 4, 6, 8, 12)],
    *[Way("ddim", steps) for steps in (1, 2, 3, 4, 12)],
    *[Way("ddim", steps, 2.0) for steps in (20, 30, 50)],
]
FIRST = [*SCORED, *[Way(drawer, JUDGED[k][cfg], cfg) for k in JUDGED for drawer, cfg in RIVALS]]
WAYS = list(dict.fromkeys([*FIRST, *OTHERS]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    draw_all(options.folder, WAYS, SCORED, options.workers)


if __name__ == "__main__":
    main()
