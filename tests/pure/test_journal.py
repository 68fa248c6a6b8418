"""Scores of an unfinished calibration survive whatever stops it."""

import base64
import json
import math

import numpy
import pytest

from adaptive_diffusion.gate.journal import Journal, scores_of, stacked

ABOUT = {"estimator": {"name": "Demo", "dtype": "float32"}, "prompts": {"count": 9, "seed": 3}, "batch": 2}


def written(path):
    journal = Journal(path, ABOUT)
    journal.add(0, {"scores": [0.1, 1 / 3]})
    journal.add(4, {"scores": [-2.5e-17, math.pi]})
    return journal


def test_scores_come_back_bit_for_bit(tmp_path):
    scores = scores_of(written(tmp_path / "a.journal").rows)
    assert scores == {0: 0.1, 1: 1 / 3, 4: -2.5e-17, 5: math.pi}
    assert scores_of(Journal(tmp_path / "a.journal", ABOUT).rows) == scores


def test_wherever_the_writing_was_cut_whole_batches_stay_and_the_rest_can_be_added_again(tmp_path):
    path = tmp_path / "a.journal"
    whole = scores_of(written(path).rows)
    content = path.read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        journal = Journal(path, ABOUT)
        assert scores_of(journal.rows) in ({}, {0: 0.1, 1: 1 / 3}, whole)
        assert len(journal.rows) == 2 * max(0, content[:length].count(b"\n") - 1)
        for first in (0, 4):
            if first not in journal.rows:
                journal.add(first, {"scores": [whole[first], whole[first + 1]]})
        assert path.read_bytes() == content


@pytest.mark.parametrize(("key", "value"), [("batch", 3), ("prompts", {"count": 9, "seed": 4}), ("version", 2)])
def test_a_journal_of_another_calibration_is_refused_and_kept(tmp_path, key, value):
    path = tmp_path / "mine.journal"
    written(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"^an unfinished calibration 'mine' has {key} .* instead of .*choose another"):
        Journal(path, {**ABOUT, key: value})
    assert path.read_bytes() == before


THREE = base64.b64encode(bytes(12)).decode()
INFINITE = base64.b64encode(numpy.array([numpy.inf], "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    "line",
    [
        *("no json", "[1]", '{"first": 0}', '{"first": 0, "scores": [1]}', '{"scores": [0.5]}'),
        '{"first": 0, "series": 1, "scores": [0.5]}',
        '{"first": 0, "scores": [0.5], "judged": [[0.5], [0.5]]}',
        '{"first": 0, "scores": [0.5, 0.5], "judged": [[0.5, 0.5], [0.5]]}',
        '{"first": 0, "scores": [0.5], "judged": [[0.5, true]]}',
        '{"first": 0, "scores": [0.5], "features": "####"}',
        f'{{"first": 0, "scores": [0.5, 0.5], "features": "{THREE}"}}',
        f'{{"first": 0, "scores": [0.5], "features": "{INFINITE}"}}',
    ],
)
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


FEATURES = numpy.random.default_rng(0).normal(size=(2, 5)).astype(numpy.float32)
COLUMNS = {"scores": [0.1, 1 / 3], "features": FEATURES, "judged": [[0.1, -1 / 7], [2.0, 1e300]]}


def test_whole_rows_come_back_bit_for_bit_each_in_its_series(tmp_path):
    path = tmp_path / "a.journal"
    journal = Journal(path, ABOUT)
    journal.add(3, COLUMNS, "four steps")
    journal.add(3, {"scores": [0.5, 0.25]})
    for each in (journal, Journal(path, ABOUT)):
        assert scores_of(each.rows) == {3: 0.5, 4: 0.25}
        rows = each.of("four steps")
        assert rows.keys() == {3, 4}
        for name, values in COLUMNS.items():
            found = stacked(rows, name, [4, 3])
            assert found.dtype == numpy.asarray(values).dtype
            assert (found == numpy.asarray(values)[::-1]).all()


def test_an_image_with_many_features_takes_few_bytes(tmp_path):
    path = tmp_path / "a.journal"
    Journal(path, ABOUT).add(0, {"scores": [0.5], "features": numpy.full((1, 2048), 1 / 3, numpy.float32)})
    assert path.stat().st_size < 2048 * 4 * 1.4 + 1000


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_before_anything_of_the_batch_is_written(tmp_path, name, wrong):
    path = tmp_path / "a.journal"
    journal = Journal(path, ABOUT)
    before = path.read_bytes()
    values = numpy.array(COLUMNS[name])
    values[1] = wrong
    with pytest.raises(ValueError, match=rf"^the {name} of prompt 8 are not all finite; check"):
        journal.add(7, {**COLUMNS, name: values})
    assert path.read_bytes() == before and journal.rows == {}


def test_a_file_of_hostile_size_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.journal"
    written(path)
    monkeypatch.setattr("adaptive_diffusion.gate.journal.MOST_JOURNAL", path.stat().st_size - 1)
    with pytest.raises(ValueError, match="^'a.journal' has .* bytes, more than the .* that are read; move it away$"):
        Journal(path, ABOUT)


def test_the_journal_of_a_table_is_written_as_it_always_was(tmp_path):
    written(tmp_path / "a.journal")
    lines = (tmp_path / "a.journal").read_text().splitlines()[1:]
    assert lines == [
        '{"first": 0, "scores": [0.1, 0.3333333333333333]}',
        '{"first": 4, "scores": [-2.5e-17, 3.141592653589793]}',
    ]
