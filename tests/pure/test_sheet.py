"""Contact sheets: cards, pages, and prompts in every script."""

import gc
import hashlib
import time
import tracemalloc
from dataclasses import replace

import numpy
import pytest
import torch
from PIL import Image, ImageColor

from adaptive_diffusion.sheet import ContactSheet, SheetRow, as_image
from adaptive_diffusion.sheet.card import KEPT, TEACHER_FAILED, TO_TEACHER
from adaptive_diffusion.sheet.fonts import FILES, FOLDER, UNKNOWN, drawable, main_font, runs
from adaptive_diffusion.sheet.right_to_left import joined, ordered, starts_right
from adaptive_diffusion.sheet.style import (
    AMBER,
    BODY_SIZE,
    CARD,
    EDGE,
    GAP,
    GREEN,
    INK,
    MANY_PAGES,
    MARGIN,
    ONE_PAGE,
    PADDING,
    PAGE,
)
from adaptive_diffusion.sheet.text import wrapped

RED, BLUE = (200, 30, 40), (20, 60, 190)
PANEL, WIDTH, CARD_WIDTH = ONE_PAGE.panel, ONE_PAGE.text_width, ONE_PAGE.card_width
PROMPTS = {
    "French": "un café crème, naïve façade, « garçon » œuvre",
    "Vietnamese": "Một con mèo đỏ ngồi trên cỏ xanh",
    "Chinese": "红色的猫坐在绿色的草地上，背景是蓝天白云",
    "traditional Chinese": "紅色的貓坐在綠色的草地上，陽光明媚",
    "Japanese": "緑の草の上に座っている赤い猫、「晴れた日」",
    "Korean": "푸른 잔디 위에 앉아 있는 빨간 고양이",
    "Russian": "красная кошка сидит на зелёной траве",
    "Greek": "κόκκινη γάτα στο γρασίδι",
    "Arabic": "قطة حمراء تجلس على العشب الأخضر، تحت الشمس",
    "Persian": "گربهٔ قرمز روی چمن سبز می‌نشیند",
    "Hebrew": "חתול אדום יושב על הדשא",
    "Hindi": "घास पर बैठी लाल बिल्ली",
    "Thai": "แมวสีแดงนั่งอยู่บนหญ้า",
    "Georgian": "წითელი კატა ბალახზე",
    "signs": "a cat → ★ ♥ ☺ 🐱 😀 “quoted” – 100 €",
}


def plain(colour, width=64, height=64):
    return Image.new("RGB", (width, height), colour)


def row(rejected=False, final_score=None, prompt="a red circle on sky", size=(64, 64), score=1.0):
    return SheetRow(prompt, plain(RED, *size), score, rejected, plain(BLUE if rejected else RED, *size), final_score)


def only(*arguments):
    """The page of a sheet that has one."""
    [page] = ContactSheet(*arguments)
    return page


def count(sheet, colour):
    wanted = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    return int((numpy.asarray(sheet) == wanted).all(-1).sum())


