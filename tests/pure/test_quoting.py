"""Text of others in sentences: on one line, short, and fit for any log."""

from pathlib import Path

import pytest
import torch

from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.quoting import MOST, MOST_LISTED, listed, quoted, unquoted
from adaptive_diffusion.standalone.demo import check_prompt, load_estimator

TORN, LINES, ENDLESS = "half \ud800 of one", "a\r\nb\0\x1b[31m\u2028c", "w" * 10_000


@pytest.mark.parametrize("text", [TORN, LINES, ENDLESS, "\udfff" * 10_000, "x\u202ey"])
def test_a_sentence_can_be_logged_whatever_it_quotes(text):
    for told in (
        quoted(text),
        quoted(Path(text.replace("\0", ""))),
        unquoted(text),
        quoted([text]),
        listed([text] * 50),
    ):
        assert told.isprintable() and told.encode("utf-8")
        assert len(told) < 10 * MOST


def test_ordinary_text_is_quoted_as_it_is():
    assert quoted("it's a 红色 café") == "'it's a 红色 café'"
    assert quoted("C:\\tables\\mine.json") == "'C:\\tables\\mine.json'"
    assert [quoted(value) for value in (3, 0.5, None, ["a"])] == ["3", "0.5", "None", "['a']"]


def test_what_is_too_long_keeps_its_ends():
    told = quoted("begin " + ENDLESS + " end")
    assert told.startswith("'begin w") and "w...w" in told and told.endswith("w end'")
    assert quoted("w" * MOST) == f"'{'w' * MOST}'"


def test_a_list_ends_in_dots_where_more_would_follow():
    assert listed(["a", "b"]) == "a, b" and listed([]) == "none"
    many = listed(f"table {i}" for i in range(1000))
    assert many.startswith("table 0, table 1, ") and many.endswith(" ...") and len(many) <= MOST_LISTED + 4


def sentence(call, *arguments) -> str:
    with pytest.raises(ValueError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("text", [TORN, LINES, ENDLESS])
def test_no_table_breaks_a_sentence(text):
    def check(name):
        PercentileTable("mine", {50.0: 1.0}, estimator={"name": name}).check_estimator(Judge("Demo", "float32"))

    parse = PercentileTable.parse
    told = [
        sentence(check, text),
        sentence(parse, {"percentiles": {"50": 1}, "format": text}, text),
        sentence(parse, {text: 1}, "mine"),
        sentence(parse, {"50": [text]}, "mine"),
        *Student(name=text).differences(Student(name="other")),
    ]
    assert [one for one in told if not one.isprintable() or len(one) > 1000] == []


@pytest.mark.parametrize("text", [TORN, "red \0 circle"])
def test_a_prompt_with_halves_of_characters_is_refused_in_a_sentence(text, estimator):
    images = torch.zeros(1, 64, 64, 3)
    told = sentence(estimator.score, images, text)
    assert told.endswith("which is no character; write it anew, as UTF-8") and told.isprintable()


def test_an_unknown_word_is_shortened(estimator):
    told = sentence(estimator.tokenizer, [ENDLESS])
    assert told.startswith("this estimator does not know the word 'wwww") and len(told) < 1000
    assert len(sentence(check_prompt, ENDLESS)) < 1000


@pytest.fixture(scope="module")
def estimator():
    return load_estimator()
