import functools
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student

BUNDLED = Path(__file__).resolve().parents[2] / "percentiles"
JUDGE = {"name": "ImageReward", "dtype": "float32"}


def raw_table(scores=(3.0, 1.0, 2.0, 5.0), name="mine", estimator=JUDGE, student=None):
    return PercentileTable.from_scores(name, scores, estimator, student)


def test_official_two_line_form_is_linear_between_its_knots():
    table = PercentileTable.parse({"10": -0.5, "50": 0.5, "90": 1.5}, "official")
    assert table.threshold(50) == 0.5
    assert table.threshold(30) == pytest.approx(0.0)
    assert table.threshold(70) == pytest.approx(1.0)


@pytest.mark.parametrize("k", [1, 9.9, 90.1, 99])
def test_a_k_outside_the_knots_is_refused_with_their_range(k):
    table = PercentileTable.parse({"10": -0.5, "90": 1.5}, "official")
    with pytest.raises(ValueError, match="knows 10 to 90"):
        table.threshold(k)


@pytest.mark.parametrize("table", [raw_table(), PercentileTable.parse({"10": -0.5, "90": 1.5}, "official")])
def test_k_0_accepts_all_and_k_100_rejects_all(table):
    assert table.threshold(0) == -math.inf
    assert table.threshold(100) == math.inf


@pytest.mark.parametrize("k", [-1, 100.5, math.nan])
def test_k_must_be_a_percentage(k):
    with pytest.raises(ValueError, match="0 to 100"):
        raw_table().threshold(k)


def test_raw_scores_give_numpys_percentile_at_any_k():
    scores = numpy.random.default_rng(0).normal(size=97)
    table = raw_table(scores.tolist())
    for k in (0.5, 3, 12.34, 50, 99.5):
        assert table.threshold(k) == numpy.percentile(scores, k)


@pytest.mark.parametrize(
    ("name", "knots", "ends"),
    [
        ("ImageReward - LCM-SDXL", 9, (-0.608426570892334, 1.6416631937026978)),
        ("ImageReward - SDXL-Turbo", 9, (-0.30758287012577057, 1.7676664590835571)),
    ],
)
def test_the_published_tables_are_bundled_with_their_source(name, knots, ends):
    table = PercentileTable.load(BUNDLED / f"{name}.json")
    assert len(table.percentiles) == knots
    assert (table.threshold(10), table.threshold(90)) == ends
    assert table.estimator["name"] == "ImageReward"
    assert "yandex-research" in table.source


def test_saved_tables_load_to_the_same(tmp_path):
    table = raw_table(student=Student(name="lcm", steps=4, seed=7))
    path = tmp_path / "new folder" / "mine.json"
    table.save(path)
    again = PercentileTable.load(path)
    assert again == table
    assert again.student == {"name": "lcm", "steps": 4}


def test_an_interrupted_save_keeps_the_old_table_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "mine.json"
    raw_table().save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(
        ValueError, match=f"^'{path}' cannot be written .disk full.; look at its folder and run it again"
    ):
        raw_table((9.0,)).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_merging_is_exact_and_refuses_another_estimator_or_student():
    one, other = raw_table((1.0, 2.0)), raw_table((3.0, 4.0, 5.0))
    merged = one.merge(other)
    assert merged.scores == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert merged.threshold(50) == 3.0
    assert merged.prompts["count"] == 5
    with pytest.raises(ValueError, match="estimator name: 'ImageReward' and 'PickScore'"):
        one.merge(raw_table(estimator={**JUDGE, "name": "PickScore"}))
    with pytest.raises(ValueError, match="student steps: None and 8"):
        one.merge(raw_table(student=Student(steps=8)))
    with pytest.raises(ValueError, match="no raw scores"):
        one.merge(PercentileTable.parse({"50": 0.0}, "knots only"))


def shards_of(scores, created="2026-01-0{}T00:00:00+00:00"):
    """Eight tables of different lengths, made one after the other."""
    cuts = numpy.sort(numpy.random.default_rng(5).choice(range(1, len(scores)), size=7, replace=False))
    return [
        replace(
            PercentileTable.from_scores(str(i), part.tolist(), JUDGE, Student("lcm", 4), {"name": "ours"}, "a test"),
            created=created.format(i + 1),
        )
        for i, part in enumerate(numpy.split(scores, cuts))
    ]


def saved(table, folder):
    table.save(folder / "table.json")
    return (folder / "table.json").read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_eight_shards_merge_in_any_order_and_grouping_to_the_file_of_one_run(seed, tmp_path):
    random = numpy.random.default_rng(seed)
    scores = random.choice([-0.0, 0.0, *random.normal(size=60)], size=200)
    shards = shards_of(scores)
    about = {"name": "ours", "count": 200}
    whole = PercentileTable.from_scores("one", scores.tolist(), JUDGE, Student("lcm", 4), about, "a test")
    expected = saved(replace(whole, created=shards[-1].created), tmp_path)
    while len(shards) > 1:
        one, other = (shards.pop(random.integers(len(shards))) for _ in range(2))
        shards.append(one.merge(other))
    assert saved(shards[0], tmp_path) == expected
    assert saved(PercentileTable.load(tmp_path / "table.json"), tmp_path) == expected


