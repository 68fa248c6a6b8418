"""Prompts in Parquet or at an address are read as those of a text, and what is wrong is told of the file itself."""

import argparse
import datetime

import pyarrow
import pytest
from pyarrow import parquet

from adaptive_diffusion.commands.reading import prompts_of

PROMPTS = ["a red circle", "ö\nline", "blue"]


def read(place, column: str = "caption") -> list[str]:
    return prompts_of(argparse.Namespace(prompts=place, column=column, count=0, seed=0), any_number=True)


@pytest.fixture
def written(tmp_path):
    def write(values, name: str = "x.parquet", column: str = "caption"):
        path = tmp_path / name
        parquet.write_table(pyarrow.table({column: values}), path)
        return path

    return write


@pytest.mark.parametrize(
    "values",
    [
        PROMPTS,
        [None, PROMPTS[0], "", *PROMPTS[1:], None, "  "],
        pyarrow.array(PROMPTS, pyarrow.large_string()),
        pyarrow.array(PROMPTS).dictionary_encode(),
    ],
)
def test_texts_are_read_however_they_are_kept_and_missing_ones_are_left_out(written, values):
    assert read(written(values)) == PROMPTS


@pytest.mark.parametrize("name", ["X.PARQUET", "a?b.parquet", "n" * 240 + ".parquet"])
def test_any_name_of_a_parquet_file_will_do(written, name):
    assert read(written(PROMPTS, name, "a.b"), "a.b") == PROMPTS


def test_addresses_are_read_in_every_form(written, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfcaption\nblue\n\n")
    assert read((tmp_path / "x.csv").as_uri()) == ["blue"]
    assert read(written(PROMPTS).as_uri()) == PROMPTS


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([b"a"], "binary"),
        ([1], "int64"),
        ([datetime.date(2020, 1, 1)], "date32"),
        ([["a"]], "list"),
        ([{"a": "b"}], "struct"),
        ([float("nan")], "double"),
    ],
)
def test_a_column_of_other_things_is_one_sentence(written, values, kind):
    with pytest.raises(ValueError, match=f"^column 'caption' of 'x.parquet' holds {kind}.*, no texts; name another"):
        read(written(values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([None, "a\0"], "^line 2 of 'x.parquet' has a prompt with characters that no text can hold; write it anew"),
        (["a" * 20_000], "^line 1 of 'x.parquet' has a prompt of 20,000 characters, over 10,000; shorten it"),
        (pyarrow.nulls(2), "^'x.parquet' holds no prompts; write at least one or choose another file"),
        (pyarrow.array([], pyarrow.string()), "^'x.parquet' holds no prompts; write at least one"),
    ],
)
def test_what_is_wrong_is_told_of_the_parquet_file(written, values, told):
    with pytest.raises(ValueError, match=told):
        read(written(values))


def test_a_column_that_is_not_there_is_one_sentence(written):
    with pytest.raises(ValueError, match="^'x.parquet' has no column 'caption', only text; name one of these with"):
        read(written(PROMPTS, column="text"))


@pytest.mark.parametrize("length", [0, 4, 60, -20])
def test_a_cut_parquet_file_is_one_sentence(written, length):
    path = written(PROMPTS)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="^'x.parquet' is no whole Parquet file .*; make it again$"):
        read(path)


@pytest.mark.parametrize("place", ["none.parquet", "file:///none/x.csv", "https://x/p.csv", "s3://name:ke/y@b/p.csv"])
def test_a_place_that_cannot_be_read_is_one_sentence_without_keys(place):
    with pytest.raises(ValueError, match="cannot be read .*; name a file of prompts that is there$") as told:
        read(place)
    assert "name:" not in str(told.value) and "\n" not in str(told.value)
