"""What is found on Ray, on this machine, is what is found in one process."""

import json
from functools import partial

import numpy
import pytest

from adaptive_diffusion import __main__
from adaptive_diffusion.gate import fitted, fitting
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.scale import cluster
from adaptive_diffusion.scale.finding import Finders
from tests.pure.dying import Finding, no_model

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


class Gate:
    """Stands for a gate that is fitted: a few pairs are too few."""

    def save(self, path):
        path.write_text("a gate")


def test_pairs_of_two_workers_are_those_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "fit", lambda *_: Gate())
    monkeypatch.setattr(fitted, "summary", lambda _: "fitted")
    for name, how in (("one", []), ("ray", RAY)):
        words = ["calibrate", *OF, "--teacher-steps=3", "--judge=oracle", f"--gate={tmp_path / name}.safetensors"]
        command(*words, *how)
    one, ray = (Pairs.load(tmp_path / f"{name}.pairs.safetensors") for name in ("one", "ray"))
    for name in ("numbers", "seeds", "scores", "features", "teacher_scores", "judged"):
        assert numpy.array_equal(getattr(one, name), getattr(ray, name)), name


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
    assert said[0] == said[1] and said[0].startswith("| run | images |")


def found(make, workers: int, asked, **how) -> list[int]:
    import ray

    finders = Finders(make, workers, print)
    try:
        return sorted(finders.found(asked, **how))
    finally:
        for each in finders._workers:  # the next ones need their processors
            ray.kill(each)


def test_what_fails_is_one_sentence_and_a_worker_that_dies_once_is_begun_again(tmp_path):
    make = partial(Finding, tmp_path)
    with cluster.connected(cluster.LOCAL, 2) as workers:
        assert found(make, workers, [1, 2, 4]) == [1, 4, 16]
        assert found(make, workers, [1, 2, 6], worker=lambda i: i) == [1, 4, 36]
        with pytest.raises(ValueError, match="^3 is no number$"):
            found(make, workers, [1, 3])
        with pytest.raises(ValueError, match="^there is no model in 'x'; name one$"):
            found(no_model, workers, [1])
        with pytest.raises(ValueError, match="^a worker died 3 times .*; what is there already is kept$"):
            found(make, workers, [5])
