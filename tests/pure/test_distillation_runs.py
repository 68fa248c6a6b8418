"""Each method on tiny teachers of each layout: it learns, goes on to the same bits, and its student draws."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from accelerate import tracking
from accelerate.utils import LoggerType
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.commands import training
from adaptive_diffusion.distillation import checkpoints, making
from tests.pure import teachers, tiny
from tests.pure.teachers import Stopped, dino, stop_after

DISTILL = [
    *[(layout, method) for layout in ("SD1.5", "SD2-v", "SDXL") for method in ("add", "lcm", "lcm-lora")],
    ("SD3", "lcm-lora"),
]
NUMBERS = ["--steps=3", "--batch=2", "--save-every=1", "--rate=1e-3", "--device=cpu"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("teachers")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def distill(base: Path, layout: str, method: str, out: Path, *more: str) -> None:
    seen = teachers.pictures(base / "pictures")
    rank = ["--rank=4"] if method == "lcm-lora" else []
    teacher = teachers.folder(layout, base)
    names = ["--teacher", str(teacher), "--data", str(seen), "--out", str(out), "--method", method]
    main(["distill", *names, "--size=32", *NUMBERS, *rank, *more])


def files(folder: Path) -> dict[str, bytes]:
    """What came out, by name; the teacher's own parts are no result."""
    kept = ("mine/unet", "mine/transformer", "loras", "diffusion_models", "pictures")
    found = [path for name in kept for path in (folder / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize(("layout", "method"), DISTILL)
def test_a_stopped_training_ends_in_the_same_bits(base, tmp_path, monkeypatch, layout, method):
    whole, cut = tmp_path / "whole" / "mine", tmp_path / "cut" / "mine"
    distill(base, layout, method, whole)
    with monkeypatch.context() as within:
        stop_after(within, 2)
        with pytest.raises(Stopped):
            distill(base, layout, method, cut)
    assert not (cut / "mine").exists()
    distill(base, layout, method, cut)
    assert files(cut) == files(whole)
    assert len(files(whole)) >= 4
    assert not (whole / checkpoints.FOLDER).exists()


@pytest.mark.parametrize(("layout", "method"), DISTILL)
def test_the_student_learned_and_draws_as_an_unchanged_pipeline(base, tmp_path, layout, method):
    distill(base, layout, method, tmp_path / "mine")
    teacher = DiffusionPipeline.from_pretrained(teachers.folder(layout, base))
    student = DiffusionPipeline.from_pretrained(tmp_path / "mine" / "mine")
    part = "transformer" if layout == "SD3" else "unet"
    before, after = getattr(teacher, part).state_dict(), getattr(student, part).state_dict()
    assert any((after[name] - before[name]).abs().max() > 1e-4 for name in before)
    drawn = student(tiny.PROMPTS[0], num_inference_steps=2, guidance_scale=1.5, width=32, height=32, output_type="np")
    assert drawn.images.shape == (1, 32, 32, 3)
    asked = json.loads((tmp_path / "mine" / "mine" / "settings.json").read_text())["student"]
    assert asked["steps"] == (1 if method == "add" else 4)


@pytest.mark.parametrize("features", ["teacher", "dino"])
def test_an_adversary_learns_and_goes_on_to_the_same_bits(base, tmp_path, monkeypatch, features):
    named = features if features == "teacher" else str(dino(base / "dino"))
    whole, cut = tmp_path / "whole" / "mine", tmp_path / "cut" / "mine"
    distill(base, "SD1.5", "add", whole, "--features", named)
    with monkeypatch.context() as within:
        stop_after(within, 1)
        with pytest.raises(Stopped):
            distill(base, "SD1.5", "add", cut, "--features", named)
    assert (cut / checkpoints.FOLDER / "checkpoint_1" / "trained_1.safetensors").is_file()
    distill(base, "SD1.5", "add", cut, "--features", named)
    assert files(cut) == files(whole)
    distill(base, "SD1.5", "add", tmp_path / "alone" / "mine")
    assert files(tmp_path / "alone" / "mine") != files(whole)


def test_a_checkpoint_that_was_cut_falls_back_to_the_one_before(base, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole" / "mine", tmp_path / "cut" / "mine"
    distill(base, "SD1.5", "lcm", whole)
    for name, damage in (("optimizer.bin", 100), ("trained_0.safetensors", 10), ("whole.json", 1)):
        with monkeypatch.context() as within:
            stop_after(within, 2)
            with pytest.raises(Stopped):
                distill(base, "SD1.5", "lcm", cut)
        newest = cut / checkpoints.FOLDER / "checkpoint_2" / name
        newest.write_bytes(newest.read_bytes()[:-damage])
        assert (cut / checkpoints.FOLDER / "checkpoint_1").is_dir()
    distill(base, "SD1.5", "lcm", cut)
    assert files(cut) == files(whole)


def test_a_loras_checkpoint_holds_no_frozen_weights(base, tmp_path, monkeypatch):
    stop_after(monkeypatch, 1)
    with pytest.raises(Stopped):
        distill(base, "SDXL", "lcm-lora", tmp_path / "mine")
    folder = tmp_path / "mine" / checkpoints.FOLDER / "checkpoint_1"
    names = load_file(folder / "trained_0.safetensors")
    assert names and all("lora_" in name for name in names)
    frozen = (teachers.folder("SDXL", base) / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    trained = sum(value.nbytes for value in names.values())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3 * trained + 200_000
    assert not any(path.stat().st_size == frozen for path in folder.iterdir())


def test_the_teacher_draws_what_a_file_of_prompts_asks_for_once(base, tmp_path, monkeypatch):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(tiny.PROMPTS))
    stop_after(monkeypatch, 1)
    out = tmp_path / "mine"
    with pytest.raises(Stopped):
        distill(base, "SD1.5", "add", out, "--data", str(prompts), "--pictures=2", "--teacher-steps=2")
    [chunk] = sorted((out / making.LATENTS).iterdir())
    assert load_file(chunk)["latents"].shape[0] == 2 * len(tiny.PROMPTS)
    written = chunk.stat().st_mtime_ns
    with pytest.raises(Stopped):
        stop_after(monkeypatch, 2)
        distill(base, "SD1.5", "add", out, "--data", str(prompts), "--pictures=2", "--teacher-steps=2")
    assert chunk.stat().st_mtime_ns == written


class Recorder(tracking.GeneralTracker):
    """In TensorBoard's place: what accelerate logs to it."""

    name, requires_logging_directory = "tensorboard", True
    logged: ClassVar[list] = []

    def __init__(self, run_name, logging_dir, **_):
        self.place = Path(logging_dir)

    @property
    def tracker(self):
        return self

    def start(self):
        pass

    def store_init_configuration(self, values):
        pass

    def log(self, values, step, **_):
        self.logged.append((self.place.name, step, sorted(values)))


def test_losses_are_logged_step_by_step_also_after_a_stop(base, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: True)
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType.TENSORBOARD])
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "tensorboard", Recorder)
    monkeypatch.setattr(Recorder, "logged", [])
    asked = ("--tensorboard", "--features=teacher")
    with monkeypatch.context() as within:
        stop_after(within, 2)
        with pytest.raises(Stopped):
            distill(base, "SD1.5", "add", tmp_path / "mine", *asked)
    assert Recorder.logged == [("logs", 1, ["heads", "student"])]
    distill(base, "SD1.5", "add", tmp_path / "mine", *asked)
    assert Recorder.logged[1:] == [("logs", 3, ["heads", "student"])]


