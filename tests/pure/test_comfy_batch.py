"""comfy-batch on programs that speak as ComfyUI does: nothing is lost, and nothing is left behind."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from adaptive_diffusion import __main__
from adaptive_diffusion.scale import sharded, stores
from adaptive_diffusion.scale.comfyui import process, worker
from adaptive_diffusion.standalone import runs
from tests.pure import fake_comfyui

PACK = Path(__file__).resolve().parents[2]
PROMPTS = [f"prompt {i}" for i in range(10)]
GRAPH = {
    "load": {"class_type": "AdaptiveLoadPrompts", "inputs": {"file": "bundled", "seed": 3, "count": 5}},
    "gate": {"class_type": "AdaptiveThresholdGate", "inputs": {}},
    "save": {"class_type": "SaveImage", "inputs": {}},
}


class Place:
    """A folder with a ComfyUI, a workflow and prompts, and what a command there says."""

    def __init__(self, folder: Path):
        self.folder, self.comfyui, self.out = folder, folder / "ComfyUI", folder / "out"
        self.inputs, self.temporary = folder / "inputs", folder / "temporary"
        for path in (self.comfyui, self.inputs, self.temporary):
            path.mkdir()
        fake = Path(fake_comfyui.__file__)
        (self.comfyui / "main.py").write_text(f"import runpy\nrunpy.run_path({str(fake)!r}, run_name='__main__')\n")
        self.write(GRAPH)
        self.prompts(PROMPTS)

    def write(self, graph) -> None:
        (self.folder / "workflow.json").write_text(json.dumps(graph))

    def prompts(self, prompts) -> None:
        (self.folder / "prompts.txt").write_text("\n".join(prompts))

    def words(self, *options: str, where=None) -> list[str]:
        own = [f"--comfyui={self.comfyui}", f"--comfyui-options=--input-directory '{self.inputs}'"]
        own += [f"--comfyui-python={sys.executable}"]
        files = [str(self.folder / "workflow.json"), f"--prompts={self.folder / 'prompts.txt'}", f"--out={self.out}"]
        return ["comfy-batch", *files, "--unit=2", *(own if where is None else where), *options]

    def run(self, *options: str, **where) -> None:
        __main__.main(self.words(*options, **where))

    def records(self) -> list[dict]:
        run = sharded.existing(stores.Folder(self.out))
        return [record for unit in range(len(run.units)) for record in run.read(unit).records]

    def colours(self) -> list[int]:
        run = sharded.existing(stores.Folder(self.out))
        pictures = [data for unit in range(len(run.units)) for data in run.read(unit).pictures]
        return [Image.open(io.BytesIO(data)).getpixel((0, 0))[0] for data in pictures]

    def left(self) -> list[str]:
        """Files and processes that should be gone."""
        files = [path.name for folder in (self.inputs, self.temporary) for path in folder.iterdir()]
        return files + [str(each) for each in self.servers()]

    def servers(self) -> list[psutil.Process]:
        """The ComfyUIs that were started for a command here."""
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                words = each.cmdline()
                if "--disable-auto-launch" in words and str(self.inputs) in words:
                    found.append(each)
        return found

    def check(self) -> None:
        """All pictures are there once, in order, with their verdicts, and nothing is left."""
        assert self.colours() == [3 + i for i in range(len(PROMPTS))]
        records = self.records()
        assert [record["prompt"] for record in records] == PROMPTS
        assert [record["verdict"] for record in records] == ["accepted", "rejected"] * 5
        assert [record["seed"] for record in records] == [3 + i for i in range(len(PROMPTS))]
        assert {record["threshold"] for record in records} == {fake_comfyui.THRESHOLD}
        assert patiently(lambda: not self.left()), self.left()


def patiently(check, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.05)
    return check()


@pytest.fixture
def place(tmp_path, monkeypatch):
    found = Place(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(found.temporary))
    monkeypatch.setattr(worker, "PATIENCE", 0.5)
    return found


@pytest.fixture
def standing(place):
    """Servers that somebody else started; ends one at its address."""
    started = []

    def start() -> str:
        server = fake_comfyui.server(place.inputs, place.folder / f"output{len(started)}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def sentence(place, capsys, *options, **where) -> str:
    """What a command that fails says."""
    with pytest.raises(SystemExit):
        place.run(*options, **where)
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ")
    return told.removeprefix("error: ")


def test_two_of_its_own_draw_all_and_nothing_is_left(place, capsys):
    place.run("--workers=2")
    assert "10 images were drawn; 0 of 10 are still missing" in capsys.readouterr().out
    place.check()
    place.run("--workers=2")
    assert "0 images were drawn" in capsys.readouterr().out


def test_shares_are_drawn_apart_and_the_seed_may_be_told(place):
    place.run("--shard=1/2", "--seed=3")
    place.run("--shard=2/2", "--seed=3")
    place.check()


def test_servers_that_stand_draw_all(place, standing):
    place.run(where=["--server", standing(), standing()])
    assert place.colours() == [3 + i for i in range(10)]
    assert place.out.joinpath("thresholds.json").read_bytes() == b'{"gate": ["mine", 50.0, 0.5]}'


def test_every_picture_of_a_prompt_has_its_own_seed(place, standing):
    place.write({**GRAPH, "load": {**GRAPH["load"], "inputs": {"file": "x", "seed": 3, "pictures": 2}}})
    place.run(where=["--server", standing()])
    assert place.colours() == [3 + i for i in range(20)]
    assert [record["prompt"] for record in place.records()][:4] == ["prompt 0"] * 2 + ["prompt 1"] * 2


def test_one_that_is_killed_in_the_middle_is_started_again(place):
    place.prompts([*PROMPTS[:3], "slow", *PROMPTS[4:]])
    killed = []

    def kill() -> None:
        assert patiently(lambda: list(place.inputs.glob("*000000002.jsonl")))
        killed.append(place.servers()[0].kill())

    thread = threading.Thread(target=kill)
    thread.start()
    place.run()
    thread.join()
    assert killed and place.colours() == [3 + i for i in range(10)]
    assert patiently(lambda: not place.left()), place.left()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no such signal")
def test_a_killed_master_takes_its_servers_along_and_the_same_command_goes_on(place):
    place.prompts([*PROMPTS[:5], *["slow", "prompt 6"], *PROMPTS[7:]])
    own = {**os.environ, "PYTHONPATH": str(PACK), "TMPDIR": str(place.temporary)}
    master = subprocess.Popen([sys.executable, "-m", "adaptive_diffusion", *place.words("--workers=2")], env=own)
    assert patiently(lambda: list(place.out.glob("unit-*.tar")), 60)
    master.send_signal(signal.SIGKILL)
    master.wait()
    assert patiently(lambda: not place.left()), place.left()
    before = {path: path.stat().st_mtime_ns for path in place.out.glob("unit-*.tar")}
    assert 0 < len(before) < 5
    place.run()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert place.colours() == [3 + i for i in range(10)]


def test_workers_on_ray_draw_all_and_one_that_is_killed_takes_its_server_along(place):
    place.prompts([*PROMPTS[:3], "slow", *PROMPTS[4:]])
    seen = []

    def kill() -> None:
        assert patiently(lambda: list(place.inputs.glob("*000000002.jsonl")), 200)
        worker_of = {each.pid: each.parent() for each in place.servers()}
        for pid, parent in worker_of.items():
            parent.kill()
            seen.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    place.run("--cluster", "--workers=1")
    thread.join()
    assert len(seen) == 1 and not psutil.pid_exists(seen[0])
    assert place.colours() == [3 + i for i in range(10)]
    assert patiently(lambda: not place.left()), place.left()


def test_a_prompt_that_ends_its_server_three_times_is_recorded_and_the_others_are_drawn(place, capsys):
    place.prompts([*PROMPTS[:4], "die", *PROMPTS[5:]])
    place.run("--workers=2")
    assert "8 images were drawn; 0 of 10 are still missing, 2 have failed" in capsys.readouterr().out
    told = json.loads((place.out / "unit-000000002.failed.json").read_text())
    assert re.match("its ComfyUI died 3 times: ComfyUI at http://127.0.0.1:[0-9]+ does not answer", told["reason"])
    assert patiently(lambda: not place.left()), place.left()


def test_one_that_is_silent_but_not_gone_is_started_again(place):
    place.prompts([*PROMPTS[:4], "mute", *PROMPTS[5:]])
    place.run("--workers=1")
    run = sharded.existing(stores.Folder(place.out))
    assert run.missing() == run.failed() == [] and (place.folder / "muted").exists()
    assert patiently(lambda: not place.left()), place.left()


def test_of_two_servers_one_that_ends_leaves_its_unit_to_the_other(place, standing, monkeypatch):
    addresses, seen = [standing(), standing()], []
    own = worker.Server.queue

    def queue(server, graph):
        if server.address.endswith(addresses[0]):
            seen.append(server.address)
            raise worker.Gone("ComfyUI does not answer")
        return own(server, graph)

    monkeypatch.setattr(worker.Server, "queue", queue)
    monkeypatch.setattr(worker.OnServer, "lives", lambda self: not self.server.address.endswith(addresses[0]))
    place.run(where=["--server", *addresses])
    assert seen and place.colours() == [3 + i for i in range(10)]


def test_a_server_that_is_gone_is_one_sentence_and_the_rest_is_missing(place, standing, capsys, monkeypatch):
    address = standing()
    monkeypatch.setattr(worker.OnServer, "lives", lambda self: False)
    monkeypatch.setattr(worker.Server, "queue", lambda *_: (_ for _ in ()).throw(worker.Gone("ComfyUI is away")))
    told = sentence(place, capsys, where=["--server", address])
    assert told.startswith("10 images were not drawn (units 0, 1, 2, 3, 4): ComfyUI is away; start it again and give")


def test_a_picture_that_is_cut_on_its_way_is_drawn_again(place, standing):
    place.prompts(["cut", *PROMPTS[1:]])
    place.run(where=["--server", standing()])
    assert place.colours() == [3 + i for i in range(10)]


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no such signal")
def test_one_that_is_stopped_by_its_keys_starts_no_server_again(place):
    place.prompts([f"{i}slow" for i in range(10)])
    starts = place.folder / "starts"
    main = place.comfyui / "main.py"
    main.write_text(f"open({str(starts)!r}, 'a').write('x')\n" + main.read_text())
    own = {**os.environ, "PYTHONPATH": str(PACK), "TMPDIR": str(place.temporary)}
    words = [sys.executable, "-m", "adaptive_diffusion", *place.words("--workers=2")]
    master = subprocess.Popen(words, env=own, start_new_session=True)
    assert patiently(lambda: list(place.inputs.glob("*.jsonl")), 60)
    os.killpg(master.pid, signal.SIGINT)
    assert master.wait(20) == 130
    assert starts.read_text() == "xx"
    assert patiently(lambda: not place.left()), place.left()


def test_a_report_says_more_than_the_gate(place, standing):
    place.write({**GRAPH, "report": {"class_type": "AdaptiveReport", "inputs": {}}})
    place.run(where=["--server", standing()])
    assert {record["verdict"] for record in place.records()} == {"teacher failed"}


def test_a_workflow_without_a_gate_keeps_all_images_and_collects(place, standing):
    place.write({key: node for key, node in GRAPH.items() if key != "gate"})
    place.run(where=["--server", standing()])
    assert {record["verdict"] for record in place.records()} == {"accepted"}
    for _ in range(2):
        __main__.main(["collect", str(place.out), f"--out={place.folder / 'run'}"])
        (place.folder / "run" / runs.image_name(3)).unlink()


def test_a_python_that_has_no_diffusers_draws_and_collects(place, standing, monkeypatch):
    for library in ("diffusers", "transformers", "ray", "pyarrow"):
        monkeypatch.setitem(sys.modules, library, None)
    place.run(where=["--server", standing()])
    __main__.main(["collect", str(place.out), f"--out={place.folder / 'run'}"])
    assert [record["prompt"] for record in runs.read(place.folder / "run")] == PROMPTS


@pytest.mark.parametrize("library", ["requests", "tqdm"])
def test_a_library_that_is_missing_is_one_sentence(place, standing, capsys, monkeypatch, library):
    address = standing()
    for name in [name for name in sys.modules if name.startswith("adaptive_diffusion.scale.comfyui")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    told = f"{library} is not installed; run: pip install 'adaptive-diffusion[cluster]'"
    assert sentence(place, capsys, where=["--server", address]) == told


NODE = GRAPH["load"]
LINKED = {"class_type": "AdaptiveLoadPrompts", "inputs": {"pictures": ["1", 0]}}
WORKFLOWS = {
    "as the frontend has it": ({"nodes": [], "links": []}, "is a workflow as the frontend saves it for itself; save"),
    "nothing": ({}, "is no workflow in JSON; save it again with the frontend's Export .API."),
    "a list": ([1], "is no workflow in JSON"),
    "no nodes": ({"1": {"inputs": {}}}, "is no workflow in JSON"),
    "none loads": ({"save": GRAPH["save"]}, "has no Load Prompts; let one load all prompts"),
    "two load": ({**GRAPH, "other": NODE}, "has 2 Load Prompts; let one load all prompts"),
    "linked": ({**GRAPH, "load": LINKED}, r"^the pictures of Load Prompts is \['1', 0\]; give a whole number"),
    "a seed": ({**GRAPH, "load": {**NODE, "inputs": {"seed": "x"}}}, "^the seed of Load Prompts is 'x'; give a whole"),
    "three": ({**GRAPH, "load": {**NODE, "inputs": {"pictures": 3}}}, "a unit of 2 images does not hold .* --unit 3$"),
}


@pytest.mark.parametrize("case", WORKFLOWS)
def test_what_is_no_workflow_is_one_sentence(place, capsys, case):
    place.write(WORKFLOWS[case][0])
    assert re.search(WORKFLOWS[case][1], sentence(place, capsys))
    assert not place.out.exists()


OPTIONS = {
    "both": (["--server=a:1", "--comfyui=x"], "not allowed with argument --server"),
    "with a cluster": (["--server=a:1", "--cluster"], "--cluster starts a ComfyUI for each of its workers; leave"),
    "with workers": (["--server=a:1", "--workers=2"], "each --server is one worker; leave --workers out"),
    "no address": (["--server=http:///x"], "'http:///x' is no address of a ComfyUI; write it as host:8188"),
    "no port": (["--server=a:b"], "'a:b' is no address of a ComfyUI; write it as host:8188"),
    "nobody": (["--server=127.0.0.1:1"], "no ComfyUI answers at http://127.0.0.1:1; start one there, or have it start"),
    "nothing there": (["--comfyui=nowhere"], "there is no ComfyUI in 'nowhere'; name the folder that holds its main"),
    "an id": (["--server=a:1", "--images=7"], "the workflow has no node 7; name one that saves images with --images"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_what_cannot_be_together_is_one_sentence(place, capsys, case):
    options, told = OPTIONS[case]
    assert told in sentence(place, capsys, where=options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--comfyui-python=nowhere"], "there is no Python at 'nowhere'; name the one that runs ComfyUI"),
        (["--comfyui-options='--cpu"], "ComfyUI's options are ''--cpu' (No closing quotation); close the quotes"),
        (["--comfyui-options=--fails"], "ended before it answered (its last line: no torch here); see that it starts"),
    ],
)
def test_a_comfyui_that_cannot_start_is_one_sentence(place, capsys, options, told):
    own = [f"--comfyui={place.comfyui}", f"--comfyui-python={sys.executable}", *options]
    assert told in sentence(place, capsys, where=own)
    assert patiently(lambda: not place.left()), place.left()


FAILING = {
    "a missing model": (
        {"9": {"class_type": "Missing", "inputs": {}}},
        [],
        "refuses the workflow: node 9 (Missing): ",
    ),
    "a node fails": ({}, ["fail"], "failed: node 3 (KSampler): out of memory"),
    "it is lost": ({}, ["lose"], "lost what was queued there; run it again"),
    "too few": ({}, ["few"], "node save gave 1 images for 2 prompts; let it save one for each, or name another with"),
    "no PNG": ({}, ["film"], "webp', which is no PNG; save the final ones with Save Image"),
    "two save": (
        {"b": GRAPH["save"]},
        [],
        "2 nodes of the workflow save images (save, b); name the one that saves the",
    ),
    "two judge": ({"b": GRAPH["gate"]}, [], "2 gates of the workflow judge all images; link the one that counts to an"),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_fails_is_told_with_its_unit_and_the_others_are_kept(place, standing, capsys, case):
    nodes, prompts, told = FAILING[case]
    place.write({**GRAPH, **nodes})
    place.prompts([*prompts, *PROMPTS[len(prompts) :]])
    said = sentence(place, capsys, where=["--server", standing()])
    assert told in said
    undrawn = 1 if prompts else 5
    assert said.startswith(f"{2 * undrawn} images were not drawn (units 0")
    assert len([*place.out.glob("unit-*.tar")]) == 5 - undrawn


def test_a_workflow_of_which_no_unit_is_kept_is_not_drawn_to_its_end(place, standing, capsys):
    place.write({**GRAPH, "b": GRAPH["save"]})
    place.prompts([f"prompt {i}" for i in range(40)])
    said = sentence(place, capsys, where=["--server", standing()])
    assert said.startswith(
        "16 images were not drawn (units 0, 1, 2, 3, 4, 5, 6, 7): 2 nodes of the workflow save images"
    )
    assert len([*(place.folder / "output0").iterdir()]) <= 20


def test_a_table_that_is_changed_during_the_run_is_told(place, standing, capsys):
    where = {"where": ["--server", standing()]}
    place.run("--shard=1/2", **where)
    (place.inputs / "table.json").write_text("0.25")
    said = sentence(place, capsys, "--shard=2/2", **where)
    assert (
        "the gate of node gate has table, k and threshold ['mine', 50.0, 0.25] instead of ['mine', 50.0, 0.5]" in said
    )
    assert len([*place.out.glob("unit-*.tar")]) == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda place: place.write({**GRAPH, "more": {"class_type": "Note", "inputs": {}}}), "has workflow"),
        (lambda place: place.prompts(["other", *PROMPTS[1:]]), "has prompts"),
    ],
)
def test_another_run_in_the_place_is_refused(place, standing, capsys, change, named):
    place.run(where=["--server", standing()])
    change(place)
    assert named in sentence(place, capsys, where=["--server", "127.0.0.1:1"])


def test_the_input_folder_is_found_as_comfyui_finds_it(tmp_path):
    def folder(options: str) -> Path:
        return process.Installation(tmp_path, options=options).input

    assert folder("") == tmp_path / "input"
    assert folder("--base-directory /a/b --cpu") == Path("/a/b/input")
    assert folder("--base-directory=/a --input-directory='/x y'") == Path("/x y")
    assert folder("--input-directory x") == tmp_path / "x"
    assert folder("--base-directory a") == tmp_path / "a/input"


@pytest.mark.skipif(os.name != "posix", reason="a script stands for Python")
def test_a_comfyui_is_found_from_where_the_command_is_given(place, monkeypatch):
    python = place.comfyui / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.chdir(place.folder)
    options = f"--comfyui-options=--input-directory '{place.inputs}'"
    place.run("--shard=1/5", where=["--comfyui=ComfyUI", options])
    place.run("--shard=2/5", where=["--comfyui=ComfyUI", options, "--comfyui-python=ComfyUI/venv/bin/python"])
    assert len([*place.out.glob("unit-*.tar")]) == 2
