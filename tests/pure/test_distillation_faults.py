"""What a person's own teacher, names and pictures do to a training: told before it begins, and nothing is lost."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file, save_file

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.distillation import checkpoints, pictures
from tests.pure import teachers
from tests.pure.test_distillation_runs import NUMBERS, distill
from tests.pure.test_evaluate import refused as evaluation_refused

TRAINED = ["--size=32", *NUMBERS]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture(autouse=True)
def own_precision():
    """accelerate keeps one precision for a process; each command has one of its own."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def refused(capsys, base: Path, out: Path, *more: str, teacher: Path | None = None) -> str:
    """The one sentence of a distillation that ends before it begins."""
    path = teacher or teachers.folder("SD1.5", base)
    seen = teachers.pictures(base / "pictures")
    with pytest.raises(SystemExit) as end:
        main(["distill", "--teacher", str(path), "--data", str(seen), "--out", str(out), *TRAINED, *more])
    assert end.value.code == 2
    return capsys.readouterr().err


def damaged(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(teachers.folder("SD1.5", base), tmp_path / "teacher"))


@pytest.mark.parametrize("method", ["add", "lcm", "lcm-lora"])
def test_a_training_in_bfloat16_shows_its_pictures_and_ends(base, tmp_path, method):
    distill(base, "SD1.5", method, tmp_path / "mine", "--dtype=bfloat16")
    assert len(list((tmp_path / "mine" / pictures.FOLDER).glob("*.png"))) == 3


def test_an_adversary_and_another_prediction_learn_in_bfloat16(base, tmp_path):
    distill(base, "SD1.5", "add", tmp_path / "mine", "--dtype=bfloat16", "--features=teacher")
    names = ["--model", str(teachers.folder("SD1.5", base)), "--data", str(teachers.pictures(base / "pictures"))]
    main(["finetune", *names, "--out", str(tmp_path / "v"), *TRAINED, "--dtype=bfloat16"])
    assert (tmp_path / "v" / "learning.png").is_file()


@pytest.mark.parametrize("name", ["training", "workflow", "README.md", "learning.png", "Workflow.JSON", "a" * 200])
def test_a_name_that_a_run_needs_itself_is_refused_at_once(base, tmp_path, capsys, name):
    assert "choose" in refused(capsys, base, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_first_try_that_failed_is_no_training_that_goes_on(base, tmp_path, capsys):
    seen = teachers.pictures(tmp_path / "pictures")
    whole = (seen / "2.png").read_bytes()
    (seen / "2.png").write_bytes(b"")
    words = ["distill", "--teacher", str(teachers.folder("SD1.5", base)), "--data", str(seen), *TRAINED]
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "mine")])
    assert "is no whole image" in capsys.readouterr().err
    assert not (tmp_path / "mine" / "training.json").exists()
    (seen / "2.png").write_bytes(whole)
    main([*words, "--out", str(tmp_path / "mine")])
    assert (tmp_path / "mine" / "mine").is_dir()


def test_a_number_of_steps_that_no_schedule_has_is_refused(base, tmp_path, capsys):
    assert "1001" in refused(capsys, base, tmp_path / "mine", "--teacher-steps=1001")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_teacher_that_lacks_weights_or_has_some_that_are_no_numbers_is_refused(base, tmp_path, capsys, part):
    teacher = damaged(base, tmp_path)
    file = next((teacher / part).glob("*.safetensors"))
    weights = load_file(file)
    name = sorted(weights)[0]
    save_file({**weights, name: torch.full_like(weights[name], float("nan"))}, file, {"format": "pt"})
    assert "not finite" in refused(capsys, base, tmp_path / "mine", teacher=teacher)
    weights.pop(name)
    save_file(weights, file, {"format": "pt"})
    assert "copy the model again" in refused(capsys, base, tmp_path / "mine", teacher=teacher)
    assert not (tmp_path / "mine" / "latents").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"num_train_timesteps": 500}, "500 training timesteps"),
        ({"prediction_type": "foo"}, "prediction_type 'foo'"),
        ({"beta_end": 2.0}, "betas that leave no noise levels"),
    ],
)
def test_a_schedule_that_no_student_can_be_made_on_is_refused(base, tmp_path, capsys, changed, told):
    teacher = damaged(base, tmp_path)
    file = teacher / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
    assert told in refused(capsys, base, tmp_path / "mine", teacher=teacher)


