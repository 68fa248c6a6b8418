"""The newcomer's path: a student of the demo's teacher, its table, and an image of it, in two commands."""

import json
import shlex

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.commands import calibrate
from adaptive_diffusion.distillation import checkpoints, disk
from adaptive_diffusion.gate import fitting
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.standalone import models

CAPTIONS = ["a large red circle on sky", "a small blue square on white", "a red cross above a green circle on sand"]


@pytest.fixture
def prompts(tmp_path):
    torch.set_num_threads(1)
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(CAPTIONS))
    return file


def distill(prompts, out, *more: str) -> None:
    numbers = ["--steps=2", "--batch=2", "--pictures=1", "--device=cpu"]
    main(["distill", f"--out={out}", f"--data={prompts}", *numbers, *more])


def test_a_student_of_the_demo_is_drawn_with_at_once(prompts, tmp_path, capsys):
    out = tmp_path / "my-student"
    distill(prompts, out, "--table")
    said = capsys.readouterr().out
    assert f"For ComfyUI put my-student.safetensors from {out / 'loras'} into ComfyUI/models/loras." in said
    assert "Put my-student.json into ComfyUI/user/adaptive_diffusion/percentiles" in said
    assert f"Drag {out / 'workflow.json'} onto ComfyUI's page" in said
    table = PercentileTable.load(out / "my-student.json")
    assert len(table.scores) == 3
    assert table.student["name"] == "my-student"
    assert table.student["lora"] is True
    graph = json.loads((out / "workflow.json").read_text())
    assert graph["10"]["inputs"]["table"] == "my-student"
    assert graph["20"]["inputs"]["lora_name"] == "my-student.safetensors"
    card = (out / "README.md").read_text()
    assert all(word in card for word in ("| method | add |", "| steps | 2 |", "| seed | 0 |", "my-student.json"))
    parts = {"my-student", "loras", "latents", "pictures", "learning.png", "training.json", "README.md"}
    assert {path.name for path in out.iterdir()} == parts | {"workflow.json", "my-student.json", "prompts.jsonl"}
    student = str(out / "my-student")
    assert models.settings(student, "student") == {
        **{"steps": 1, "cfg": 1.0, "sampler": "lcm", "scheduler": "lcm"},
        "lora": True,
    }
    command = shlex.split(said.strip().splitlines()[-1].removeprefix("It draws by: python -m adaptive_diffusion"))
    written = {"PROMPT": CAPTIONS[0], "FOLDER": str(tmp_path / "run")}
    main([written.get(word, word) for word in command])
    [line] = (tmp_path / "run" / "images.jsonl").read_text().splitlines()
    assert json.loads(line)["verdict"] in ("accepted", "rejected")


def test_a_finished_student_is_not_made_again_and_may_get_its_table_later(prompts, tmp_path, monkeypatch):
    out = tmp_path / "mine"
    distill(prompts, out, "--method=lcm-lora", "--rank=2")
    weights = out / "mine" / "unet" / "diffusion_pytorch_model.safetensors"
    before = weights.stat().st_mtime_ns
    monkeypatch.setattr(checkpoints, "save", lambda *_: pytest.fail("it was trained again"))
    distill(prompts, out, "--method=lcm-lora", "--rank=2", "--table")
    assert weights.stat().st_mtime_ns == before
    assert (out / "mine.json").is_file()
    keys = load_file(out / "loras" / "mine.safetensors")
    assert len([key for key in keys if key.endswith("alpha")]) == 79


def test_what_cannot_be_scored_is_refused_before_training(prompts, tmp_path, capsys):
    def refused(*more: str) -> str:
        with pytest.raises(SystemExit):
            distill(prompts, tmp_path / "mine", *more)
        assert not (tmp_path / "mine").exists()
        return capsys.readouterr().err

    assert "--gate is fitted to at least 20 different prompts, but 3 came; add more" in refused("--gate")
    assert "nothing.pt" in refused("--table", "--estimator=nothing.pt")
    (tmp_path / "letter.pt").write_text("dear")
    assert "letter.pt" in refused("--table", f"--estimator={tmp_path / 'letter.pt'}")


def test_its_gate_is_fitted_to_pairs_with_its_teacher(prompts, tmp_path, monkeypatch, capsys):
    """What is asked of `calibrate`, whose own tests hold the fitting; three prompts are too few for a gate."""
    monkeypatch.setattr(fitting, "FEWEST", 1)
    asked = []

    def fit(command):
        asked.append(command)
        command.gate.write_bytes(b"a gate")
        return "a gate was fitted"

    monkeypatch.setattr(calibrate, "run", fit)
    out = tmp_path / "mine"
    distill(prompts, out, "--gate")
    [command] = asked
    assert (command.gate, command.out) == (out / "mine-gate.safetensors", None)
    assert (command.student, command.teacher, command.estimator) == (str(out / "mine"), "demo", "demo")
    assert command.size == (64, 64)
    said = capsys.readouterr().out
    assert "a gate was fitted" in said
    assert "Put mine-gate.safetensors into ComfyUI/user/adaptive_diffusion/gates" in said
    assert json.loads((out / "workflow.json").read_text())["10"]["inputs"]["table"] == "mine-gate"


def test_guidance_that_a_student_never_learned_is_refused(prompts, tmp_path, capsys):
    distill(prompts, tmp_path / "mine", "--method=lcm", "--guidance", "1.5", "3")
    student = tmp_path / "mine" / "mine"
    assert models.settings(str(student), "student")["cfg"] == 2.25
    common = [f"--student={student}", "--estimator=demo", "--student-cfg=8"]
    for command in (["generate", CAPTIONS[0], "--k=0"], ["calibrate", f"--prompts={prompts}", "--size=64"]):
        with pytest.raises(SystemExit):
            main([*command, f"--out={tmp_path / 'out.json'}", *common])
        told = "the student's guidance is 8, but 'mine' learned it from 1.5 to 3; give one between with --student-cfg"
        assert told in capsys.readouterr().err


@pytest.mark.parametrize("error", [SafetensorError("No space left"), RuntimeError("enforce fail"), OSError(28, "full")])
def test_what_the_disk_refuses_is_one_sentence(tmp_path, error):
    with (
        pytest.raises(ValueError, match="mine' cannot be written .*; free some space and run it again"),
        disk.saving(tmp_path / "mine"),
    ):
        raise error
