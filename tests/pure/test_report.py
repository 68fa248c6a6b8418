"""Contact sheets and records."""

import json
from dataclasses import replace

import numpy
import pytest
from PIL import Image, ImageColor

from adaptive_diffusion.gate.cost import Spent
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.report import (
    AMBER,
    CARD,
    CARD_WIDTH,
    EDGE,
    GAP,
    GREEN,
    MARGIN,
    PAGE,
    PANEL,
    PILLS,
    SheetRow,
    as_image,
    contact_sheet,
    record,
)

RED, BLUE = (200, 30, 40), (20, 60, 190)


def plain(colour, width=64, height=64):
    return Image.new("RGB", (width, height), colour)


def row(rejected=False, final_score=None, prompt="a red circle on sky", size=(64, 64), score=1.0):
    return SheetRow(prompt, plain(RED, *size), score, rejected, plain(BLUE if rejected else RED, *size), final_score)


def count(sheet, colour):
    wanted = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    return int((numpy.asarray(sheet) == wanted).all(-1).sum())


@pytest.mark.parametrize("amount", [1, 2, 5, 12, 64])
def test_a_page_has_a_whole_card_for_every_image_and_the_shape_of_a_screen(amount):
    sheet = contact_sheet([row(rejected=i % 2 == 1) for i in range(amount)], "costs", "title")
    assert count(sheet, RED) == PANEL**2 * (amount + (amount + 1) // 2)
    assert count(sheet, BLUE) == PANEL**2 * (amount // 2)
    assert (sheet.width - 2 * MARGIN + GAP) % (CARD_WIDTH + GAP) == 0
    if amount > 4:
        assert 1 < sheet.width / sheet.height < 2


def test_verdicts_are_shown_in_colour():
    _, kept_ink, kept = PILLS["accepted"]
    _, sent_ink, sent = PILLS["rejected"]
    accepted, rejected = contact_sheet([row()]), contact_sheet([row(True)])
    assert count(accepted, kept) > 500 and count(accepted, sent) == 0
    assert count(rejected, sent) > 500 and count(rejected, kept) == 0


def test_a_final_score_is_green_where_it_rose_and_amber_where_it_fell():
    def below_the_final_picture(final_score):
        sheet = contact_sheet([row(True, final_score)])
        return sheet.crop((MARGIN + CARD_WIDTH // 2, 280, sheet.width, 320))

    rose, fell, unknown = (below_the_final_picture(score) for score in (2.0, 0.5, None))
    assert count(rose, GREEN) > 10 and count(rose, AMBER) == 0
    assert count(fell, AMBER) > 10 and count(fell, GREEN) == 0
    assert count(unknown, GREEN) == count(unknown, AMBER) == 0


@pytest.mark.parametrize(("size", "shown"), [((8, 8), (192, 192)), ((1024, 512), (192, 96)), ((300, 900), (64, 192))])
def test_pictures_fill_a_panel_and_keep_their_aspect(size, shown):
    sheet = numpy.asarray(contact_sheet([row(size=size)]))
    rows, columns = (sheet == RED).all(-1).nonzero()
    assert rows.max() - rows.min() + 1 == shown[1]
    assert len(set(columns)) == 2 * shown[0]


def test_captions_wrap_inside_their_card_and_end_in_dots():
    def ink_outside_cards(sheet):
        pixels = numpy.asarray(sheet.convert("L")).astype(int)
        return (pixels[:, : MARGIN - 1] < 200).any() or (pixels[:, -MARGIN + 1 :] < 200).any()

    short = contact_sheet([row(prompt="word")])
    long = contact_sheet([row(prompt="word " * 12)])
    endless = contact_sheet([row(prompt="word " * 500)])
    unbroken = contact_sheet([row(prompt="w" * 300)])
    assert short.height < long.height < endless.height == unbroken.height
    assert not any(ink_outside_cards(sheet) for sheet in (short, long, endless, unbroken))


def test_footer_and_title_take_room_of_their_own():
    bare, footed = contact_sheet([row()]), contact_sheet([row()], "one\ntwo")
    assert footed.height > bare.height
    assert numpy.array_equal(numpy.asarray(bare)[:-MARGIN], numpy.asarray(footed)[: bare.height - MARGIN])
    titled = contact_sheet([row()], "", "title\nnote")
    shift = titled.height - bare.height
    assert numpy.array_equal(numpy.asarray(bare)[MARGIN:], numpy.asarray(titled)[MARGIN + shift :])


def test_cards_stand_on_the_page_in_a_frame():
    sheet = contact_sheet([row()])
    middle = sheet.height // 2
    assert [sheet.getpixel((x, middle)) for x in (0, MARGIN, MARGIN + 2)] == [
        ImageColor.getrgb(colour) for colour in (PAGE, EDGE, CARD)
    ]


def test_arrays_of_bytes_and_of_floats_look_like_their_picture():
    array = numpy.zeros((2, 3, 4), dtype=numpy.uint8)
    array[..., :3] = (10, 128, 255)
    for picture in (array, array / 255, (array / 255).astype(numpy.float32), plain((10, 128, 255), 3, 2)):
        shown = as_image(picture)
        assert (shown.mode, shown.size, shown.getpixel((2, 1))) == ("RGB", (3, 2), (10, 128, 255))
    assert as_image(numpy.full((1, 1, 3), 1.7)).getpixel((0, 0)) == (255, 255, 255)


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([], "footer")


def decision(threshold=2.0):
    scores = QualityScores((3.0, 1.0, 1.5), prompts=("a", "b", "c"))
    return decide(scores, threshold, "mine", student=Student(steps=4, seed=9))


def test_a_record_says_everything_of_every_image():
    entries = record(decision(), (7, 8, 9), (2.5, 1.25), 12, first=10)
    assert entries == [
        {"index": 10, "prompt": "a", "seed": 7, "score": 3.0, "table": "mine", "threshold": 2.0}
        | {"verdict": "accepted", "taken": False, "final_score": 3.0, "steps": 4, "evaluations": None},
        {"index": 11, "prompt": "b", "seed": 8, "score": 1.0, "table": "mine", "threshold": 2.0}
        | {"verdict": "rejected", "taken": None, "final_score": 2.5, "steps": 16, "evaluations": None},
        {"index": 12, "prompt": "c", "seed": 9, "score": 1.5, "table": "mine", "threshold": 2.0}
        | {"verdict": "rejected", "taken": None, "final_score": 1.25, "steps": 16, "evaluations": None},
    ]


def test_a_final_score_is_that_of_the_image_that_was_taken():
    taken = replace(decision(), taken=(2,))
    assert [entry["taken"] for entry in record(taken)] == [False, False, True]
    assert [entry["final_score"] for entry in record(taken, (), (9.0, 1.25))] == [3.0, 1.0, 1.25]
    assert [entry["final_score"] for entry in record(taken, (), (3.1, 1.1, 1.25))] == [3.1, 1.1, 1.25]


def test_steps_and_evaluations_are_what_student_and_teachers_told():
    student = Student(steps=4, spent=(Spent(4, 4), Spent(4, 4), Spent(8, 8)))
    told = replace(decision(), student=student)
    told.bills[1]["refine"] = Spent(12, 24)
    entries = record(told, teacher_steps=5)
    assert [entry["steps"] for entry in entries] == [4, 16, 13]
    assert [entry["evaluations"] for entry in entries] == [4, 28, None]
    gone = record(told, nodes={"another"})
    assert [entry["steps"] for entry in gone] == [4, None, None]


def test_what_is_unknown_is_none():
    entries = record(decision())
    assert [entry["seed"] for entry in entries] == [9, 9, 9]
    assert [entry["final_score"] for entry in entries] == [3.0, None, None]
    assert [entry["steps"] for entry in entries] == [4, None, None]
    anonymous = record(decide(QualityScores((1.0,)), 0.0))
    assert (anonymous[0]["seed"], anonymous[0]["steps"], anonymous[0]["prompt"]) == (None, None, "")


@pytest.mark.parametrize("threshold", [float("inf"), float("-inf")])
def test_a_record_is_strict_json_even_where_all_or_none_are_rejected(threshold):
    entries = record(decision(threshold))
    assert json.loads(json.dumps(entries, allow_nan=False)) == entries
    assert {entry["threshold"] for entry in entries} == {None}


def test_another_number_of_seeds_or_final_scores_is_refused():
    with pytest.raises(ValueError, match="2 seeds came for 3 images"):
        record(decision(), (1, 2))
    with pytest.raises(ValueError, match="4 final_scores came for 2 images"):
        record(decision(), (), (1.0, 2.0, 3.0, 4.0))
