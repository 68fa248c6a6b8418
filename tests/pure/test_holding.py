"""Held images as files: whole or not there, each once, whoever is killed at whatever moment."""

import json
import math
import os

import numpy
import pytest

from adaptive_diffusion.gate.cost import Spent
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.holding import results
from adaptive_diffusion.holding.batches import batches
from adaptive_diffusion.holding.folder import HeldFolder
from adaptive_diffusion.holding.image import HeldImage
from adaptive_diffusion.holding.origin import Origin
from adaptive_diffusion.locks import Busy
from adaptive_diffusion.reading import Unreadable
from tests.damage import damaged, no_deeds
from tests.processes import at_once, every_kill, in_another_process, needs_fork

ORIGIN = Origin(Judge("Judge", "float32"), Student("small", 4), "this run", 50.0, "what it saw", True)
RECORD = {"index": 0, "score": 0.5}


def image(number: int, side: int = 4, **changes) -> HeldImage:
    chance = numpy.random.default_rng(number)
    pixels = chance.random((side, side, 3), dtype=numpy.float32)
    known = {"prompt": f"scene {number // 3}", "seed": number // 3, "score": number / 7, "threshold": 2.5}
    more = {"latent": chance.random((4, 2, 2), dtype=numpy.float32), "spent": Spent(4, 8.0), "drawn": 2}
    return HeldImage(pixels, **{**known, "row": number % 3, "batch": 3, **more, **changes})


def folder_of(path, count: int = 6) -> HeldFolder:
    folder = HeldFolder(path)
    folder.add(ORIGIN, map(image, range(count)))
    return folder


def result(word: str = "improved") -> results.Result:
    return results.Result(".png", b"a picture", RECORD, word)


def finished(folder: HeldFolder) -> list[str]:
    return sorted(path.name for path in (folder.path / "improved").glob("[0-9]*"))


def same(one: HeldImage, other: HeldImage) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in HeldImage.__dataclass_fields__]
    return all(
        numpy.array_equal(a, b) if isinstance(a, numpy.ndarray) else a == b or a != a and b != b for a, b in pairs
    )


EVERY = {
    "all": image(1, features=numpy.ones(5, numpy.float32), noise_mask=numpy.ones((1, 4, 4), numpy.float32), risk=0.5),
    "least": image(2, latent=None, spent=None, drawn=1, threshold=math.nan, batch_index=7),
    "unknown cost": image(3, spent=Spent(4, math.nan)),
}


@pytest.mark.parametrize("kept", EVERY.values(), ids=EVERY)
def test_an_image_is_read_as_it_was_written(kept, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(kept.content)
    found = HeldImage.load(tmp_path / "a.safetensors")
    assert same(found, kept) or (kept.spent and math.isnan(kept.spent.evaluations) and found.spent.steps == 4)
    assert found.identity == kept.identity and found.content == kept.content


@pytest.mark.parametrize("number", range(160))
def test_a_damaged_file_is_one_sentence_or_the_image(number, tmp_path):
    path, whole = tmp_path / "000001-0123456789abcdef.safetensors", EVERY["all"]
    path.write_bytes(damaged(whole.content, number))
    with no_deeds():
        try:
            found = HeldImage.load(path)
        except Unreadable as error:
            assert "\n" not in str(error) and str(error).startswith(f"'{path.name}'")
        else:
            assert found.content == whole.content


OUT_OF_RANGE = [
    {"row": 3},
    {"row": 0.5},
    {"batch": 10**9},
    {"batch_index": 10**9},
    {"batch_index": -1},
    {"group": -1},
    {"drawn": 0},
    {"seed": 2**65},
    {"seed": None},
    {"score": math.inf},
    {"risk": "high"},
    {"risk": 1.5},
    {"spent": Spent("many", 1.0)},
    {"prompt": 1},
]


@pytest.mark.parametrize("change", OUT_OF_RANGE, ids=str)
def test_facts_out_of_range_are_refused_though_the_file_is_whole(change, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(image(1, **change).content)
    with pytest.raises(Unreadable, match="'a.safetensors' is no whole image that was held; copy it again"):
        HeldImage.load(tmp_path / "a.safetensors")


def test_the_folders_description_is_read_as_it_was_written(tmp_path):
    folder = folder_of(tmp_path / "held")
    assert folder.origin == ORIGIN
    assert json.loads((tmp_path / "held" / "held.json").read_bytes())["version"] == 1


def test_images_are_taken_in_the_order_in_which_they_were_held_one_size_together(tmp_path):
    folder = HeldFolder(tmp_path / "held")
    folder.add(ORIGIN, (image(number, side=4 + number % 2) for number in range(6)))
    taken = folder.take(4)
    assert [held.image.shape[0] for held in taken.images.values()] == [4, 4, 4, 5]
    assert [name[:6] for name in taken.images] == ["000000", "000002", "000004", "000001"]
    assert taken.left == 2 and taken.damaged == []


def a_link(path):
    path.symlink_to(path.parent / "nowhere")


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize("put", [a_link, a_folder])
def test_what_is_no_file_is_passed_over_as_a_damaged_image_is(put, tmp_path):
    folder = folder_of(tmp_path / "held", 3)
    path = sorted(folder.path.glob("*.safetensors"))[1]
    path.unlink()
    put(path)
    taken = folder.take(64)
    assert len(taken.images) == 2 and taken.left == 0
    assert taken.damaged == [f"'{path.name}' is no whole image that was held; copy it again, or delete it"]


@pytest.mark.parametrize("done", [False, True])
def test_a_folder_copied_without_its_description_is_told_as_such_and_stays_as_it_is(done, tmp_path):
    folder = folder_of(tmp_path / "held", 1)
    if done:
        folder.finish(folder.waiting[0], result())
    (folder.path / "held.json").unlink()
    before = sorted(folder.path.rglob("*"))
    told = "has images, but no held.json; copy that file there, too$"
    with pytest.raises(ValueError, match=told), folder.taking():
        pass
    with pytest.raises(ValueError, match=told):
        folder.add(ORIGIN, [image(1)])
    assert sorted(folder.path.rglob("*")) == before


def test_images_of_one_batch_come_as_one_and_their_decision_rejects_all(tmp_path):
    folder = folder_of(tmp_path / "held")
    held = batches(folder.origin, folder.take(64).images, folder.finish)
    assert [(batch.prompt, batch.seed, len(batch.images)) for batch in held] == [("scene 0", 0, 3), ("scene 1", 1, 3)]
    decision = held[1].decision
    assert decision.rejected == (0, 1, 2) and decision.scores.values == (3 / 7, 4 / 7, 5 / 7)
    assert decision.student.spent == (Spent(4, 8.0),) * 3 and decision.student.candidates == (2, 2, 2)
    assert (decision.student.seed, decision.student.width, decision.student.steps) == (1, 4, 4)
    assert (decision.scores.group, decision.scores.groups) == (1, 2)


def test_two_images_of_one_place_are_two_batches(tmp_path):
    folder = HeldFolder(tmp_path / "held")
    folder.add(ORIGIN, [image(0), image(1, row=0), image(2, row=0)])
    held = batches(folder.origin, folder.take(64).images, folder.finish)
    assert [batch.decision.scores.rows.numbers for batch in held] == [(0,), (0,), (0,)]


def test_what_is_finished_is_done_once_and_waits_no_more(tmp_path):
    folder = folder_of(tmp_path / "held", 2)
    first, second = folder.waiting
    folder.finish(first, result())
    folder.finish(first, result("kept"))
    assert folder.waiting == [second] and finished(folder) == [f"{first} improved 0.500.png"]
    assert folder.add(ORIGIN, map(image, range(2))) == 0


def test_only_one_takes_at_a_time(tmp_path):
    folder = folder_of(tmp_path / "held", 1)
    with folder.taking(), pytest.raises(Busy, match="the images in 'held' are taken already; take them once in a"):
        folder.taking().__enter__()
    with folder.taking():
        pass
    assert sorted(os.listdir(folder.path))[0].startswith("000000-")


def add_all(path, count: int) -> None:
    folder_of(path, count)


@needs_fork
def test_processes_that_hold_the_same_images_at_once_keep_each_once(tmp_path):
    assert at_once(add_all, *[(tmp_path / "held", 5)] * 3) == [0, 0, 0]
    folder = HeldFolder(tmp_path / "held")
    assert len(folder.waiting) == 5 and [name[:6] for name in folder.waiting] == [f"{i:06d}" for i in range(5)]


def finish_all(path) -> None:
    folder = HeldFolder(path)
    with folder.taking():
        for name in folder.waiting:
            folder.finish(name, result())


def hold_and_finish(path) -> None:
    """A day and a night."""
    add_all(path, 3)
    finish_all(path)


@needs_fork
def test_killed_at_every_moment_nothing_is_lost_or_done_twice(tmp_path):
    """At whatever moment a process ended, the next one goes on, and comes to the same."""
    for moment in every_kill(hold_and_finish, lambda moment: (tmp_path / str(moment),)):
        folder = HeldFolder(tmp_path / str(moment))
        before = finished(folder)
        assert in_another_process(hold_and_finish, folder.path) == 0
        names = finished(folder)
        assert len(names) == 3 and {*before} <= {*names} and folder.waiting == []
        assert [name[:6] for name in names] == ["000000", "000001", "000002"]
        assert all((folder.path / "improved" / name).read_bytes() == b"a picture" for name in names)
        assert sorted(os.listdir(folder.path)) == ["held.json", "improved"]
        assert sorted(os.listdir(folder.path / "improved")) == names


def test_an_image_whose_result_is_there_waits_no_more_though_its_own_file_was_left(tmp_path):
    folder = folder_of(tmp_path / "held", 2)
    first, second = folder.waiting
    left = (folder.path / f"{first}.safetensors").read_bytes()
    folder.finish(first, result())
    (folder.path / f"{first}.safetensors").write_bytes(left)
    assert folder.waiting == [second] and [*folder.take(9).images] == [second]
