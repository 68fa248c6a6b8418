"""The demo command on the models that come with the pack."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from adaptive_diffusion.standalone.scenes import read_caption
from training.scenes import part_of

torch.set_num_threads(1)
PACK = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the command in a process of its own, as a newcomer starts it."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "adaptive_diffusion", "demo", "--out", str(folder / "sheets" / "demo.png")]
    return folder / "sheets", subprocess.run(command, cwd=PACK, capture_output=True, text=True, timeout=300)


def test_the_command_writes_one_sheet_and_says_nothing_but_its_own_lines(finished):
    folder, process = finished
    assert (process.returncode, process.stderr) == (0, "")
    assert [path.name for path in folder.iterdir()] == ["demo.png"]
    with Image.open(folder / "demo.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 1000


def test_the_command_prints_a_line_per_prompt_and_the_costs(finished):
    folder, process = finished
    lines = process.stdout.splitlines()
    head, rows, totals = lines[0], lines[1 : 1 + len(demo.PROMPTS)], "\n".join(lines[2 + len(demo.PROMPTS) :])
    assert head.split() == ["student", "risk", "verdict", "final", "steps", "prompt"]
    student, teacher = demo.settings()["student"], demo.settings()["teacher"]
    rejected = 0
    for line, prompt in zip(rows, demo.PROMPTS, strict=True):
        score, risk, verdict, final, steps, said = line.split(maxsplit=5)
        assert said == prompt
        assert verdict in ("accepted", "rejected")
        assert verdict == "rejected" or score == final
        assert 0 <= float(risk) <= 1
        assert int(steps) == student["steps"] + (teacher["steps"] if verdict == "rejected" else 0)
        rejected += verdict == "rejected"
    average = student["steps"] + teacher["steps"] * rejected / len(rows)
    evaluations = student["steps"] + 2 * teacher["steps"] * rejected / len(rows)
    assert f"{rejected} of {len(rows)} images went to the teacher" in totals
    assert f"Steps per image: {average:.1f} on average; the teacher alone takes {teacher['steps_alone']}." in totals
    assert f"per image: {evaluations:.1f} on average; the teacher alone takes {2 * teacher['steps_alone']}" in totals
    assert str(folder / "demo.png") in totals


def test_the_totals_tell_the_evaluations_that_were_counted(monkeypatch, tmp_path):
    settings = demo.settings()
    guided = {"student": {**settings["student"], "cfg": 2.0}, "teacher": {**settings["teacher"], "cfg": 1.0}}
    monkeypatch.setattr(demo, "settings", lambda: guided)
    alone = guided["teacher"]["steps_alone"]
    monkeypatch.setattr(demo, "K", 100)
    every, _ = demo._draw()
    assert len(every.decision.risks) == len(demo.PROMPTS) and every.decision.table == "Demo gate"
    monkeypatch.setattr(demo, "K", 30)
    monkeypatch.setattr(demo, "GATE", tmp_path / "none.safetensors")
    result, _ = demo._draw()
    share = len(result.decision.rejected) / len(result.steps)
    average = 2 * guided["student"]["steps"] + guided["teacher"]["steps"] * share
    assert 0 < share < 1 and not every.decision.accepted
    assert demo._totals(every, alone).endswith("evaluations per image: 7.0 on average.")
    assert demo._totals(result, alone).endswith(
        f"evaluations per image: {average:.1f} on average; the teacher alone takes {alone}."
    )


def test_the_prompts_are_new_to_the_models_and_of_every_difficulty():
    assert all(part_of(read_caption(prompt).meaning) == "development" for prompt in demo.PROMPTS)
    assert len(set(demo.PROMPTS)) == len(demo.PROMPTS)
    objects = [len(re.findall("circle|square|triangle|cross", prompt)) for prompt in demo.PROMPTS]
    assert set(objects) == {1, 2, 3}
    for prompt in demo.PROMPTS:
        demo.check_prompt(prompt)


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("a red dragon on sky", "do not know 'dragon'; use only the words"),
        ("a red circle, on sky", "do not know ','"),
        ("ein rotes Haus", "'ein', 'rotes', 'haus'"),
        ("", "the prompt is empty"),
        (" \n", "the prompt is empty"),
    ],
)
def test_a_prompt_outside_the_grammar_is_refused(prompt, complaint):
    with pytest.raises(ValueError, match=complaint):
        demo.check_prompt(prompt)


def test_words_are_known_in_any_case():
    demo.check_prompt("A Large RED circle on sky")


def test_student_and_teacher_differ_only_in_their_unet_and_run_without_noise_on_the_terminal(capfd):
    student, teacher = demo.load_student(), demo.load_teacher()
    for part in ("text_encoder", "vae"):
        ours, theirs = (getattr(pipeline, part).state_dict() for pipeline in (student, teacher))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    ours, theirs = student.unet.state_dict(), teacher.unet.state_dict()
    assert not all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert {tensor.dtype for tensor in [*ours.values(), *student.text_encoder.state_dict().values()]} == {torch.float32}
    capfd.readouterr()
    student("a red circle on sky", num_inference_steps=1, guidance_scale=1.0, output_type="latent")
    assert "it/s" not in capfd.readouterr().err


def test_the_demos_teacher_starts_from_latents_and_encodes_pictures():
    encoded = []
    pipeline = AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), teacher := demo.load_teacher())
    teacher.vae.encoder.register_forward_pre_hook(lambda _, given: encoded.append(given))
    options = {"num_inference_steps_student": 1, "num_inference_steps_teacher": 1, "student_guidance": 1.0}
    pixels = pipeline(demo.PROMPTS[:1], k=100, seed=0, **options).pixels.movedim(-1, 1)
    assert encoded == []
    teacher(demo.PROMPTS[0], image=pixels, num_inference_steps=2, strength=0.5)
    assert len(encoded) == 1


def test_a_missing_model_file_is_one_sentence_and_not_a_traceback(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(demo, "DEMO_MODELS", tmp_path)
    with pytest.raises(SystemExit, match="^2$"):
        main(["demo", "--out", str(tmp_path / "demo.png")])
    sentence = r"error: the demo models lack '[\w.]+'; install the pack again, with its folder demo_models\n"
    assert re.fullmatch(sentence, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []
