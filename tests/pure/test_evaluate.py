"""python -m adaptive_diffusion evaluate, on pictures of the demo scenes."""

import json
import random
import re
import sys
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.standalone import demo, models
from adaptive_diffusion.standalone.oracle import Grade, grade
from adaptive_diffusion.standalone.runs import image_name
from adaptive_diffusion.standalone.scenes import read_caption
from training.scenes import dataset, random_scene

torch.set_num_threads(1)
COUNT = 20
SCENES, PICTURES = dataset(COUNT, 1)
PROMPTS = [scene.caption for scene in SCENES]


def write_folder(folder, pictures):
    folder.mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / image_name(i))
    return folder


def write_run(folder, pictures, prompts=PROMPTS, steps: int = 3, **more):
    """A run of generate, every other image improved."""
    write_folder(folder, pictures)
    records = [
        {
            "index": i,
            "prompt": prompt,
            "verdict": "rejected" if i % 2 else "accepted",
            "steps": steps,
            "seconds": 0.25,
            "image": image_name(i),
            **more,
        }
        for i, prompt in enumerate(prompts)
    ]
    (folder / "images.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def evaluate(capsys, *arguments) -> str:
    main(["evaluate", *map(str, arguments)])
    return capsys.readouterr().out


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit, match="^2$"):
        main(["evaluate", *map(str, arguments)])
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def cells(output: str, start: str) -> list[str]:
    """The cells of the one table row that begins so."""
    [row] = [line for line in output.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.fixture
def right(tmp_path):
    return write_run(tmp_path / "right", PICTURES)


@pytest.fixture
def turned(tmp_path):
    """The same prompts with some pictures of other scenes."""
    return write_run(tmp_path / "turned", [*PICTURES[:12], *numpy.roll(PICTURES[12:], 1, axis=0)], steps=7)


def test_a_run_is_told_by_its_estimator_score_and_costs(right, capsys):
    said = evaluate(capsys, right)
    values = demo.load_estimator().score(torch.from_numpy(PICTURES).float() / 255, PROMPTS)
    assert cells(said, right)[1:] == [str(COUNT), "50.0%", "3.00", "0.250"]
    judge, folder, number, mean = cells(said, "Demo")
    assert (folder, number) == (str(right), str(COUNT))
    assert float(mean.split()[0]) == pytest.approx(values.mean().item(), abs=1e-3)


def test_evaluations_are_told_where_a_run_recorded_them(right, tmp_path, capsys):
    told = write_run(tmp_path / "told", PICTURES, evaluations=4.5)
    assert cells(evaluate(capsys, told), told)[1:] == [str(COUNT), "50.0%", "3.00", "4.50", "0.250"]
    both = evaluate(capsys, told, right)
    assert cells(both, "run")[4] == "evaluations an image"
    assert (cells(both, told)[4], cells(both, right)[4]) == ("4.50", "unknown")
    assert "evaluations an image" not in evaluate(capsys, right)
    lines = (told / "images.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    records[3]["evaluations"] = None
    (told / "images.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert "evaluations an image" not in evaluate(capsys, told)


def test_the_oracle_tells_right_pictures_from_wrong_ones(right, turned, capsys):
    said = evaluate(capsys, right, turned, "--judge", "oracle")
    shares = [line.split("|")[4].strip() for line in said.splitlines() if line.startswith("| oracle | /")]
    assert [share.split()[0] for share in shares] == ["1.000", "0.600"]
    [wins] = [line for line in said.splitlines() if re.match(r"\| oracle \| \d", line)]
    assert [cell.strip() for cell in wins.split("|")[2:5]] == ["8", "12", "0"]
    assert "| 1.000 (0.676 to 1.000) | 0.0078 |" in wins
    assert "Wilson's of a share" in said


def test_swapping_two_folders_swaps_wins_and_losses(right, turned, capsys):
    one, other = (cells(evaluate(capsys, *pair).split("p |")[1], "Demo") for pair in ((right, turned), (turned, right)))
    assert one[1:4] == other[3:0:-1] and int(one[1]) > int(one[3])


def test_several_judges_each_have_their_rows(right, capsys):
    said = evaluate(capsys, right, "--judge", "demo", "--judge", "oracle")
    assert cells(said, "Demo")[2] == cells(said, "oracle")[2] == str(COUNT)


def test_an_estimators_file_comes_with_what_clip_needs(right, monkeypatch, capsys):
    asked, judge = [], demo.load_estimator()
    judge.name = "CLIPScore"
    monkeypatch.setattr(models.estimators, "load", lambda path, **options: asked.append((path, options)) or judge)
    clip = ["--clip-tokenizer", "words", "--clip-vision", "eyes.safetensors"]
    said = evaluate(capsys, right, "--judge", "clip.safetensors", *clip, "--device", "cpu")
    assert cells(said, "CLIPScore")[2] == str(COUNT)
    assert asked == [
        ("clip.safetensors", {"clip_tokenizer": Path("words"), "clip_vision": Path("eyes.safetensors")}),
    ]


def test_a_plain_folder_is_judged_by_name_with_the_prompts_of_a_file(right, tmp_path, capsys):
    different = list(dict.fromkeys(PROMPTS))
    pictures = [PICTURES[PROMPTS.index(prompt)] for prompt in different]
    folder = write_folder(tmp_path / "plain", pictures)
    (folder / "notes.md").write_text("no image")
    (tmp_path / "prompts.txt").write_text("\n".join(different))
    said = evaluate(capsys, folder, "--prompts", tmp_path / "prompts.txt", "--judge", "oracle")
    assert cells(said, "oracle")[2:] == [str(len(different)), cells(said, "oracle")[3]]
    assert cells(said, "oracle")[3].startswith("1.000 (")
    assert "steps" not in said


def test_a_prompt_that_stands_there_several_times_has_as_many_pictures(tmp_path, capsys):
    prompts = [PROMPTS[0], PROMPTS[0], PROMPTS[1]]
    folder = write_folder(tmp_path / "plain", [PICTURES[0], PICTURES[0], PICTURES[1]])
    (tmp_path / "prompts.tsv").write_text("Prompt\tCategory\n" + "".join(f"{prompt}\tx\n" for prompt in prompts))
    table = ["--prompts", tmp_path / "prompts.tsv", "--column", "Prompt"]
    assert cells(evaluate(capsys, folder, *table, "--judge", "oracle"), "oracle")[2] == "3"


def test_a_judge_that_does_not_read_a_whole_prompt_says_so(right, monkeypatch, capsys):
    judge = demo.load_estimator()
    judge.max_tokens = 5
    monkeypatch.setattr(models, "load_estimator", lambda *_: judge)
    main(["evaluate", str(right)])
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert re.fullmatch(r"warning: Demo reads the first 5 of \d+ tokens of 'a .*\.\.\.', and cuts \d+ more", line)


def numbered(folder, names=tuple(f"{i}.png" for i in range(16))):
    """A plain folder with a picture of each of the first prompts under these names."""
    folder.mkdir()
    for name, picture in zip(names, PICTURES, strict=False):
        Image.fromarray(picture).save(folder / name)
    return folder


def in_order(folder, count: int = 16):
    path = folder.with_suffix(".txt")
    path.write_text("\n".join(PROMPTS[:count]))
    return ["--prompts", path, "--judge", "oracle"]


def all_right(said: str, count: int) -> bool:
    """Whether the oracle found every picture to show its prompt."""
    return cells(said, "oracle")[2] == str(count) and cells(said, "oracle")[3].startswith("1.000 (")


@pytest.mark.parametrize(
    "names",
    [
        [f"{i}.png" for i in range(16)],
        [f"Image {i} (final).PNG" for i in range(16)],
        [f"{i // 10}_seed{i % 10}_v{i}.png" for i in range(16)],
        ["01.png", "1.png", "a9.png", "A10.png", "b.png"],
    ],
)
def test_images_are_paired_in_natural_order(names, tmp_path, capsys):
    folder = numbered(tmp_path / "plain", names)
    assert all_right(evaluate(capsys, folder, *in_order(folder, len(names))), len(names))


def test_images_that_lie_on_their_side_are_judged_upright(tmp_path, capsys):
    folder = numbered(tmp_path / "plain", [f"{i:02d}.png" for i in range(16)])
    exif = Image.Exif()
    exif[0x0112] = 6
    for i, path in enumerate(sorted(folder.iterdir())):
        if i % 2:
            with Image.open(path) as image:
                image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert all_right(evaluate(capsys, folder, *in_order(folder)), 16)


def test_side_files_are_passed_over_and_what_else_is_no_image_is_named_in_one_line(tmp_path, capsys):
    folder = numbered(tmp_path / "plain")
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", "prompts.csv", "10.txt"):
        (folder / name).write_text("x")
    (folder / "17.png").mkdir()
    assert all_right(evaluate(capsys, folder, *in_order(folder)), 16)
    for name in ("a10.tiff", "a9.heic", "notes.md"):
        (folder / name).write_text("x")
    main(["evaluate", *map(str, (folder, *in_order(folder)))])
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert told == [
        f"warning: passed over in '{folder}', as they are no .png, .jpg, .jpeg, .webp: a9.heic, a10.tiff, notes.md"
    ]


def write_table(folder, form: str, names, prompts) -> None:
    if form == "csv":
        rows = [f'{name},x,"{prompt}"' for name, prompt in zip(names, prompts, strict=True)]
        (folder / "metadata.csv").write_text("\n".join(["file_name,split,text", *rows]))
    else:
        rows = [{"file_name": name, "text": prompt} for name, prompt in zip(names, prompts, strict=True)]
        (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_table_in_the_folder_pairs_files_and_prompts(form, tmp_path, capsys):
    names = [f"{letter}.png" for letter in "qwertyuiopasdfgh"]
    folder = numbered(tmp_path / "plain", names)
    write_table(folder, form, names[:-1], PROMPTS[:15])
    main(["evaluate", str(folder), "--judge", "oracle"])
    said = capsys.readouterr()
    assert all_right(said.out, 15)
    assert f"warning: passed over in '{folder}', as they are not in metadata.{form}: h.png\n" in said.err
    sub = folder.parent / "table"
    sub.mkdir()
    write_table(sub, form, [f"../plain/{name}" for name in names], PROMPTS[:16])
    assert all_right(evaluate(capsys, sub, "--judge", "oracle"), 16)


def test_prompts_that_are_given_count_more_than_the_folders_own_table(tmp_path, capsys):
    folder = numbered(tmp_path / "plain")
    write_table(folder, "csv", ["0.png"], ["a dragon"])
    assert all_right(evaluate(capsys, folder, *in_order(folder)), 16)


def test_a_table_that_does_not_fit_is_one_sentence(tmp_path, capsys):
    folder = numbered(tmp_path / "plain")
    table, listed = folder / "metadata.csv", "".join(f"{i}.png,{PROMPTS[i]}\n" for i in range(16))
    for content, sentence in {
        "file_name,label\n0.png,x\n": "line 1 of 'metadata.csv' has no column 'text', only 'file_name', 'label'",
        "file_name,text\n": "metadata.csv' names no images; write a line for each, or take it away",
        f"file_name,text\n{listed}99.png,a red circle\n": "99.png' is no whole image (No such file or directory)",
    }.items():
        table.write_text(content)
        assert sentence in refused(capsys, folder)


def test_a_damaged_image_is_named(tmp_path, capsys):
    folder = numbered(tmp_path / "plain")
    (folder / "11.png").write_bytes((folder / "11.png").read_bytes()[:300])
    assert "11.png' is no whole image" in refused(capsys, folder, *in_order(folder))


def test_images_of_several_sizes_are_judged_in_their_order(tmp_path, capsys):
    folder = write_run(tmp_path / "sizes", PICTURES)
    for i in (0, 3, 4):
        with Image.open(folder / image_name(i)) as image:
            image.resize((128, 64)).save(folder / image_name(i))
    assert "images of 64 px, not 128x64" in refused(capsys, folder, "--judge", "oracle")
    mean = float(cells(evaluate(capsys, folder), "Demo")[3].split()[0])
    one_by_one = []
    judge = demo.load_estimator()
    for i, prompt in enumerate(PROMPTS):
        with Image.open(folder / image_name(i)) as image:
            pixels = torch.from_numpy(numpy.array(image.convert("RGB")))[None].float() / 255
        one_by_one.append(judge.score(pixels, prompt).item())
    assert mean == pytest.approx(numpy.mean(one_by_one), abs=1e-3)


def test_what_cannot_be_evaluated_is_one_sentence(right, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    plain = write_folder(tmp_path / "plain", PICTURES)
    short = write_run(tmp_path / "short", PICTURES[:5], PROMPTS[:5])
    mixed = write_run(tmp_path / "mixed", PICTURES, PROMPTS[::-1])
    (tmp_path / "two.txt").write_text("a red circle on sky\na blue circle on sky")
    assert "there are no images in" in refused(capsys, empty)
    assert "there are no images in" in refused(capsys, tmp_path / "nowhere")
    assert "Demo needs the prompts that" in refused(capsys, plain)
    assert "2 prompts came for the 20 images" in refused(capsys, plain, "--prompts", tmp_path / "two.txt")
    assert f"has 20 images and '{short}' 5; compare images of the same prompts" in refused(capsys, right, short)
    assert "image 0 was drawn for" in refused(capsys, right, mixed)
    assert "3 folders came; name one, or two to compare" in refused(capsys, right, right, right)
    assert "there is no weight file 'nothing.pt'" in refused(capsys, right, "--judge", "nothing.pt")
    dragons = write_run(tmp_path / "dragons", PICTURES[:1], ["a dragon"])
    assert "the oracle cannot read 'a dragon'" in refused(capsys, dragons, "--judge", "oracle")
    (right / image_name(3)).unlink()
    assert image_name(3) in refused(capsys, right)


def test_the_oracle_judges_without_what_only_the_repository_has(right, monkeypatch, capsys):
    for name in ["training", *(name for name in sys.modules if name.startswith("training."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "adaptive_diffusion.standalone.oracle", raising=False)
    assert cells(evaluate(capsys, right, "--judge", "oracle"), "oracle")[3].startswith("1.000 (")


def test_what_is_missing_in_an_image_is_wrong():
    blank = numpy.full((64, 64, 3), 246, dtype=numpy.uint8)
    things = ("count", "colour", "shape", "place")
    for caption, share, wrong in (
        ("a small green circle on white", 0.2, things),
        ("a red cross above a red cross on sky", 0.0, ("background", *things)),
    ):
        assert grade(blank, read_caption(caption)) == Grade(False, share, wrong)


def test_evaluating_changes_nothing_not_even_a_half_written_record(right, capsys):
    with (right / "images.jsonl").open("a") as file:
        file.write('{"index": 20, "pro')
    before = {path.name: path.read_bytes() for path in right.iterdir()}
    assert cells(evaluate(capsys, right), "Demo")[2] == str(COUNT)
    assert {path.name: path.read_bytes() for path in right.iterdir()} == before


def test_captions_and_scenes_are_the_same_both_ways():
    rng = random.Random(5)
    for i in range(300):
        scene = random_scene(rng, 1 + i % 3)
        assert read_caption(scene.caption) == scene
    for text in (
        "",
        "a large red circle on mars",
        "a red circle on sky",
        "a small dog on sky",
        "a large red circle in a hat on sky",
    ):
        with pytest.raises(ValueError, match="the oracle cannot read"):
            read_caption(text)
