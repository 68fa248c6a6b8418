"""What is found on Ray, on this machine, is what is found in one process."""

import json
import os

import numpy
import pytest

from adaptive_diffusion import __main__
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.scale import cluster
from adaptive_diffusion.scale.finding import Finders

RAY = ["--cluster", "--workers=2"]
OF = ["--prompts=demo", "--count=12", "--batch=4", "--student-steps=1"]


def command(*words) -> None:
    __main__.main([*map(str, words)])


@pytest.mark.parametrize("batch", [4, 40])
def test_a_table_of_two_workers_is_that_of_one_process(tmp_path, batch, monkeypatch):
    monkeypatch.setattr("adaptive_diffusion.standalone.runs.UNIT", 4)
    for name, how in (("one", []), ("ray", RAY)):
        command("calibrate", *OF, f"--batch={batch}", f"--out={tmp_path / name}.json", *how)
    one, ray = (PercentileTable.load(tmp_path / f"{name}.json") for name in ("one", "ray"))
    assert one.scores == ray.scores and one.prompts == ray.prompts
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "ray.json"]


def test_pairs_of_two_workers_are_those_of_one_process(tmp_path):
    words = ["calibrate", "--prompts=demo", "--count=60", "--student-steps=1", "--teacher-steps=3", "--judge=oracle"]
    for name, how in (("one", []), ("ray", RAY)):
        command(*words, f"--gate={tmp_path / name}.safetensors", *how)
    one, ray = (Pairs.load(tmp_path / f"{name}.pairs.safetensors") for name in ("one", "ray"))
    assert numpy.array_equal(one.scores, ray.scores) and numpy.array_equal(one.features, ray.features)
    assert numpy.array_equal(one.judged, ray.judged)


def drawn(path) -> dict:
    """What a journal says by series and prompt, without seconds."""
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return {
        (line.get("series"), line["first"]): {key: line[key] for key in line if key not in ("seconds", "scoring")}
        for line in lines
    }


def test_a_tuning_by_two_workers_draws_what_one_process_draws(tmp_path):
    words = ["tune", "--prompts=demo", "--count=50", "--student-steps=1", "--teacher-steps=3", "--sigma=0.7"]
    for name, how in (("one", []), ("ray", RAY)):
        command(*words, f"--out={tmp_path / name}", *how)
    assert drawn(tmp_path / "one.journal") == drawn(tmp_path / "ray.journal")


def test_two_workers_judge_as_one_process(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("adaptive_diffusion.commands.evaluate.PART", 16)
    for k in (0, 100):
        command("generate", *OF, "--count=40", f"--k={k}", f"--out={tmp_path / str(k)}")
    capsys.readouterr()
    said = []
    for how in ([], RAY):
        command("evaluate", tmp_path / "0", tmp_path / "100", "--judge=demo", "--judge=oracle", *how)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and "demo" in said[0]


class Finding:
    """Finds the square of a number; some make it fail, or end its process, once or always."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, asked):
        if asked == 3:
            raise ValueError("3 is no number")
        if asked == 4 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(9)
        if asked == 5:
            os._exit(9)
        yield asked**2


class Making:
    def __init__(self, folder, broken=False):
        self.folder, self.broken = folder, broken

    def __call__(self):
        if self.broken:
            raise FileNotFoundError("there is no model in 'x'; name one")
        return Finding(self.folder)


def found(make, asked, **how) -> list[int]:
    with cluster.connected(cluster.LOCAL, 2) as workers:
        return sorted(Finders(make, workers, print).found(asked, **how))


def test_what_fails_is_one_sentence_and_a_worker_that_dies_once_is_begun_again(tmp_path):
    assert found(Making(tmp_path), [1, 2, 4]) == [1, 4, 16]
    assert found(Making(tmp_path), [1, 2, 6], worker=lambda i: i) == [1, 4, 36]
    with pytest.raises(ValueError, match="^3 is no number$"):
        found(Making(tmp_path), [1, 3])
    with pytest.raises(ValueError, match="^a worker died 3 times .*; what is there already is kept$"):
        found(Making(tmp_path), [5])
    with pytest.raises(ValueError, match="^there is no model in 'x'; name one$"):
        found(Making(tmp_path, broken=True), [1])
