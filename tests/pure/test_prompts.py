import csv
import hashlib
import io
import statistics
import time
import tracemalloc
from pathlib import Path

import pytest

from adaptive_diffusion import prompts as module
from adaptive_diffusion.prompts import (
    check_text,
    continues,
    described,
    every_prompt,
    prompt_seeds,
    read_prompts,
    repeated,
)
from training.prompt_file import captions

BUNDLED = Path(__file__).resolve().parents[2] / "prompts" / "calibration.csv"
THREE = ["a cat", "a dog, asleep", "three öre"]
AS_CSV = 'subject,caption\nx,a cat\ny,"a dog, asleep"\nz,three öre\n'
AS_TXT = "a cat\na dog, asleep\nthree öre\n"
AS_JSONL = '{"caption": "a cat", "id": 1}\n"a dog, asleep"\n{"caption": "three \\u00f6re"}\n'
FORMS = {"csv": AS_CSV, "txt": AS_TXT, "jsonl": AS_JSONL}


@pytest.fixture
def written(tmp_path):
    """Writes a file and gives its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_the_same_with_any_newline_and_byte_order_mark(form, mark, newline, written):
    path = written(f"p.{form.upper()}", mark + FORMS[form].replace("\n", newline))
    assert read_prompts(path) == THREE


@pytest.mark.parametrize("form", FORMS)
def test_the_last_line_needs_no_newline(form, written):
    assert read_prompts(written(f"p.{form}", FORMS[form].rstrip())) == THREE


@pytest.mark.parametrize("form", FORMS)
def test_blank_lines_are_skipped(form, written):
    assert read_prompts(written(f"p.{form}", "\n" + FORMS[form].replace("\n", "\n\n \n"))) == THREE


def test_blank_and_missing_cells_are_skipped(written):
    assert read_prompts(written("p.csv", 'id,caption\n1,\n2\n3," a cat "\n""\n')) == ["a cat"]
    assert read_prompts(written("p.jsonl", '""\n{"caption": "  "}\n"a cat"')) == ["a cat"]


def test_another_column_is_read_by_its_name(written):
    assert read_prompts(written("p.csv", AS_CSV), "subject") == ["x", "y", "z"]
    assert read_prompts(written("p.csv", " id , Prompt \n1,a cat\n"), "Prompt") == ["a cat"]
    assert read_prompts(written("p.jsonl", '{"text": "a cat", "caption": "no"}'), "text") == ["a cat"]


def test_a_quoted_prompt_keeps_its_quotes_and_newlines(written):
    assert read_prompts(written("p.csv", 'caption\n"a sign, ""OPEN"",\r\nin red"\n')) == ['a sign, "OPEN",\nin red']


def test_each_different_prompt_comes_once_in_the_files_order(written):
    assert read_prompts(written("p.txt", "b\na\nb \n A\na\n")) == ["b", "a", "A"]


COLUMNS = ["caption", "Category", "Note"]
ROWS = [["a cat", "Animals", ""], ["a dog, asleep", "Animals", "not; awake"], ["three öre", "", "coins"]]


def spreadsheet(mark: str) -> str:
    """The rows as a spreadsheet program writes them, with quotes where they are needed."""
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows([COLUMNS, *ROWS])
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name_and_mark", ["p.csv,", "p.csv;", "p.csv\t", "p.tsv\t", "p.txt\t"])
def test_whatever_a_spreadsheet_program_exports_is_read(name_and_mark, encoding, written):
    name, mark = name_and_mark[:-1], name_and_mark[-1]
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    assert read_prompts(written(name, (bom + spreadsheet(mark)).encode(encoding))) == THREE


def test_quotes_in_tsv_stand_for_themselves_unless_they_enclose_the_cell(written):
    rows = [
        '"STOP" painted on a wall\t',
        'a sign, "OPEN", in red\t5" high',
        '"a ""quoted"" cat, asleep"\tx',
    ]
    expected = ['"STOP" painted on a wall', 'a sign, "OPEN", in red', 'a "quoted" cat, asleep']
    assert read_prompts(written("p.tsv", "\n".join(["Prompt\tNote", *rows])), "Prompt") == expected


def test_a_column_named_by_one_mark_is_not_cut_by_another(written):
    assert read_prompts(written("p.csv", "id;text, short\n1;a cat, asleep\n"), "text, short") == ["a cat, asleep"]
    assert read_prompts(written("p.csv", "caption\na cat; asleep\n")) == ["a cat; asleep"]


def test_every_line_is_given_where_repeated_ones_count(written, monkeypatch):
    path = written("p.txt", "b\na\n\nb \n A\na\n")
    assert every_prompt(path) == ["b", "a", "b", "A", "a"]
    monkeypatch.setattr(module, "MOST_PROMPTS", 4)
    with pytest.raises(ValueError, match="'p.txt' holds more than 4 prompts; take them in parts"):
        every_prompt(path)
    with pytest.raises(ValueError, match="'none.txt' holds no prompts; write"):
        every_prompt(written("none.txt", "\n"))


def test_several_pictures_of_a_prompt_come_in_a_row():
    assert repeated(["a", "b"], 3) == ["a", "a", "a", "b", "b", "b"]
    with pytest.raises(ValueError, match="pictures is 0; choose at least 1"):
        repeated(["a"], 0)
    with pytest.raises(ValueError, match="2 prompts with 50,001 pictures each are over 100,000 images; choose fewer"):
        repeated(["a", "b"], 50_001)


def test_prompts_that_begin_with_the_recorded_ones_continue_them():
    recorded = described(["a", "b"], 7)
    assert continues(["a", "b"], 7, recorded) and continues(["a", "b", "c"], 7, recorded)
    assert not continues(["a"], 7, recorded) and not continues(["b", "a", "c"], 7, recorded)
    assert not continues(["a", "b", "c"], 8, recorded)
    assert not any(continues(["a", "b"], 7, damaged) for damaged in (None, [], {}, {"count": "2"}, {"count": -1}))


@pytest.mark.parametrize("prompt", ["a \ud800 cat", "\udfff", "a\0b"])
def test_what_is_no_character_is_refused_in_letters_that_any_log_holds(prompt):
    with pytest.raises(ValueError, match="which is no character; write it anew") as caught:
        check_text(prompt)
    assert str(caught.value).isascii() and "\0" not in str(caught.value)
    check_text("a 😀 cat")


def many(written, prompts=None) -> Path:
    return written("many.txt", "\n".join(prompts or [f"prompt {i} of many" for i in range(500)]))


def test_a_draw_is_the_same_on_every_machine(written):
    def key(prompt: str) -> str:
        return hashlib.sha256(b"7\x00" + prompt.encode("utf-8")).hexdigest()

    assert read_prompts(written("p.csv", AS_CSV), count=3, seed=7) == sorted(THREE, key=key)
    assert read_prompts(many(written), count=4, seed=7) == [f"prompt {i} of many" for i in [77, 238, 287, 123]]


def test_a_larger_count_begins_with_the_same_prompts(written):
    path = many(written)
    drawn = [read_prompts(path, count=count, seed=3) for count in (1, 10, 100, 500)]
    assert all(drawn[-1][: len(part)] == part for part in drawn)
    assert sorted(drawn[-1]) == sorted(read_prompts(path))
    assert drawn[-1] != read_prompts(path)


def test_repeated_prompts_are_not_more_likely_nor_drawn_twice(written):
    prompts = [f"{i}" for i in range(20)]
    plain = read_prompts(many(written, prompts), count=5, seed=2)
    assert read_prompts(many(written, prompts * 9 + ["19"] * 500), count=5, seed=2) == plain
    assert len(read_prompts(many(written, prompts * 9), count=20, seed=2)) == 20


def test_every_prompt_is_drawn_about_equally_often(written):
    prompts = [f"{i}" for i in range(20)]
    path = many(written, prompts)
    drawn = [prompt for seed in range(400) for prompt in read_prompts(path, count=5, seed=seed)]
    times = [drawn.count(prompt) for prompt in prompts]
    assert statistics.mean(times) == 100
    assert all(65 < number < 135 for number in times), "4 standard deviations of 400 draws of a quarter"


def test_seeds_count_up_and_stay_in_64_bits():
    assert prompt_seeds(41, 3) == [41, 42, 43]
    assert prompt_seeds(2**64 - 1, 2) == [2**64 - 1, 0]


REFUSED = [
    ("p.pdf", "x", "'p.pdf' is no prompt file; choose one that ends in .csv, .tsv, .txt, .jsonl"),
    ("p", "x", "'p' is no prompt file"),
    ("p.csv", "", "'p.csv' holds no prompts; write"),
    ("p.csv", "caption\n", "'p.csv' holds no prompts"),
    ("p.txt", "\ufeff\n \n", "'p.txt' holds no prompts"),
    ("p.csv", "id,text\n1,a cat\n", "line 1 of 'p.csv' has no column 'caption', only 'id', 'text'; name one of these"),
    ("p.csv", "id;text\n", "line 1 of 'p.csv' has no column 'caption', only 'id', 'text'"),
    (
        "p.csv",
        "id;caption\n1;a;b\n",
        "line 2 of 'p.csv' has 3 cells, the header 2; put quotes around a prompt with semi",
    ),
    ("p.tsv", "Prompt\tNote\na cat\t\n", "line 1 of 'p.tsv' has no column 'caption', only 'Prompt', 'Note'; name one"),
    ("p.tsv", "caption\tNote\na\tb\tc\n", "line 2 of 'p.tsv' has 3 cells, the header 2; put quotes around a prompt"),
    ("p.tsv", 'caption\tNote\n"a\nb"\tc\n', "line 2 of 'p.tsv' opens a quote that it does not close; close it, or"),
    ("p.txt", "a cat\tAnimals\na dog\tAnimals\n", "line 1 of 'p.txt' has no column 'caption', only 'a cat', 'Animals'"),
    ("p.csv", "caption\na cat\na cat, a dog\n", "line 3 of 'p.csv' has 2 cells, the header 1; put quotes"),
    ("p.csv", 'caption\na\n"b\nc\n', "line 3 of 'p.csv' unexpected end of data; check its quotes"),
    ("p.csv", 'caption\n"a" b\n', "line 2 of 'p.csv' ',' expected after '\"'; check its quotes"),
    ("p.txt", "a\nb\ncafé\n".encode("latin-1"), "line 3 of 'p.txt' is not UTF-8 text; save the file as UTF-8"),
    ("p.csv", 'caption\n"a\nb\n\xe9"'.encode("latin-1"), "line 4 of 'p.csv' is not UTF-8 text"),
    ("p.txt", "a cat".encode("utf-16") + b"x", "line 1 of 'p.txt' is not UTF-8 text"),
    ("p.txt", "a cat".encode("utf-32"), "line 1 of 'p.txt' is not UTF-8 text"),
    ("p.txt", "a \ud800".encode("utf-16", "surrogatepass"), "line 1 of 'p.txt' is not UTF-8 text"),
    ("p.txt", "a\ncat".encode("utf-16-le"), "line 1 of 'p.txt' is not UTF-8 text"),
    ("p.txt", b"a\n\x89PNG\r\n\x1a\n\0\0", "line 2 of 'p.txt' is not UTF-8 text"),
    ("p.csv", b"caption\na\0b\n", "line 2 of 'p.csv' is not UTF-8 text"),
    ("p.jsonl", '"a"\n{"caption": "b"\n', "line 2 of 'p.jsonl' is not JSON (Expecting ',' delimiter); write one"),
    ("p.jsonl", '"a"\n' + "[" * 90_000, "line 2 of 'p.jsonl' is not JSON (maximum recursion"),
    ("p.jsonl", '\n{"text": "a"}', "line 2 of 'p.jsonl' has no key 'caption', only 'text'; name"),
    ("p.jsonl", "{}", "line 1 of 'p.jsonl' has no key 'caption', only none"),
    ("p.jsonl", '{"caption": 5}', "line 1 of 'p.jsonl' has no text where the prompt should be"),
    ("p.jsonl", "9" * 5000, "line 1 of 'p.jsonl' has no text where the prompt should be"),
    ("p.jsonl", '"\\ud800"', "line 1 of 'p.jsonl' has a prompt with characters that no text can hold"),
    ("p.txt", "a\n" + "b" * 10_001, "line 2 of 'p.txt' has a prompt of 10,001 characters, over 10,000; shorten it"),
    ("p.txt", "a\n" + "b" * 100_001, "line 2 of 'p.txt' runs on for more than 100,000 characters; break"),
    ("p.csv", 'caption\na\n"b' + "\nc" * 60_000, "line 3 of 'p.csv' runs on for more than 100,000 characters; break"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), REFUSED)
@pytest.mark.parametrize("count", [0, 1])
def test_bad_files_are_refused_in_one_short_sentence_with_the_line(name, content, sentence, count, written):
    with pytest.raises(ValueError) as caught:
        read_prompts(written(name, content), count=count)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_many_columns_are_named_in_part(written):
    header = ",".join(f"column {i}" for i in range(5000))
    with pytest.raises(ValueError, match="only 'column 0', 'column 1', .* ...; name") as caught:
        read_prompts(written("p.csv", header))
    assert len(str(caught.value)) < 400


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="'none.txt' cannot be read .No such file or directory.; choose"):
        read_prompts(tmp_path / "none.txt")


@pytest.mark.parametrize("count", [-1, 100_001])
def test_an_impossible_count_is_refused(count, written):
    with pytest.raises(ValueError, match=f"count is {count}; choose 0 for all"):
        read_prompts(many(written), count=count)


def test_too_few_prompts_for_the_count_are_never_filled_up(written):
    with pytest.raises(ValueError, match="'many.txt' holds 2 different prompts, fewer than count 3; lower count"):
        read_prompts(many(written, ["a", "b", "a"]), count=3)


def test_all_of_too_many_prompts_is_refused_before_they_fill_the_memory(written, monkeypatch):
    monkeypatch.setattr(module, "MOST_PROMPTS", 50)
    path = many(written)
    with pytest.raises(ValueError, match="'many.txt' holds more than 50 different prompts; set count"):
        read_prompts(path)
    assert len(read_prompts(path, count=50)) == 50


def peak_of(call) -> int:
    """Bytes that `call` has at most at a time, all that Python itself allocates."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("form", "start"), [("csv", 'caption\n"a'), ("txt", "a cat\nb"), ("jsonl", '"a cat"\n"')])