def test_another_teachers_weights_at_the_same_path_are_another_training(base, tmp_path, capsys):
    teacher = damaged(base, tmp_path)
    words = ["distill", "--teacher", str(teacher), "--data", str(teachers.pictures(base / "pictures"))]
    main([*words, "--out", str(tmp_path / "mine"), *TRAINED])
    capsys.readouterr()
    file = next((teacher / "unet").glob("*.safetensors"))
    save_file({name: value + 0.01 for name, value in load_file(file).items()}, file, {"format": "pt"})
    with pytest.raises(SystemExit):
        main([*words, "--out", str(tmp_path / "mine"), *TRAINED])
    assert "has weights" in capsys.readouterr().err
    shutil.rmtree(teacher)
    shutil.copytree(teachers.folder("SD1.5", base), teacher)
    main([*words[:2], f"{teacher}/", *words[3:], "--out", str(tmp_path / "mine"), *TRAINED])


def test_a_size_that_the_teacher_has_no_places_for_is_refused(base, tmp_path, capsys):
    more = ["--size=128", "--method=lcm-lora"]
    assert "up to 64 px" in refused(capsys, base, tmp_path / "mine", *more, teacher=teachers.folder("SD3", base))


def test_the_last_row_of_pictures_outlives_a_kill(tmp_path, monkeypatch):
    rows = torch.zeros(2, 8, 8, 3, dtype=torch.uint8).numpy()
    pictures.keep(tmp_path, 1, rows)
    own = pictures.write_atomically

    def killed(path, data):
        own(path, data)
        raise KeyboardInterrupt

    for last in (lambda path, data: (_ for _ in ()).throw(KeyboardInterrupt), killed):
        with monkeypatch.context() as within, pytest.raises(KeyboardInterrupt):
            within.setattr(pictures, "write_atomically", last)
            pictures.keep(tmp_path, 2, rows)
        assert not pictures.has(tmp_path, 2)
    pictures.keep(tmp_path, 2, rows)
    assert pictures.has(tmp_path, 2)
    assert Image.open(tmp_path / pictures.WHOLE).height == 256


def test_what_kills_left_goes_with_the_next_call(base, tmp_path):
    distill(base, "SD1.5", "lcm-lora", tmp_path / "mine")
    left = tmp_path / "mine" / "loras" / ".mine.safetensors.123.part"
    left.write_bytes(b"half")
    (tmp_path / "mine" / checkpoints.FOLDER / "checkpoint_3").mkdir(parents=True)
    distill(base, "SD1.5", "lcm-lora", tmp_path / "mine")
    assert not left.exists()
    assert not (tmp_path / "mine" / checkpoints.FOLDER).exists()


