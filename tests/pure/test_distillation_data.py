"""What a student may learn from, in every form; and what is refused, in a sentence, before anything is made."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.distillation import checkpoints, layouts, memory, recipe
from adaptive_diffusion.distillation.data import read_data
from adaptive_diffusion.standalone.galleries import open_gallery
from tests.pure import teachers, tiny
from tests.pure.teachers import Stopped, dino, stop_after

CAPTIONS = ["a red one", 'a "quoted", one', "ein grünes"]


def images(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.new("RGB", (32, 32), (80 * i, 20, 20)).save(folder / f"{i}.png")
    return folder


def csv(folder: Path, name: str, column: str) -> None:
    rows = ["0.png,a red one", '1.png,"a ""quoted"", one"', "2.png,ein grünes"]
    (folder / name).write_text("\n".join([f"{column},text", *rows]) + "\n", "utf-8")


def jsonl(folder: Path) -> None:
    rows = [json.dumps({"file_name": f"{i}.png", "text": text}) for i, text in enumerate(CAPTIONS)]
    (folder / "metadata.jsonl").write_text("\n".join(rows))


def beside(folder: Path) -> None:
    for i, text in enumerate(CAPTIONS):
        (folder / f"{i}.txt").write_text(f" {text}\n", "utf-8")


FORMS = {
    "metadata.csv": lambda folder: csv(folder, "metadata.csv", "file_name"),
    "metadata.csv of dir": lambda folder: csv(folder, "metadata.csv", "dir"),
    "another csv of dir": lambda folder: csv(folder, "train.csv", "dir"),
    "metadata.jsonl": jsonl,
    "text beside": beside,
}


@pytest.mark.parametrize("form", FORMS)
def test_images_are_paired_with_their_captions_alike_in_every_form(tmp_path, form):
    FORMS[form](images(tmp_path))
    data = read_data(tmp_path)
    assert [path.name for path in data.images] == ["0.png", "1.png", "2.png"]
    assert list(data.prompts) == CAPTIONS
    assert open_gallery(tmp_path).prompts == data.prompts


def test_images_may_lie_in_folders_of_their_own(tmp_path):
    images(tmp_path / "of" / "mine", 1)
    (tmp_path / "any.csv").write_text("dir,text\nof/mine/0.png,a red one\n")
    assert read_data(tmp_path).images == (tmp_path / "of" / "mine" / "0.png",)


def test_prompts_are_repeated_for_their_pictures(tmp_path):
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    assert read_data(tmp_path / "prompts.txt", pictures=2).prompts == ("one", "one", "two", "two")


def test_a_table_that_is_no_table_of_images_pairs_nothing(tmp_path):
    """A folder of images and a file of prompts is a gallery without known prompts, as before."""
    (images(tmp_path) / "scores.csv").write_text("name,score\n0.png,3\n")
    assert open_gallery(tmp_path).prompts == ()


def broken(folder: Path, what: str) -> None:
    FORMS["metadata.csv"](images(folder))
    table = folder / "metadata.csv"
    lines = table.read_text("utf-8").splitlines()
    if what == "missing":
        (folder / "1.png").unlink()
    elif what == "empty":
        table.write_text("\n".join([*lines[:2], "1.png,  ", lines[3]]))
    elif what == "column":
        table.write_text("\n".join(["picture,words", *lines[1:]]))
    elif what == "nothing pairs":
        table.unlink()
    elif what == "half":
        table.unlink()
        (folder / "0.txt").write_text("a red one")
    elif what == "damaged":
        (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:40])


REFUSED = {
    "missing": "there is no image '.*1.png'; put it there, or take its line away",
    "empty": "nothing says what '.*1.png' shows; write its caption, or take the image away",
    "column": "line 1 of 'metadata.csv' has no column 'file_name', only 'picture', 'words'",
    "nothing pairs": "nothing in '.*' says what its images show; write metadata.csv",
    "half": "lacks 1.txt, 2.txt; write one beside each image",
}


@pytest.mark.parametrize("what", REFUSED)
def test_pairs_that_are_none_are_refused(tmp_path, what):
    broken(tmp_path, what)
    with pytest.raises(ValueError, match=REFUSED[what]):
        read_data(tmp_path)


def test_a_table_in_another_encoding_is_told_as_such(tmp_path):
    (images(tmp_path) / "metadata.csv").write_bytes("file_name,text\n0.png,ein gr\xfcnes\n".encode("latin-1"))
    with pytest.raises(ValueError, match="metadata.csv.*UTF-8"):
        read_data(tmp_path)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("teachers")
    teachers.pictures(folder / "pictures")
    return folder


def refused(capsys, *arguments: str, command: str = "distill") -> str:
    """The one line with which the command ends."""
    with pytest.raises(SystemExit) as stopped:
        main([command, *arguments])
    assert stopped.value.code == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    return line


def asked(base: Path, out: Path, *more: str, layout: str = "SD1.5") -> list[str]:
    teacher = ["--teacher", str(teachers.folder(layout, base))] if layout else []
    small = ["--size=32", "--steps=2", "--batch=2", "--device=cpu", "--data", str(base / "pictures")]
    return [*teacher, "--out", str(out), *small, *more]


SENTENCES = {
    "size": (["--size=33"], "--size is 33; choose a multiple of 8"),
    "guidance": (["--guidance", "0.5", "2"], "guidance is 0.5 to 2; give the lower scale first"),
    "guidance turned": (["--guidance", "5", "2"], "guidance is 5 to 2; give the lower scale first"),
    "guidance nan": (["--guidance", "nan", "2"], "guidance is nan to 2; give the lower scale first"),
    "rate": (["--rate=2"], "rate is 2; give a learning rate between 0 and 1"),
    "features": (["--features=nowhere"], "'nowhere' gives no features"),
    "features of lcm": (
        ["--method=lcm", "--features=teacher"],
        "'teacher', but only add has an adversary",
    ),
    "seed": ([f"--seed={2**70}"], f"--seed is {2**70}; "),
    "seed of words": (["--seed=mine"], "--seed is 'mine'; "),
    "half on a CPU": (["--dtype=float16"], "--dtype is float16, in which a CPU does not train; choose float32 or"),
    "no such device": (["--device=abc"], "device is 'abc', which torch has not got here; choose cpu"),
    "table": (["--table"], "nothing scores the student's images for --table; name an estimator's file"),
    "data": (["--data=nothing.csv"], "'nothing.csv' cannot be read"),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_settings_that_cannot_be_are_one_sentence_and_leave_nothing(base, tmp_path, capsys, what):
    more, sentence = SENTENCES[what]
    assert sentence in refused(capsys, *asked(base, tmp_path / "mine", *more))
    assert not (tmp_path / "mine").exists()


def test_classes_that_are_not_known_are_named(base, tmp_path, capsys):
    flux = base / "flux"
    if not flux.exists():
        tiny.new_flux_teacher().save_pretrained(flux)
    line = refused(capsys, "--teacher", str(flux), *asked(base, tmp_path / "mine", layout=""))
    assert "the teacher is a Flux" in line
    assert "StableDiffusionPipeline, StableDiffusionXLPipeline, StableDiffusion3Pipeline" in line
    line = refused(capsys, *asked(base, tmp_path / "mine", "--method=add", layout="SD3"))
    assert "a StableDiffusion3Pipeline can be distilled as a LoRA alone; choose --method lcm-lora" in line
    line = refused(capsys, "--teacher", str(tmp_path), *asked(base, tmp_path / "mine", layout=""))
    assert "there is no model in" in line


def test_a_student_is_no_teacher(base, tmp_path, capsys):
    path = base / "guided"
    if not path.exists():
        pipeline = teachers.stable_diffusion()
        pipeline.register_modules(unet=teachers.unet(time_cond_proj_dim=256))
        pipeline.save_pretrained(path)
    line = refused(capsys, "--teacher", str(path), *asked(base, tmp_path / "mine", layout=""))
    assert "takes its guidance as an input, as students do; name the teacher that it was made of" in line
    assert not (tmp_path / "mine").exists()


def test_a_teacher_without_its_network_is_named(base, tmp_path, capsys):
    half = shutil.copytree(teachers.folder("SD1.5", base), tmp_path / "half")
    shutil.rmtree(half / "unet")
    line = refused(capsys, "--teacher", str(half), *asked(base, tmp_path / "mine", layout=""))
    assert f"'{half}' cannot be loaded: it lacks unet; copy all of the model's folders" in line
    index = json.loads((half / "model_index.json").read_text())
    (half / "model_index.json").write_text(json.dumps({**index, "_class_name": "NobodysPipeline"}))
    assert "cannot be loaded: " in refused(capsys, "--teacher", str(half), *asked(base, tmp_path / "mine", layout=""))
    assert not (tmp_path / "mine").exists()


def test_sizes_that_the_autoencoder_cannot_take_are_told_with_the_nearest(base, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(layouts.StableDiffusion, "multiple", 24)
    line = refused(capsys, *asked(base, tmp_path / "mine", "--size=64x8"))
    assert "size is 64x8, but the teacher's autoencoder takes multiples of 24; give 72x24" in line
    assert not (tmp_path / "mine").exists()


def test_features_of_another_width_do_not_go_on(base, tmp_path, capsys, monkeypatch):
    out, features = tmp_path / "mine", dino(tmp_path / "dino", 16)
    settings = asked(base, out, "--features", str(features), "--save-every=1")
    with monkeypatch.context() as within:
        stop_after(within, 1)
        with pytest.raises(Stopped):
            main(["distill", *settings])
    kept = sorted(path for path in (out / checkpoints.FOLDER).rglob("*"))
    dino(features, 24)
    line = refused(capsys, *settings)
    assert "checkpoint_1' has '0.image.weight' of shape [64, 16] instead of [64, 24], so that teacher or" in line
    assert "put back those that it was begun with, or choose another folder" in line
    assert sorted(path for path in (out / checkpoints.FOLDER).rglob("*")) == kept
    dino(features, 16)
    main(["distill", *settings])
    assert (out / "mine").is_dir()


def test_what_a_model_cannot_be_taught_is_refused(base, tmp_path, capsys):
    def finetune(layout: str, *more: str) -> str:
        return finetuning_refused(base, tmp_path / "mine", capsys, *more, layout=layout)

    assert "the model predicts epsilon on these noise levels already" in finetune("SD1.5", "--prediction=epsilon")
    assert "at zero SNR the noise is all there is" in finetune("SD1.5", "--prediction=epsilon", "--zero-snr")
    assert "a StableDiffusion3Pipeline predicts a flow, which is not converted here" in finetune("SD3")


def test_another_trainings_folder_is_left_as_it_is(base, tmp_path, capsys):
    out = tmp_path / "mine"
    main(["distill", *asked(base, out)])
    before = sorted(path for path in out.rglob("*"))
    line = refused(capsys, *asked(base, out, "--steps=3"))
    assert f"the training in '{out}' has steps 2 instead of 3; choose another folder" in line
    line = refused(capsys, *asked(base, out, "--method=lcm"))
    assert "has method 'add' instead of 'lcm'" in line
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    assert "holds files of something else" in refused(capsys, *asked(base, other))
    assert sorted(path for path in out.rglob("*")) == before
    assert [path.name for path in other.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("name", ["latents", "loras", "checkpoints"])
def test_a_student_cannot_be_called_as_a_part_of_its_folder(base, tmp_path, capsys, name):
    assert "cannot be called so; choose a name for your student" in refused(capsys, *asked(base, tmp_path / name))


def test_a_damaged_image_is_named_before_training(base, tmp_path, capsys):
    broken(tmp_path / "data", "damaged")
    line = refused(capsys, *asked(base, tmp_path / "mine", "--data", str(tmp_path / "data")))
    assert "1.png' is no whole image" in line
    assert not (tmp_path / "mine" / checkpoints.FOLDER).exists()


def test_a_loss_that_is_not_finite_ends_the_training(base, tmp_path, capsys, monkeypatch):
    from adaptive_diffusion.distillation import score_distillation

    found = iter([0.1, 0.1, float("nan")])
    monkeypatch.setattr(score_distillation, "distance", lambda levels, student, *_: student.mean() * 0 + next(found))
    out = tmp_path / "mine"
    line = refused(capsys, *asked(base, out, "--steps=5", "--save-every=1"))
    assert "the student's loss is nan at step 2; give a lower --rate in another folder, or float32" in line
    assert (out / checkpoints.FOLDER / "checkpoint_2").is_dir()
    assert not (out / "mine").exists()


def test_memory_that_will_not_do_is_told_with_what_helps(base, tmp_path, capsys, monkeypatch):
    """And nothing is begun, so that the same folder can be used with the flags that help."""
    out = tmp_path / "mine"
    with monkeypatch.context() as within:
        within.setattr(memory, "free_on", lambda device: -1.0)
        line = refused(capsys, *asked(base, out))
        assert "this training needs about" in line
        assert "--method lcm-lora, --checkpointing, --batch 1, --dtype bfloat16, a smaller --size" in line
        assert not out.exists()
        assert "this training needs about" in finetuning_refused(base, out, capsys)
        assert not out.exists()
    main(["distill", *asked(base, out, "--checkpointing")])
    assert (out / "mine").is_dir()


def test_a_finished_student_needs_no_memory_for_its_training(base, tmp_path, monkeypatch):
    out = tmp_path / "mine"
    main(["distill", *asked(base, out)])
    monkeypatch.setattr(memory, "free_on", lambda device: -1.0)
    main(["distill", *asked(base, out)])


def finetuning_refused(base: Path, out: Path, capsys, *more: str, layout: str = "SD1.5") -> str:
    model = ["--model", str(teachers.folder(layout, base))]
    return refused(capsys, *model, *asked(base, out, layout=""), *more, command="finetune")


def test_usual_guidance_is_around_the_teachers_own():
    assert recipe.usual_guidance("add", 2.0) == (2.0, 2.0)
    assert recipe.usual_guidance("lcm-lora", 7.0) == (7.0, 7.0)
    assert recipe.usual_guidance("lcm", 2.0) == (1.5, 3.0)