def test_a_line_of_a_gigabyte_is_refused_unread(form, start, tmp_path):
    path = tmp_path / f"p.{form}"
    with path.open("wb") as file:
        file.write(start.encode())
        file.truncate(2**30)

    def refused():
        with pytest.raises(ValueError, match=f"line 2 of 'p.{form}' runs on for more than 100,000 characters"):
            read_prompts(path, count=5)

    began = time.monotonic()
    assert peak_of(refused) < 4 * 2**20
    assert time.monotonic() - began < 10


def test_drawing_from_a_long_file_needs_memory_for_what_is_drawn_only(written):
    path = many(written, [f"{'long ' * 20}{i}" for i in range(40_000)])
    assert path.stat().st_size > 4 * 2**20
    assert peak_of(lambda: read_prompts(path, count=100)) < 2**20


def bundled() -> list[dict[str, str]]:
    with BUNDLED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_bundled_prompts_are_many_different_and_clean():
    prompts = read_prompts(BUNDLED)
    assert len(prompts) == len(bundled()) >= 500
    assert len({" ".join(prompt.lower().split()) for prompt in prompts}) == len(prompts)
    assert all(prompt.isprintable() and "  " not in prompt for prompt in prompts)


def test_the_bundled_prompts_are_short_and_long():
    lengths = sorted(len(prompt.split()) for prompt in read_prompts(BUNDLED))
    assert 3 <= lengths[0] <= 4 and 50 <= lengths[-1] <= 60
    assert sum(length <= 6 for length in lengths) >= 50 and sum(length >= 25 for length in lengths) >= 40


def test_the_bundled_prompts_are_of_many_subjects_and_three_difficulties():
    subjects = [row["subject"] for row in bundled()]
    difficulties = [row["difficulty"] for row in bundled()]
    assert len(set(subjects)) >= 15 and min(map(subjects.count, subjects)) >= 20
    assert set(difficulties) == {"easy", "medium", "hard"} and min(map(difficulties.count, difficulties)) >= 100


def test_hardly_any_two_bundled_prompts_begin_alike():
    beginnings = [tuple(prompt.lower().split()[:4]) for prompt in read_prompts(BUNDLED)]
    assert max(map(beginnings.count, beginnings)) <= 2


def test_the_demo_prompts_are_the_training_captions_that_the_command_writes():
    prompts = read_prompts(BUNDLED.with_name("demo.csv"))
    assert prompts == captions()
    assert len(prompts) == 500
