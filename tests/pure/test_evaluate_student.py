"""A student in 1, 2, 4 and 8 steps beside its teacher, in one table of one command."""

import pytest
import torch

from adaptive_diffusion.__main__ import main
from tests.pure.test_evaluate import refused

CAPTIONS = ["a large red circle on sky", "a small blue square on white", "a red cross above a green circle on sand"]


@pytest.fixture
def prompts(tmp_path):
    torch.set_num_threads(1)
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(CAPTIONS))
    return file


def test_each_number_of_steps_has_a_row_beside_the_teachers(prompts, tmp_path, capsys):
    arguments = ["evaluate", "--student=demo", f"--prompts={prompts}", f"--out={tmp_path / 'out'}", "--judge=oracle"]
    main([*arguments, "--judge=demo"])
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:1] == "|"]
    assert rows[0] == ["drawn by", "images", "evaluations an image", "oracle", "Demo"]
    assert [row[0] for row in rows[2:]] == ["student-1", "student-2", "student-4", "student-8", "teacher"]
    assert [float(row[2]) for row in rows[2:]] == [1, 2, 4, 8, 16]
    assert all(row[1] == "3" for row in rows[2:])
    images = sorted((tmp_path / "out").rglob("*.png"))
    before = [path.stat().st_mtime_ns for path in images]
    assert len(images) == 15
    main(arguments)
    assert [path.stat().st_mtime_ns for path in images] == before


def test_what_a_student_needs_is_told(prompts, tmp_path, capsys):
    needs = "a student's images need prompts and a place; name them with --prompts and --out"
    assert needs in refused(capsys, "--student=demo")
    assert needs in refused(capsys, "--student=demo", f"--prompts={prompts}")
    both = [str(tmp_path), "--student=demo", f"--prompts={prompts}", f"--out={tmp_path / 'out'}"]
    assert "give either folders of images or --student" in refused(capsys, *both)
    assert "there is no model in 'nowhere'" in refused(capsys, *both[2:], "--student=nowhere")
    assert "0 folders came; name one, or two to compare" in refused(capsys)
