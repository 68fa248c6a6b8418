"""Rejected images held in a folder and improved later: as if they had not been held, and each exactly once."""

import errno
import itertools
import json
import os
import shutil

import numpy
import pytest
import torch
from graphs import adaptive_graph, changed, demo_prompts, holding_graph, keep, node, taking_graph
from PIL import Image

from .tools import module

PROMPTS = demo_prompts(4)
SEED, BATCH = 30, 2


@pytest.fixture
def output(tmp_path, monkeypatch):
    """ComfyUI's output folder, for one test."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "output"))
    return tmp_path / "output"


def without_holding(k: float = 100.0, prompts=PROMPTS, first_seed: int = SEED):
    graph = adaptive_graph(["prompts", 0], k, BATCH, ["seeds", 1])
    graph = changed(graph, "gate", student=["student", 1])
    graph = changed(graph, "teacher_images", vae=["teacher_models", 2])
    lists = {name: each for name, each in holding_graph(prompts, first_seed).items() if name in ("prompts", "seeds")}
    return keep({**graph, **lists}, merged=["merge", 0], decisions=["merge", 1], latents=["teacher", 0])


def taking(**options):
    return keep(taking_graph(**options), merged=["merge", 0], decisions=["merge", 1], latents=["teacher", 0])


def improved(folder):
    return sorted((folder / "improved").iterdir())


def waiting(folder):
    return sorted(folder.glob("*.safetensors"))


def rows(values):
    return [row for batch in values for row in batch]


def test_what_was_held_becomes_what_it_would_have_become(comfy_app, output):
    plain = comfy_app.run(without_holding())
    assert plain.error is None
    assert comfy_app.run(holding_graph(PROMPTS, SEED, batch=BATCH)).error is None
    assert len(waiting(output / "held" / "held")) == BATCH * len(PROMPTS)
    later = comfy_app.run(taking())
    assert later.error is None
    for one, other in zip(rows(later.kept["merged"]), rows(plain.kept["merged"]), strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.std()
    assert [decision.scores for decision in later.kept["decisions"]] == [
        decision.scores for decision in plain.kept["decisions"]
    ]
    record = module("adaptive_diffusion.report").record
    assert [record(decision) for decision in later.kept["decisions"]] == [
        record(decision) for decision in plain.kept["decisions"]
    ]
    assert waiting(output / "held" / "held") == [] and len(improved(output / "held" / "held")) == 8


def test_accepted_images_pass_with_their_decision_and_nothing_of_them_is_held(comfy_app, output):
    graph = holding_graph(PROMPTS, SEED, k=50.0, batch=BATCH)
    run = comfy_app.run(keep(graph, passed=["hold", 0], decisions=["hold", 1], judged=["gate", 0], all=["student", 0]))
    judged = [decision for decision in run.kept["judged"] if decision.accepted]
    assert [len(batch) for batch in run.kept["passed"]] == [len(decision.accepted) for decision in judged]
    values = [[decision.scores.values[i] for i in decision.accepted] for decision in judged]
    assert [list(decision.scores.values) for decision in run.kept["decisions"]] == values
    assert len(waiting(output / "held" / "held")) == BATCH * len(PROMPTS) - len(rows(run.kept["passed"]))


def test_nothing_accepted_stops_what_comes_behind(comfy_app, output):
    run = comfy_app.run(holding_graph(PROMPTS, SEED, k=100.0, batch=BATCH))
    assert run.error is None and not (output / "day").exists()
    assert run.texts["hold"] == "8 rejected images put into 'held/held'"


def test_what_was_held_is_not_held_again_nor_what_was_improved(uncached_app, output):
    graph = holding_graph(PROMPTS, SEED, batch=BATCH)
    uncached_app.run(graph)
    told = "0 rejected images put into 'held/held'; 8 were there already"
    assert uncached_app.run(graph).texts["hold"] == told
    uncached_app.run(taking())
    assert uncached_app.run(graph).texts["hold"] == told
    assert waiting(output / "held" / "held") == []


def test_runs_take_the_oldest_first_and_say_how_many_are_left(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS, SEED, batch=BATCH))
    plain = rows(comfy_app.run(without_holding()).kept["merged"])
    for start, left in ((0, 5), (3, 2), (6, 0)):
        run = comfy_app.run(taking(most=3))
        merged = rows(run.kept["merged"])
        assert run.texts["take"] == f"{len(merged)} images taken, {left} more wait"
        for one, other in zip(merged, plain[start:], strict=False):
            assert (one - other).abs().max() <= 1e-4 * other.std()
    empty = comfy_app.run(taking(most=3))
    assert empty.error is None and empty.texts["take"] == "0 images taken, 0 more wait"
    assert "teacher_models" not in empty.executed and len(improved(output / "held" / "held")) == 8


def test_a_taken_image_waits_on_unless_it_was_merged_or_saved(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS, SEED, batch=BATCH))
    graph = {name: each for name, each in taking().items() if name in ("take",)}
    for _ in range(2):
        run = comfy_app.run(keep(graph, images=["take", 2]))
        assert run.texts["take"] == "8 images taken, 0 more wait"
    assert comfy_app.run(taking()).texts["take"] == "8 images taken, 0 more wait"
    assert waiting(output / "held" / "held") == []


def test_a_result_holds_its_record_and_is_what_merge_gave(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    run = comfy_app.run(taking())
    record = module("adaptive_diffusion.report").record(run.kept["decisions"][0])
    for path, image, entry in zip(improved(output / "held" / "held"), run.kept["merged"][0], record, strict=True):
        with Image.open(path) as found:
            assert json.loads(found.text["adaptive_diffusion"]) == entry
            pixels = torch.frombuffer(bytearray(found.tobytes()), dtype=torch.uint8).reshape(image.shape)
        assert torch.equal(pixels, (255.0 * image).clamp(0, 255).byte())
        assert path.name.endswith(f" improved {entry['score']:.3f}.png")


def test_merged_latents_are_kept_as_load_latent_reads_them(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    graph = changed(taking(), "merge", student=["take", 1], improved=["teacher", 0])
    graph = {name: each for name, each in graph.items() if name not in ("shown", "teacher_images")}
    run = comfy_app.run(graph)
    assert run.error is None
    import nodes as core

    for path, row in zip(improved(output / "held" / "held"), run.kept["merged"][0]["samples"], strict=True):
        import folder_paths

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folder_paths, "get_annotated_filepath", lambda _, path=path: str(path))
            assert torch.equal(core.LoadLatent().load(path.name)[0]["samples"][0], row)


def test_a_teacher_that_fails_leaves_the_students_image_as_what_it_became(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    comfy_app.give["broken"] = torch.full((BATCH, 64, 64, 3), float("nan"))
    graph = {name: each for name, each in taking().items() if not name.startswith(("teacher", "keep_latents"))}
    graph["broken"] = node("TestGive", name="broken")
    run = comfy_app.run(keep(changed(graph, "merge", improved=["broken", 0]), students=["take", 2]))
    assert run.error is None
    assert torch.equal(run.kept["merged"][0], run.kept["students"][0])
    assert all(" teacher failed " in path.name for path in improved(output / "held" / "held"))


def test_a_folder_copied_to_another_base_directory_goes_on_there(comfy_app, output, monkeypatch, tmp_path):
    import folder_paths

    comfy_app.run(holding_graph(PROMPTS, SEED, batch=BATCH))
    plain = rows(comfy_app.run(without_holding()).kept["merged"])
    comfy_app.run(taking(most=3))
    other = tmp_path / "other machine"
    shutil.copytree(output / "held", other / "held")
    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(other))
    run = comfy_app.run(taking())
    assert len(rows(run.kept["merged"])) == 5 and len(improved(other / "held" / "held")) == 8
    for one, expected in zip(rows(run.kept["merged"]), plain[3:], strict=True):
        assert (one - expected).abs().max() <= 1e-4 * expected.std()


@pytest.mark.parametrize("numbered", [False, True], ids=["masked", "masked and numbered"])
def test_masks_and_noise_numbers_of_a_latent_are_held_too(comfy_app, output, numbered):
    mask = torch.zeros(2, 64, 64)
    mask[:, :, 32:] = 1
    comfy_app.give["mask"] = mask

    def masked(graph):
        latent = ["from", 0] if numbered else ["empty", 0]
        own = {
            "mask": node("TestGive", name="mask"),
            "from": node("LatentFromBatch", samples=["empty", 0], batch_index=1, length=2),
            "masked": node("SetLatentNoiseMask", samples=latent, mask=["mask", 0]),
        }
        graph = changed({**graph, **own}, "empty", batch_size=4 if numbered else 2)
        return changed(graph, "student", latent_image=["masked", 0])

    plain = comfy_app.run(masked(without_holding()))
    assert comfy_app.run(masked(holding_graph(PROMPTS, SEED, batch=BATCH))).error is None
    later = comfy_app.run(taking())
    for one, other in zip(rows(later.kept["merged"]), rows(plain.kept["merged"]), strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.std()


def test_images_of_several_sizes_come_one_size_after_the_other(comfy_app, output):
    for number, (width, height) in enumerate(((64, 64), (128, 64), (64, 64))):
        graph = changed(holding_graph(PROMPTS[:1], SEED + number, batch=BATCH), "empty", width=width, height=height)
        assert comfy_app.run(graph).error is None
    sizes = []
    for _ in range(2):
        run = comfy_app.run(taking(most=4))
        assert run.error is None
        sizes.append([tuple(batch.shape) for batch in run.kept["merged"]])
    assert sizes == [[(2, 64, 64, 3), (2, 64, 64, 3)], [(2, 64, 128, 3)]]


def two_takes(other: str):
    graph = {name: each for name, each in taking().items() if name == "take"}
    graph["other"] = node("AdaptiveTakeHeld", folder=other, most=3)
    return keep(graph, one=["take", 2], two=["other", 2])


def test_one_graph_takes_a_folder_once(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    error = comfy_app.fails(two_takes("held"))
    assert error.startswith("Take Held: the images in 'held' are taken already; take them once in a graph, and let the")
    assert comfy_app.run(taking()).texts["take"] == "2 images taken, 0 more wait"
    assert list((output / "held" / "held").glob(".*")) == []


def test_another_process_that_takes_is_told_and_is_waited_for(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    folder = module("adaptive_diffusion.holding.folder").HeldFolder(output / "held" / "held")
    with folder.taking():
        assert "are taken already" in comfy_app.fails(taking())
    assert comfy_app.run(taking()).error is None


def test_without_a_cache_it_is_the_same(uncached_app, output):
    plain = uncached_app.run(without_holding())
    uncached_app.run(holding_graph(PROMPTS, SEED, batch=BATCH))
    later = uncached_app.run(taking())
    assert later.error is None and later.texts["take"] == "8 images taken, 0 more wait"
    for one, other in zip(rows(later.kept["merged"]), rows(plain.kept["merged"]), strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.std()
    assert len(improved(output / "held" / "held")) == 8


BAD_NAMES = ["../x", "a/b", "", " ", ".hidden", "a\\b", "/tmp", "x" * 300, "CON", "nul.txt", "lpt1", "held."]
OTHER_FIXES = {
    "x" * 300: "is too long for a file's name by 100 letters; shorten it",
    **dict.fromkeys(BAD_NAMES[-4:], "cannot name a folder on Windows; choose one that ends otherwise or is longer"),
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_folder_whose_name_is_none_is_refused_before_anything_runs(comfy_app, output, name):
    for title, graph in (("Hold Rejected", holding_graph(PROMPTS, SEED, name)), ("Take Held", taking(folder=name))):
        with pytest.raises(ValueError) as refused:
            comfy_app.run(graph)
        fix = OTHER_FIXES.get(name, "cannot name a folder; use letters")
        assert f"{title}: " in str(refused.value) and fix in str(refused.value)
    assert not output.exists()


def test_a_folder_in_which_nothing_was_held_is_one_sentence(comfy_app, output):
    error = comfy_app.fails(taking(folder="empty"))
    place = output / "held" / "empty"
    assert error == f"Take Held: nothing was held in '{place}'; hold images there, or name another folder"
    assert not place.exists()


OTHERS = {
    "student": ({"student": {"steps": 1}}, "student steps 2 instead of 1"),
    "gate": ({"gate": {"k": 90.0}}, "k 100.0 instead of 90.0"),
    "table": ({"gate": {"table": "Demo"}}, "table 'this run' instead of 'Demo'"),
}


@pytest.mark.parametrize("changes, difference", OTHERS.values(), ids=OTHERS)
def test_a_folder_of_another_student_or_decision_is_one_sentence_and_stays_as_it_is(
    comfy_app, output, changes, difference
):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    graph = holding_graph(PROMPTS[1:3], SEED, batch=BATCH)
    for name, inputs in changes.items():
        graph = changed(graph, name, **inputs)
    error = comfy_app.fails(graph)
    assert error == f"Hold Rejected: the images in 'held' have {difference}; hold these in another folder"
    assert len(waiting(output / "held" / "held")) == 2


def test_a_folder_of_another_estimator_is_one_sentence(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    graph = holding_graph(PROMPTS[1:2], SEED, batch=BATCH)
    decision = module("adaptive_diffusion.gate.decision")
    comfy_app.give["scores"] = decision.QualityScores((1.0, 2.0), "Other", prompts=(PROMPTS[1],) * 2)
    graph = changed({**graph, "numbers": node("TestGive", name="scores")}, "gate", scores=["numbers", 0])
    error = comfy_app.fails(graph)
    assert error.startswith("Hold Rejected: the images in 'held' have estimator {'dtype': 'float32', 'name': 'Demo'")
    assert "instead of {'dtype': 'float32', 'name': 'Other'}" in error


def test_prompts_that_nobody_knows_are_asked_for(comfy_app, output):
    graph = {**holding_graph(PROMPTS[:1], SEED, batch=BATCH), "numbers": node("TestNumbers", text="1 2")}
    error = comfy_app.fails(changed(graph, "gate", scores=["numbers", 0]))
    assert error.startswith("Hold Rejected: the prompts are not known; link them to Quality Score, and its scores to")


def test_seeds_that_nobody_knows_are_asked_for(comfy_app, output):
    graph = changed(holding_graph(PROMPTS, SEED, batch=BATCH), "gate", student=None)
    sentence = "Hold Rejected: the seeds are not known; link Student Sample's student to Threshold Gate, or link seed"
    assert comfy_app.fails(graph) == sentence
    assert comfy_app.run(changed(graph, "hold", seed=["seeds", 1])).error is None
    assert comfy_app.run(keep(taking(), seeds=["take", 4])).kept["seeds"] == [30, 31, 32, 33]


def test_a_damaged_image_is_passed_over_and_told_and_the_others_are_improved(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:2], SEED, batch=BATCH))
    files = waiting(output / "held" / "held")
    files[1].write_bytes(files[1].read_bytes()[:-7])
    files[2].write_bytes(files[2].read_bytes().replace(b"\x3f", b"\x3e", 1))
    run = comfy_app.run(taking())
    told = [f"'{path.name}' is no whole image that was held; copy it again, or delete it" for path in files[1:3]]
    assert run.error is None
    assert run.texts["take"] == "\n".join(["2 images taken, 0 more wait", *told])
    assert waiting(output / "held" / "held") == files[1:3]
    assert comfy_app.fails(taking()) == f"Take Held: {told[0]}"


def test_a_damaged_description_of_the_folder_is_one_sentence(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    about = output / "held" / "held" / "held.json"
    for content in (about.read_bytes()[:-9], b"[]", b'{"format": "other", "version": 1}', b""):
        about.write_bytes(content)
        error = comfy_app.fails(taking())
        assert error.startswith(f"Take Held: '{about}' ") and "\n" not in error


def test_a_folder_of_other_files_is_left_alone(comfy_app, output):
    (output / "held" / "held").mkdir(parents=True)
    (output / "held" / "held" / "mine.png").write_bytes(b"mine")
    error = comfy_app.fails(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    place = output / "held" / "held"
    assert error == f"Hold Rejected: '{place}' holds files of something else; choose another folder"
    assert [path.name for path in place.iterdir()] == ["mine.png"]


REFUSED = {
    "no permission": (errno.EACCES, "choose a place that you may write to"),
    "full disk": (errno.ENOSPC, "free some space and run it again"),
}


@pytest.mark.parametrize("number, fix", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_is_one_sentence_and_nothing_is_lost(comfy_app, output, monkeypatch, number, fix):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(module("adaptive_diffusion.files"), "_write", refuse)
        holding = comfy_app.fails(holding_graph(PROMPTS[1:2], SEED, batch=BATCH))
        merging = comfy_app.fails(taking())
    for title, error in (("Hold Rejected", holding), ("Adaptive Merge", merging)):
        assert error.startswith(f"{title}: '{output / 'held' / 'held'}/")
        assert error.endswith(f"cannot be written ({os.strerror(number)}); {fix}")
    assert len(waiting(output / "held" / "held")) == 2 and not any((output / "held" / "held").rglob(".*"))
    assert comfy_app.run(taking()).texts["take"] == "2 images taken, 0 more wait"


def stopping(monkeypatch, moment: int) -> None:
    """Interrupts the run at the given one of all moments at which it writes through to disk."""
    import comfy.model_management

    files, moments = module("adaptive_diffusion.files"), itertools.count()
    write = files._write

    def interrupted(*arguments, **options):
        if next(moments) == moment:
            raise comfy.model_management.InterruptProcessingException
        write(*arguments, **options)

    monkeypatch.setattr(files, "_write", interrupted)


def test_interrupted_at_every_write_nothing_is_lost_or_done_twice(uncached_app, output, monkeypatch):
    """Holding writes a file for the folder and one for each image, merging one for each."""
    expected = rows(uncached_app.run(without_holding(prompts=PROMPTS[:2])).kept["merged"])
    for moment in range(6):
        with monkeypatch.context() as patch:
            stopping(patch, moment)
            uncached_app.run(holding_graph(PROMPTS[:2], SEED, batch=BATCH))
    assert len(waiting(output / "held" / "held")) == 4
    for moment in range(4):
        with monkeypatch.context() as patch:
            stopping(patch, moment)
            uncached_app.run(taking(max_batch=1))
        assert len(waiting(output / "held" / "held")) + len(improved(output / "held" / "held")) == 4
    uncached_app.run(taking())
    pictures = [numpy.asarray(Image.open(path), dtype=float) for path in improved(output / "held" / "held")]
    assert len(pictures) == 4
    for picture, image in zip(pictures, expected, strict=True):
        assert abs(picture - (255 * image).clamp(0, 255).byte().numpy()).mean() < 0.01


def test_an_image_whose_result_a_killed_process_left_is_not_taken_again(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    first, second = waiting(output / "held" / "held")
    (output / "held" / "held" / "improved").mkdir()
    (output / "held" / "held" / "improved" / f"{first.stem} improved 0.500.png").write_bytes(b"done")
    assert comfy_app.run(taking()).texts["take"] == "1 images taken, 0 more wait"
    assert waiting(output / "held" / "held") == []


def test_a_folder_that_is_named_twice_is_taken_once(comfy_app, output):
    comfy_app.run(holding_graph(PROMPTS[:1], SEED, batch=BATCH))
    graph = {**taking(), "names": node("TestLines", text="held\nheld")}
    run = comfy_app.run(changed(graph, "take", folder=["names", 0]))
    assert run.error is None and len(rows(run.kept["merged"])) == 2