@pytest.mark.parametrize("seed", range(50))
def test_the_threshold_is_numpys_percentile_of_the_raw_scores_merged_saved_and_loaded(seed, tmp_path):
    random = numpy.random.default_rng(seed)
    scores = numpy.round(random.normal(size=random.integers(8, 400)), random.integers(1, 17))
    first, *others = shards_of(scores)
    functools.reduce(PercentileTable.merge, others, first).save(tmp_path / "merged.json")
    table = PercentileTable.load(tmp_path / "merged.json")
    for k in random.uniform(0, 100, size=20):
        assert table.threshold(k) == numpy.percentile(scores, k)


def test_what_two_tables_say_differently_of_their_origin_is_kept_in_either_order(tmp_path):
    one = replace(raw_table(student=Student(cfg=1)), source="b", prompts={"name": "coco", "count": 4}, created="2025")
    other = replace(raw_table(student=Student(cfg=1.0)), source="a; b", prompts={"count": 4}, created="2026")
    merged = one.merge(other)
    assert (merged.source, merged.created, merged.prompts) == ("a; b", "2026", {"name": "coco", "count": 8})
    assert saved(merged, tmp_path) == saved(other.merge(one), tmp_path)


def written(folder, *tables):
    for table in tables:
        table.save(folder / f"{table.name}.json")
    return [str(folder / f"{table.name}.json") for table in tables]


def test_the_command_merges_files(tmp_path, capsys):
    files = written(tmp_path, *(raw_table((i, i + 0.5), str(i)) for i in range(3)))
    for out, order in (("one", files), ("other", files[::-1])):
        main(["merge-tables", *order, "--out", str(tmp_path / f"{out}.json")])
    assert capsys.readouterr().out.startswith(f"Wrote 6 scores of 3 tables to {tmp_path / 'one.json'}\n")
    assert PercentileTable.load(tmp_path / "one.json").scores == (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


@pytest.mark.parametrize(
    ("names", "out", "sentence"),
    [
        (["mine"], "new", "1 table"),
        (["mine", "missing"], "new", "missing.json"),
        (["mine", "half"], "new", "'half' is not a complete JSON"),
        (["mine", "yours"], "yours", "yours.json' is there already"),
        (["mine", "yours", "PickScore"], "new", "'mine' and 'PickScore' differ in estimator name"),
        (["mine", "lcm"], "new", "differ in student name: None and 'lcm'"),
        (["mine", "knots"], "new", "'knots' keeps no raw scores"),
    ],
)
def test_the_command_writes_nothing_where_it_refuses(names, out, sentence, tmp_path, capsys):
    written(tmp_path, raw_table(), raw_table(name="yours"), raw_table(name="lcm", student=Student("lcm")))
    written(tmp_path, raw_table(name="PickScore", estimator={**JUDGE, "name": "PickScore"}))
    written(tmp_path, PercentileTable.parse({"50": 0.0}, "knots"))
    (tmp_path / "half.json").write_text('{"10": 0.5, ')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit, match="^2$"):
        main(
            [
                "merge-tables",
                *(str(tmp_path / f"{name}.json") for name in names),
                "--out",
                str(tmp_path / f"{out}.json"),
            ]
        )
    assert re.match(f"error: .*{sentence}", capsys.readouterr().err)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_differences_name_only_what_is_known_and_differs():
    table = raw_table(student=Student(name="lcm", steps=4, cfg=1.0))
    assert table.differences(Student(name="lcm", steps=8)) == ["steps 8 instead of 4"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "holds no percentiles"),
        ({}, "holds no percentiles"),
        ({"ten": 1.0}, "not a number"),
        ({"10": "high"}, "finite number"),
        ({"10": math.nan}, "finite number"),
        ({"10": True}, "finite number"),
        ({"10": 10**400}, "finite number"),
        ({"10": 1.0, "20": 0.5}, "monotone"),
        ({"0": 1.0, "50": 2.0}, "between 0 and 100"),
        ({"percentiles": {"50": 0.0}, "format": "something else", "version": 1}, "format"),
        ({"percentiles": {"50": 0.0}, "format": "adaptive-diffusion percentiles", "version": 2}, "version"),
        ({"percentiles": {}, "format": "adaptive-diffusion percentiles", "version": 1}, "holds no percentiles"),
        (
            {
                "percentiles": {"50": 0.0},
                "scores": [5.0, 6.0],
                "format": "adaptive-diffusion percentiles",
                "version": 1,
            },
            "contradict",
        ),
        (
            {"percentiles": {"50": 0.0}, "student": "lcm", "format": "adaptive-diffusion percentiles", "version": 1},
            "describes its student",
        ),
        (
            {"percentiles": {"50": 0.0}, "source": 7, "format": "adaptive-diffusion percentiles", "version": 1},
            "describes its source",
        ),
    ],
)
def test_malformed_tables_are_refused_in_one_sentence_that_names_them(content, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        PercentileTable.parse(content, "broken")
    assert "'broken'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "half.json"
    raw_table().save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="'half' is not a complete JSON"):
        PercentileTable.load(path)


def test_knots_are_sorted_by_number_not_by_text(tmp_path):
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"5": 0.0, "10": 1.0, "50": 2.0}))
    assert PercentileTable.load(path).threshold(7.5) == pytest.approx(0.5)