def test_a_file_that_is_gone_is_told(base, tmp_path, capsys):
    distill(base, "SD1.5", "add", tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine" / "diffusion_models")
    with pytest.raises(SystemExit):
        distill(base, "SD1.5", "add", tmp_path / "mine")
    assert "is gone; put it back" in capsys.readouterr().err


def test_a_systems_own_files_among_checkpoints_end_nothing_and_strangers_are_told(base, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine" / checkpoints.FOLDER
    with monkeypatch.context() as within:
        teachers.stop_after(within, 2)
        with pytest.raises(teachers.Stopped):
            distill(base, "SD1.5", "add", tmp_path / "mine")
    for place in (folder, folder / "checkpoint_1", folder / "checkpoint_2"):
        (place / ".DS_Store").write_bytes(b"x")
    (folder / "checkpoint_old").mkdir()
    with pytest.raises(SystemExit):
        distill(base, "SD1.5", "add", tmp_path / "mine")
    assert "is none of the training's checkpoints; take it away" in capsys.readouterr().err
    assert (folder / "checkpoint_2").is_dir()
    (folder / "checkpoint_old").rmdir()
    distill(base, "SD1.5", "add", tmp_path / "mine")


def test_a_students_own_size_is_drawn_without_being_asked_for(base, tmp_path, capsys):
    names = ["--teacher", str(teachers.folder("SD1.5", base)), "--data", str(teachers.pictures(base / "pictures"))]
    main(["distill", *names, "--out", str(tmp_path / "mine"), *TRAINED, "--size=48x24"])
    student = str(tmp_path / "mine" / "mine")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a large red circle on sky")
    out = tmp_path / "drawn"
    main(["evaluate", "--student", student, *names[:2], f"--prompts={prompts}", f"--out={out}", "--device=cpu"])
    assert {Image.open(path).size for path in out.rglob("*.png")} == {(48, 24)}


def test_a_flow_students_graph_refines_as_flow_models_do(base, tmp_path):
    distill(base, "SD3", "lcm-lora", tmp_path / "mine")
    nodes = json.loads((tmp_path / "mine" / "workflow.json").read_text())
    teacher = next(node for node in nodes.values() if node["class_type"] == "AdaptiveTeacherRefine")
    assert teacher["inputs"]["rollback_scale"] == "variance"


def test_a_table_is_not_told_as_another_estimators(base, tmp_path, capsys):
    distill(base, "SD1.5", "add", tmp_path / "mine", "--table", "--estimator=demo")
    card = (tmp_path / "mine" / "README.md").read_text()
    with pytest.raises(SystemExit):
        distill(base, "SD1.5", "add", tmp_path / "mine")
    assert "name an estimator's file with --estimator" in capsys.readouterr().err
    assert (tmp_path / "mine" / "README.md").read_text() == card


def test_a_student_whose_gate_cannot_be_fitted_is_whole(base, tmp_path, capsys, monkeypatch):
    from adaptive_diffusion.commands import distill as command

    def fails(*_):
        raise ValueError("pairs are too few to fit")
        yield

    monkeypatch.setattr(command, "_measured", fails)
    with pytest.raises(SystemExit):
        distill(base, "SD1.5", "add", tmp_path / "mine")
    told = capsys.readouterr().err
    assert "The student is whole, but pairs are too few" in told
    assert "For ComfyUI put mine.safetensors" in told
    assert (tmp_path / "mine" / "README.md").is_file()


def test_prompts_that_no_judge_knows_are_told_before_anything_is_drawn(base, tmp_path, capsys):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a lighthouse at dusk")
    named = ["--student", str(teachers.folder("SD1.5", base)), f"--prompts={prompts}", f"--out={tmp_path / 'out'}"]
    assert "name what judges other images with --judge" in evaluation_refused(capsys, *named)
    assert "nofile.pt" in evaluation_refused(capsys, *named, "--judge=demo", "--judge=nofile.pt")
    assert "lighthouse" in evaluation_refused(capsys, *named, "--judge=oracle")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ['"dir","text"\n"{}","a red circle on sky"\n', '\ndir,text\n{},"a red circle on sky"\n']
)
@pytest.mark.parametrize("name", ["metadata.csv", "mine.csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_is_read_with_quotes_blank_lines_and_in_utf_16(tmp_path, text, name, encoding):
    from adaptive_diffusion.distillation.data import read_data

    Image.new("RGB", (32, 32)).save(tmp_path / "1.png")
    (tmp_path / name).write_text(text.format("1.png"), encoding)
    assert read_data(tmp_path).prompts == ("a red circle on sky",)


@pytest.mark.parametrize("device", ["", "meta"])
def test_a_device_that_is_none_is_told_or_left_out(base, tmp_path, capsys, device):
    if device:
        assert "device is 'meta'" in refused(capsys, base, tmp_path / "mine", f"--device={device}")
    else:
        distill(base, "SD1.5", "add", tmp_path / "mine", "--device=")