def test_tensorboard_that_is_not_there_is_one_sentence(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        distill(base, "SD1.5", "add", tmp_path / "mine", "--tensorboard")
    assert "TensorBoard is not installed; run: pip install tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


CONVERTED = [
    ("SD1.5", "v_prediction", True),
    ("SD1.5", "v_prediction", False),
    ("SD1.5", "sample", True),
    ("SD2-v", "epsilon", False),
    ("SD2-v", "v_prediction", True),
    ("SDXL", "v_prediction", True),
]


@pytest.mark.parametrize(("layout", "kind", "zero"), CONVERTED)
def test_a_model_learns_another_prediction_and_says_so(base, tmp_path, monkeypatch, layout, kind, zero):
    whole, cut = tmp_path / "whole" / "mine", tmp_path / "cut" / "mine"
    seen, model = teachers.pictures(base / "pictures"), teachers.folder(layout, base)
    more = [f"--prediction={kind}", *(["--zero-snr"] if zero else [])]

    def finetune(out):
        main(["finetune", "--model", str(model), "--data", str(seen), "--out", str(out), "--size=32", *NUMBERS, *more])

    finetune(whole)
    with monkeypatch.context() as within:
        stop_after(within, 2)
        with pytest.raises(Stopped):
            finetune(cut)
    finetune(cut)
    assert files(cut) == files(whole)
    written = json.loads((whole / "mine" / "scheduler" / "scheduler_config.json").read_text())
    assert written["prediction_type"] == kind
    assert written["rescale_betas_zero_snr"] is zero
    assert written["timestep_spacing"] == "trailing"
    pipeline = DiffusionPipeline.from_pretrained(whole / "mine")
    assert pipeline(tiny.PROMPTS[0], num_inference_steps=2, width=32, height=32, output_type="np").images.max() <= 1
