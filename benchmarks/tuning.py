"""tune on the demo models: how long it takes, whether stopping it changes a bit, and whether it chooses well.

    python -m benchmarks.tuning [--prompts 200] [--times 10] [--batch 16]

Six settings (1, 2 and 4 student steps; 5 teacher steps from rollback 0.5 and 0.7) and the teacher alone, judged by the
exact grader, at 3 and 6 evaluations. First the command is left alone, on as many threads as torch takes by itself, and
its seconds are printed. Then it is killed (SIGKILL) so many times at random moments and started again until it ends,
and the same with interruptions (SIGINT). At last every setting is drawn in full. Exit status 1 where the gate or a
number that was drawn is not that of the run left alone, something was drawn twice or is left behind, or the choice at a
budget lies outside the interval of the best of all settings in full.
"""

import argparse
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from adaptive_diffusion.bundled import PROMPTS
from adaptive_diffusion.comparison import spelled
from adaptive_diffusion.estimators import Estimator
from adaptive_diffusion.gate.choice import affordable, best
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.routing import Point
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.gate.tuning import Tuned, Tuning, tune
from adaptive_diffusion.gate.ways import settings_of
from adaptive_diffusion.prompts import read_prompts
from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.oracle import ExactJudge
from adaptive_diffusion.standalone.tuning import Sampling, Tuner

PACK = Path(__file__).resolve().parents[1]
STUDENT_STEPS, TEACHER_STEPS, ROLLBACKS, BUDGETS = (1, 2, 4), (5,), (0.5, 0.7), (3.0, 6.0)
SECONDS = ("seconds", "scoring")
LONGEST, START, POLL = 900, 3.0, 0.05


class Trial:
    """A tuning by the command, whose files are called `name`."""

    def __init__(self, name: Path, prompts: int, batch: int):
        tried = {"--student-steps": STUDENT_STEPS, "--teacher-steps": TEACHER_STEPS, "--sigma": ROLLBACKS}
        options = [str(part) for key, values in {**tried, "--budget": BUDGETS}.items() for part in (key, *values)]
        asked = ["--prompts", "demo", "--count", str(prompts), "--judge", "oracle", "--batch", str(batch)]
        self.name = name
        self.command = [sys.executable, "-m", "adaptive_diffusion", "tune", "--out", str(name), *asked, *options]

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self.command, cwd=PACK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self) -> None:
        process = self.start()
        complaint = process.communicate()[1]
        if process.returncode:
            sys.exit(f"tune failed: {complaint}")

    def stop(self, signal_: signal.Signals, batches: int) -> bool:
        """Stop it once so many batches more were drawn, or at its start for 0; whether it was still running."""
        process, goal = self.start(), self.batches + batches
        while process.poll() is None and batches and self.batches < goal:
            time.sleep(POLL)
        time.sleep(random.uniform(0, POLL if batches else START))
        process.send_signal(signal_)
        process.communicate()
        return process.returncode != 0

    @property
    def batches(self) -> int:
        journal = self.name.with_suffix(".journal")
        return max(0, journal.read_bytes().count(b"\n") - 1) if journal.exists() else 0

    def drawn(self) -> dict[tuple[str, int], Any]:
        """Every batch that was drawn, without the seconds it took; SystemExit where one was drawn twice."""
        lines = [json.loads(line) for line in self.name.with_suffix(".journal").read_text().splitlines()[1:]]
        found = {(line["series"], line["first"]): line for line in lines}
        if len(found) != len(lines):
            sys.exit(f"{len(lines) - len(found)} batches were drawn twice")
        return {place: {k: v for k, v in line.items() if k not in SECONDS} for place, line in found.items()}

    def gate(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.name.parent.glob(f"{self.name.name}.[sj][as]*")))


