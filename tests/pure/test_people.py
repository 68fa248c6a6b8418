"""Verdicts of people on pairs, from a table."""

import pytest

from adaptive_diffusion.gate.people import read_verdicts

WHOLE = "index,verdict\n2,equal\n0,teacher\n1, Student \n"


def table(tmp_path, text: str, name: str = "said.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_each_pair_gets_the_verdict_of_its_index(tmp_path):
    assert read_verdicts(table(tmp_path, WHOLE), 3).tolist() == [[0, 1], [1, 0], [0, 0]]
    lines = "".join(f'{{"index": "{i}", "verdict": "{said}"}}\n' for i, said in enumerate(["teacher", "student"]))
    assert read_verdicts(table(tmp_path, lines, "said.jsonl"), 2).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("text", "count", "sentence"),
    [
        (WHOLE, 5, "'said.csv' has no verdict on 2 of 5 pairs (index 3, 4); give one for each"),
        (WHOLE, 20, "'said.csv' has no verdict on 17 of 20 pairs (index 3, 4, 5, 6, 7 ...); give one for each"),
        (WHOLE, 2, "'said.csv' has the index '2'; write a number from 0 to 1"),
        ("index,verdict\n-1,student\n", 2, "'said.csv' has the index '-1'; write a number from 0 to 1"),
        ("index,verdict\n0.0,student\n", 2, "'said.csv' has the index '0.0'; write a number from 0 to 1"),
        ("index,verdict\n²,student\n", 2, "'said.csv' has the index '²'; write a number from 0 to 1"),
        ("index,verdict\n0,student\n0,teacher\n", 2, "'said.csv' has index 0 twice; keep one verdict for each pair"),
        ("index,verdict\n0,yes\n", 2, "'said.csv' has the verdict 'yes' at index 0; write student, teacher, equal"),
        ("index,said\n0,student\n", 2, "has no column 'verdict'"),
    ],
)
def test_what_is_no_verdict_on_every_pair_is_one_sentence(tmp_path, text, count, sentence):
    with pytest.raises(ValueError) as told:
        read_verdicts(table(tmp_path, text), count)
    assert sentence in str(told.value) and "\n" not in str(told.value)