@pytest.mark.parametrize("amount", [1, 2, 5, 12, 25])
def test_a_page_has_a_whole_card_for_every_image_and_the_shape_of_a_screen(amount):
    sheet = only([row(rejected=i % 2 == 1) for i in range(amount)], "costs", "title")
    assert count(sheet, RED) == PANEL**2 * (amount + (amount + 1) // 2)
    assert count(sheet, BLUE) == PANEL**2 * (amount // 2)
    assert (sheet.width - 2 * MARGIN + GAP) % (CARD_WIDTH + GAP) == 0
    if amount > 4:
        assert 1 < sheet.width / sheet.height < 2


@pytest.mark.parametrize(("amount", "expected"), [(25, 1), (26, 1), (54, 1), (64, 2), (120, 3)])
def test_many_images_make_pages_of_one_size_that_hold_each_image_once(amount, expected):
    prompts = ["word " * (1 + i % 30) for i in range(amount)]
    sheet = ContactSheet([row(i % 2 == 1, prompt=prompt) for i, prompt in enumerate(prompts)], "costs")
    pages = list(sheet)
    assert len(sheet) == len(pages) == expected
    assert {page.size for page in pages} == {sheet.size}
    form = ONE_PAGE if amount <= 25 else MANY_PAGES
    cards = [min(form.cards, amount - first) for first in range(0, amount, form.cards)]
    assert [(count(page, RED) + count(page, BLUE)) / form.panel**2 for page in pages] == [2 * held for held in cards]


def test_the_pages_are_a_batch_of_pixels():
    sheet = ContactSheet([row()] * 120, "costs")
    pixels = sheet.pixels()
    assert pixels.dtype == torch.float32 and tuple(pixels.shape) == (3, *sheet.size[::-1], 3)
    for page, expected in zip(pixels, sheet, strict=True):
        assert torch.equal(page.mul(255).round().byte(), torch.from_numpy(numpy.array(expected)))


def test_every_page_says_which_it_is_where_there_are_several():
    first, second = ContactSheet([row()] * 60, "costs")
    assert not numpy.array_equal(numpy.asarray(first)[-2 * MARGIN :], numpy.asarray(second)[-2 * MARGIN :])
    assert count(second.crop((0, second.height - 2 * MARGIN, second.width, second.height)), PAGE) > 0
    alone, titled = only([row()], ""), only([row()], "", "title")
    assert alone.height < titled.height


@pytest.mark.parametrize("amount", [64, 500, 2000])
def test_one_page_is_kept_in_memory_however_many_images(amount):
    def pictures_kept():
        return sum(type(one) is Image.Image for one in gc.get_objects())

    picture = numpy.zeros((256, 256, 3), numpy.float32)
    rows = [SheetRow("a red circle", picture, 1.0, False, picture)] * amount
    list(ContactSheet(rows[:50]))
    before = pictures_kept()
    for _, page in zip(range(2), ContactSheet(rows), strict=False):
        assert pictures_kept() == before + 1 and page.width < 10 * CARD_WIDTH
    tracemalloc.start()
    for _ in zip(range(2), ContactSheet(rows), strict=False):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 10**6 + 3000 * amount


def test_verdicts_are_shown_in_colour():
    kept, sent = KEPT[2], TO_TEACHER[2]
    accepted, rejected = only([row()]), only([row(True)])
    assert count(accepted, kept) > 500 and count(accepted, sent) == 0
    assert count(rejected, sent) > 500 and count(rejected, kept) == 0
    failed = only([replace(row(True, 1.0), failed=True)])
    assert count(failed, TEACHER_FAILED[2]) > 500 and count(failed, sent) == 0


def test_a_final_score_is_green_where_it_rose_and_amber_where_it_fell():
    def below_the_final_picture(final_score):
        sheet = only([row(True, final_score)])
        return sheet.crop((MARGIN + CARD_WIDTH // 2, 280, sheet.width, 320))

    rose, fell, unknown = (below_the_final_picture(score) for score in (2.0, 0.5, None))
    assert count(rose, GREEN) > 10 and count(rose, AMBER) == 0
    assert count(fell, AMBER) > 10 and count(fell, GREEN) == 0
    assert count(unknown, GREEN) == count(unknown, AMBER) == 0


@pytest.mark.parametrize(("size", "shown"), [((8, 8), (192, 192)), ((1024, 512), (192, 96)), ((300, 900), (64, 192))])
def test_pictures_fill_a_panel_and_keep_their_aspect(size, shown):
    sheet = numpy.asarray(only([row(size=size)]))
    rows, columns = (sheet == RED).all(-1).nonzero()
    assert rows.max() - rows.min() + 1 == shown[1]
    assert len(set(columns)) == 2 * shown[0]


def ink_outside_cards(sheet):
    """Whether anything dark lies in the margins, or in a card right of its pictures."""
    pixels = numpy.asarray(sheet.convert("L")).astype(int)
    inner = pixels[MARGIN + 300 :, MARGIN + CARD_WIDTH - PADDING + 2 : MARGIN + CARD_WIDTH - 2]
    return bool((pixels[:, : MARGIN - 1] < 200).any() or (pixels[:, -MARGIN + 1 :] < 200).any() or (inner < 200).any())


def test_captions_wrap_inside_their_card_and_end_in_dots():
    short = only([row(prompt="word")])
    long = only([row(prompt="word " * 12)])
    endless = only([row(prompt="word " * 500)])
    unbroken = only([row(prompt="w" * 300)])
    assert short.height < long.height < endless.height == unbroken.height
    assert not any(ink_outside_cards(sheet) for sheet in (short, long, endless, unbroken))


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_captions_in_every_script_wrap_inside_their_card(prompt):
    text = wrapped(f"{prompt} " * 8, BODY_SIZE, WIDTH, 3)
    assert len(text.lines) == 3
    assert not ink_outside_cards(only([row(prompt=f"{prompt} " * 8)]))


def test_lines_break_between_words_and_between_chinese_letters_and_not_before_a_comma():
    text = wrapped("猫坐在草地上，" * 30, BODY_SIZE, WIDTH)
    assert len(text.lines[0].letters) >= 20
    assert all(line.letters[0] != "，" for line in text.lines)
    words = wrapped("alpha beta gamma " * 30, BODY_SIZE, WIDTH)
    assert {word for line in words.lines[:-1] for word in line.letters.split()} == {"alpha", "beta", "gamma"}
    assert wrapped("one\n\ntwo", BODY_SIZE, WIDTH).lines[1].letters == ""
    assert wrapped("", BODY_SIZE, WIDTH).lines == ()


def test_a_word_without_end_takes_no_longer_for_its_length():
    def seconds(letters):
        start = time.process_time()
        for _ in range(5):
            wrapped("w" * letters, BODY_SIZE, WIDTH, 3)
        return time.process_time() - start

    seconds(800)
    assert seconds(800) < 0.25
    assert seconds(800_000) < 0.25


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_every_letter_of_every_script_has_a_font(prompt):
    letters = joined(prompt).replace("\u200c", "")
    assert UNKNOWN not in drawable(letters)
    for font, part in runs(letters, 32):
        box = bytes(font.getmask("\uffff"))
        assert [letter for letter in part if bytes(font.getmask(letter)) == box] == []


def test_letters_of_one_script_come_from_one_font():
    for language in ("French", "Chinese", "Japanese", "Korean", "Russian", "Greek", "Vietnamese"):
        assert [font.getname()[0] for font, _ in runs(PROMPTS[language], 17)] == ["WenQuanYi Micro Hei"]


def test_what_no_font_has_and_what_is_no_character_is_shown_as_such():
    text = wrapped("a \ud800 \U00020bb7 \x1b[31m b\u200d\ufe0fc", BODY_SIZE, WIDTH)
    assert [line.letters for line in text.lines] == [f"a {UNKNOWN} {UNKNOWN} [31m bc"]
    assert count(only([row(prompt="\ud800\udfff" * 50)]), INK) > 0


def test_accents_written_apart_are_drawn_as_one_letter():
    assert wrapped("cafe\u0301", BODY_SIZE, WIDTH).lines[0].letters == "café"


def test_arabic_letters_are_joined_and_read_from_the_right():
    assert joined("قطة") == "\ufed7\ufec4\ufe94"
    assert joined("سلام لا") == "\ufeb3\ufefc\ufee1 \ufefb"
    assert joined("الْقِطَّةُ") == joined("القطة")
    assert joined("می\u200cخواهم")[:2] == "\ufee3\ufbfd"
    assert starts_right("12 قطة") and not starts_right("a قطة") and not starts_right("12")
    line = wrapped("قطة", BODY_SIZE, WIDTH).lines[0]
    assert line.from_right and line.letters == "\ufe94\ufec4\ufed7"


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("abc אבג def", "abc גבא def"),
        ("אבג abc דהו", "והד abc גבא"),
        ("אבג 12.5 דהו", "והד 12.5 גבא"),
        ("(אבג)", "(גבא)"),
        ("abc, def", "abc, def"),
        ("red אב 12,34", "red 12,34 בא"),
        ("אב red-blue", "red-blue בא"),
        ("", ""),
    ],
)
def test_a_line_is_put_in_the_order_in_which_it_is_seen(line, seen):
    assert ordered(line, starts_right(line)) == seen


def test_text_from_the_right_begins_at_the_right_edge_of_the_card():
    def inked(prompt):
        page = only([row(prompt=prompt)])
        rows = numpy.asarray(page.convert("L"))[MARGIN + 284 : -MARGIN - PADDING, MARGIN + 4 : MARGIN + CARD_WIDTH - 4]
        return (rows < 120).any(0).nonzero()[0]

    arabic, russian = inked("قطة حمراء"), inked("кошка")
    assert arabic.min() > CARD_WIDTH / 2 and CARD_WIDTH - PADDING - 12 < arabic.max() < CARD_WIDTH - PADDING
    assert russian.max() < CARD_WIDTH / 2 and russian.min() < PADDING + 4


def test_the_fonts_are_those_that_their_readme_names_and_small():
    known = (FOLDER / "README.md").read_text("utf-8")
    for file in FILES:
        assert f"{hashlib.sha256((FOLDER / file).read_bytes()).hexdigest()}  {file}" in known
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10 * 10**6
    assert main_font(20).size == 20


def test_footer_and_title_take_room_of_their_own():
    bare, footed = only([row()]), only([row()], "one\ntwo")
    assert footed.height > bare.height
    assert numpy.array_equal(numpy.asarray(bare)[:-MARGIN], numpy.asarray(footed)[: bare.height - MARGIN])
    titled = only([row()], "", "title\nnote")
    shift = titled.height - bare.height
    assert numpy.array_equal(numpy.asarray(bare)[MARGIN:], numpy.asarray(titled)[MARGIN + shift :])


def test_cards_stand_on_the_page_in_a_frame():
    sheet = only([row()])
    middle = sheet.height // 2
    assert [sheet.getpixel((x, middle)) for x in (0, MARGIN, MARGIN + 2)] == [
        ImageColor.getrgb(colour) for colour in (PAGE, EDGE, CARD)
    ]


def test_arrays_of_bytes_and_of_floats_look_like_their_picture():
    array = numpy.full((2, 3, 3), (10, 128, 255), dtype=numpy.uint8)
    for picture in (array, array / 255, (array / 255).astype(numpy.float32), plain((10, 128, 255), 3, 2)):
        shown = as_image(picture)
        assert (shown.mode, shown.size, shown.getpixel((2, 1))) == ("RGB", (3, 2), (10, 128, 255))
    assert as_image(numpy.full((1, 1, 3), 1.7)).getpixel((0, 0)) == (255, 255, 255)


def test_what_is_transparent_shows_white():
    array = numpy.full((1, 1, 4), (200, 100, 0, 51), dtype=numpy.uint8)
    for picture in (array, array / 255, Image.fromarray(array)):
        assert as_image(picture).getpixel((0, 0)) == (244, 224, 204)


def test_an_empty_sheet_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        ContactSheet([], "footer")