def left_alone(trial: Trial) -> None:
    """Run the command and print its seconds."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    trial.finish()
    taken, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    images = sum(len(batch["scores"]) for batch in trial.drawn().values())
    print(f"left alone: {taken:.0f} s ({processor:.0f} s of processor time) for {images} images", flush=True)
    if taken > LONGEST:
        print(f"that is MORE than {LONGEST} s")


def stopped(trial: Trial, how: signal.Signals, times: int, total: int) -> None:
    """Stop it so many times, at its start or between any two of `total` batches, then let it end."""
    hits = sum(trial.stop(how, random.randint(0, 2 * total // (2 * times + 2))) for _ in range(times))
    trial.finish()
    print(f"{how.name} {hits} times", flush=True)
    if hits < times:
        sys.exit(f"{times - hits} times more it had ended before")


def check(trial: Trial, whole: Trial) -> None:
    if trial.drawn() != whole.drawn() or trial.gate() != whole.gate():
        sys.exit(f"{trial.name.name} differs from the tuning that was left alone")
    left = [path.name for path in trial.name.parent.iterdir() if path.name.startswith(".")]
    if left:
        sys.exit(f"left behind: {', '.join(left)}")


def in_full(journal: Path, prompts: list[str], batch: int) -> tuple[Tuned, list[Point]]:
    """What was tuned, and all that its settings give when each is drawn in full."""
    estimator, judge, settings = demo.load_estimator(), ExactJudge(), demo.settings()
    how = Sampling(settings["student"]["cfg"], settings["teacher"]["cfg"], None, (settings["size"],) * 2, None)
    tuner = Tuner(estimator, demo.load_student(), demo.load_teacher(), how, prompts, 0, batch, judge)
    task = _task(estimator, judge, prompts, batch, how)
    found = tune(journal, task, tuner.draw, lambda _: None)
    single = [replace(task, settings=[setting], budgets=[]) for setting in task.settings if setting.student]
    parts = [tune(journal, one, tuner.draw, lambda _: None) for one in single]
    return found, [point for part in parts for point in part.points]


def _task(estimator: Estimator, judge: Any, prompts: list[str], batch: int, how: Sampling) -> Tuning:
    """As the command describes it."""
    student = Student("demo", cfg=how.student_guidance, width=how.size[0], height=how.size[1], dtype="float32")
    teacher = Teacher("demo", cfg=how.teacher_guidance, dtype="float32")
    tried = settings_of(STUDENT_STEPS, TEACHER_STEPS, ROLLBACKS, ["refine"])
    judges = (Judge.of(estimator).settings, Judge.of(judge).settings, estimator.feature_names)
    return Tuning(*judges, student, teacher, prompts, 0, batch, tried, list(BUDGETS))


def chosen_well(found: Tuned, points: list[Point]) -> bool:
    """Whether each choice lies within the interval of the best of all settings at its budget."""
    well = True
    for choice in found.choices[: len(BUDGETS)]:
        top = best(affordable([*points, *found.points], choice.budget))
        within = choice.point.interval.value >= top.interval.low
        pair = [f"{point}, {spelled(point.interval)}" for point in (choice.point, top)]
        said = "within" if within else "OUTSIDE"
        print(f"at {choice.budget:g} evaluations: {pair[0]}; the best of all: {pair[1]}: {said}", flush=True)
        well &= within
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, as in a background job, children do
    with tempfile.TemporaryDirectory() as base:
        names = ("whole", "killed", "cut")
        trials = {name: Trial(Path(base, name, name), options.prompts, options.batch) for name in names}
        left_alone(trials["whole"])
        for name, how in (("killed", signal.SIGKILL), ("cut", signal.SIGINT)):
            stopped(trials[name], how, options.times, trials["whole"].batches)
            check(trials[name], trials["whole"])
        print("both end in the bits of the one left alone; nothing was drawn twice, nothing is left behind", flush=True)
        journal = Path(base, "full.journal")
        shutil.copy(trials["whole"].name.with_suffix(".journal"), journal)
        prompts = read_prompts(PROMPTS["demo"], count=options.prompts)
        sys.exit(0 if chosen_well(*in_full(journal, prompts, options.batch)) else 1)


if __name__ == "__main__":
    main()
