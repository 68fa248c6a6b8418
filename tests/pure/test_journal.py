"""Scores of an unfinished calibration survive whatever stops it."""

import json
import math

import pytest

from adaptive_diffusion.gate.journal import Journal

ABOUT = {"estimator": {"name": "Demo", "dtype": "float32"}, "prompts": {"count": 9, "seed": 3}, "batch": 2}


def written(path):
    journal = Journal(path, ABOUT)
    journal.add(0, [0.1, 1 / 3])
    journal.add(4, [-2.5e-17, math.pi])
    return journal


def test_scores_come_back_bit_for_bit(tmp_path):
    scores = written(tmp_path / "a.journal").scores
    assert scores == {0: 0.1, 1: 1 / 3, 4: -2.5e-17, 5: math.pi}
    assert Journal(tmp_path / "a.journal", ABOUT).scores == scores


def test_wherever_the_writing_was_cut_whole_batches_stay_and_the_rest_can_be_added_again(tmp_path):
    path = tmp_path / "a.journal"
    whole = written(path).scores
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        journal = Journal(path, ABOUT)
        assert journal.scores in ({}, {0: 0.1, 1: 1 / 3}, whole)
        assert len(journal.scores) == 2 * max(0, content[:length].count(b"\n") - 1)
        for first in (0, 4):
            if first not in journal.scores:
                journal.add(first, [whole[first], whole[first + 1]])
        assert path.read_bytes() == content


@pytest.mark.parametrize(("key", "value"), [("batch", 3), ("prompts", {"count": 9, "seed": 4}), ("version", 2)])
def test_a_journal_of_another_calibration_is_refused_and_kept(tmp_path, key, value):
    path = tmp_path / "mine.journal"
    written(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"^an unfinished calibration 'mine' has {key} .* instead of .*choose another"):
        Journal(path, {**ABOUT, key: value})
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["no json", "[1]", '{"first": 0}', '{"first": 0, "scores": [1]}', '{"scores": [0.5]}'])
def test_a_damaged_journal_is_refused(tmp_path, line):
    path = tmp_path / "a.journal"
    written(path)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match="a.journal is damaged; delete it to begin this calibration again"):
        Journal(path, ABOUT)


def test_the_file_says_what_it_is(tmp_path):
    written(tmp_path / "a.journal")
    head = json.loads((tmp_path / "a.journal").read_text().splitlines()[0])
    assert head == {"format": "adaptive-diffusion journal", "version": 1, **ABOUT}
