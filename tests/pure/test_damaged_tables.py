"""Damaged percentile tables, running tables and journals: one sentence each, in bounded time.

DAMAGED_TABLES: how many of each are tried, 200 where it is not set.
"""

import json
import os
import random
import time

import numpy
import pytest

from adaptive_diffusion.gate.journal import Journal
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.outline import outline
from adaptive_diffusion.gate.percentiles import MOST_KNOTS, PercentileTable
from adaptive_diffusion.gate.running import RunningTable
from adaptive_diffusion.gate.student import Student
from tests.damage import damaged

CASES = int(os.environ.get("DAMAGED_TABLES", 200))
LONGEST = 2.0
JUDGE = {"name": "Demo", "dtype": "float32"}
STUDENT = Student("lcm", 4, 1.0, "lcm", "lcm", 64, 64)
SCORES = [random.Random(3).gauss(0, 1) for _ in range(60)]
TABLE = PercentileTable.from_scores("mine", SCORES, JUDGE, STUDENT, {"name": "ours", "count": 60}, "a test")
ABOUT = {"estimator": JUDGE, "student": STUDENT.settings, "prompts": {"count": 60, "seed": 1}, "batch": 4}


def columns(first: int) -> dict:
    scores = SCORES[first : first + 4]
    judged = [[score, score + 1.0] for score in scores]
    return {"scores": scores, "features": numpy.full((len(scores), 3), 0.1, numpy.float32), "judged": judged}


def use_table(path) -> None:
    """All that is done with a table in a listing and by the gate."""
    table = PercentileTable.load(path)
    json.dumps(outline(table), allow_nan=False)
    table.check_estimator(Judge("Demo", "float32"))
    table.differences(STUDENT)
    table.threshold(50)
    RunningTable.start(table, JUDGE, STUDENT)


def use_running_table(path) -> None:
    table = RunningTable.load(path)
    json.dumps(table.told, allow_nan=False)
    table.judge(SCORES, [str(i) for i in range(60)], 50)


def use_journal(path) -> None:
    Journal(path, ABOUT)


def write_running_table(path) -> None:
    RunningTable.start(TABLE, JUDGE, STUDENT).judge(SCORES, [str(i) for i in range(60)], 50)[1].save(path)


def write_journal(path) -> None:
    journal = Journal(path, ABOUT)
    for first in range(0, 60, 4):
        journal.add(first, columns(first), "other" if first % 8 else "")


def complaint(use, path) -> str:
    """What is wrong with a file, "" for nothing; it must be one sentence with the file's name."""
    begun = time.thread_time()
    try:
        use(path)
        said = ""
    except ValueError as error:
        said = str(error)
        assert path.stem in said and "\n" not in said and len(said) < 600
    assert time.thread_time() - begun < LONGEST
    return said


FILES = {
    "table": (TABLE.save, use_table),
    "running": (write_running_table, use_running_table),
    "journal": (write_journal, use_journal),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_is_a_sentence_in_time(kind, tmp_path):
    write, use = FILES[kind]
    path = tmp_path / "mine.json"
    write(path)
    whole, said = path.read_bytes(), []
    assert complaint(use, path) == ""
    for number in range(CASES):
        path.write_bytes(damaged(whole, number))
        said.append(complaint(use, path))
    assert sum(map(bool, said)) > CASES / 4


DEEP = "[" * 2000 + "]" * 2000
DECILES = {str(k): k / 50 - 1 for k in range(10, 100, 10)}


def described(**parts) -> dict:
    return {"format": "adaptive-diffusion percentiles", "version": 1, "percentiles": {"50": 0.5}, **parts}


WRONG = {
    "two thousand deep": f'{{"50": {DEEP}}}',
    "a hundred thousand deep": '{"50": ' + "[" * 10**5 + "]" * 10**5 + "}",
    "deep where it is described": json.dumps(described()).replace("{", f'{{"source": {DEEP}, ', 1),
    "not deep enough to stop the parser": json.dumps(described(student={"name": json.loads("[" * 400 + "]" * 400)})),
    "a huge number": '{"50": ' + "9" * 400 + "}",
    "a huge number in digits": '{"50": ' + "9" * 10**6 + "}",
    "no number": '{"50": NaN}',
    "endless": '{"50": 1e999}',
    "a percentile that is no number": '{"nan": 0.5, "50": 0.5}',
    "a percentile twice": '{"50": 0.1, "50": 0.9}',
    "a percentile in two spellings": '{"50": 0.1, "50.0": 0.9}',
    "a long percentile": json.dumps({"5" * 10**6: 0.5}),
    "many percentiles": json.dumps({str(50 + i / 10**6): 0.5 for i in range(MOST_KNOTS + 1)}),
    "large": '{"50": 0.5}' + " " * 13 * 2**20,
    "a long text as a score": json.dumps({"50": "a" * 10**6}),
    "a long text as what it is of": json.dumps(described(estimator={"name": "a" * 10**6})),
    "a student without numbers": json.dumps(described(student={"steps": float("nan")})),
    "another Unicode": "\ud800",
    "scores that are an object": json.dumps(described(scores={"0": 1})),
    "scores of truths": json.dumps(described(scores=[True])),
    "no scores": json.dumps(described(scores=None)),
    "a number": "50",
    "nothing": "",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_table_says_is_a_sentence_in_time(case, tmp_path):
    path = tmp_path / "mine.json"
    path.write_bytes(WRONG[case].encode(errors="surrogatepass"))
    assert complaint(use_table, path).startswith(("table 'mine' ", "'mine.json' "))
    running = complaint(use_running_table, path)
    assert running.startswith(("running table 'mine' ", "'mine.json' has ")) and running


def test_a_million_equal_scores_are_a_table_in_time(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(described(scores=[0.5] * 10**6)))
    assert complaint(use_table, path) == ""


def test_a_table_that_could_not_be_read_again_is_not_written(tmp_path):
    many = PercentileTable("mine", {50.0: 0.5}, tuple(0.123456789012345 for _ in range(700_000)))
    with pytest.raises(ValueError, match="table 'mine' would hold 700,000 scores, more than are read; add fewer"):
        many.save(tmp_path / "mine.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", [use_table, use_running_table])
def test_what_is_no_file_is_not_waited_for(use, tmp_path):
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    for path in tmp_path.iterdir():
        with pytest.raises(FileNotFoundError, match=f"there is no file '{path}'"):
            use(path)
