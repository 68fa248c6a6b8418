"""comfy-batch on real servers: two draw what one draws, though one of them is killed in the middle."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from comfy_server import prepared
from find_comfyui import PACK
from graphs import demo_prompts

from adaptive_diffusion.scale import sharded, stores

PROMPTS = 64
UNIT = 8


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A base directory of ComfyUI with this pack."""
    return prepared(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with prompts."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "prompts.txt").write_text("\n".join(demo_prompts(PROMPTS)))
    return folder


def words(files: Path, base: Path, out: Path, *options: str) -> list[str]:
    own = [f"--comfyui={os.environ['COMFYUI_PATH']}", f"--comfyui-options=--cpu --base-directory '{base}'"]
    given = [
        str(PACK / "docs" / "batch_api.json"),
        f"--prompts={files / 'prompts.txt'}",
        f"--out={out}",
        f"--unit={UNIT}",
    ]
    return [sys.executable, "-m", "adaptive_diffusion", "comfy-batch", *given, *own, *options]


def run_in(out: Path) -> sharded.ShardedRun:
    return sharded.existing(stores.Folder(out))


def verdicts(out: Path) -> list[tuple]:
    records = [record for unit in range(PROMPTS // UNIT) for record in run_in(out).read(unit).records]
    return [(record["prompt"], record["seed"], record["score"], record["verdict"]) for record in records]


def pictures(out: Path) -> list[bytes]:
    return [picture for unit in range(PROMPTS // UNIT) for picture in run_in(out).read(unit).pictures]


def comfyuis(base: Path) -> list[int]:
    """The processes whose ComfyUI has this base directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(base).encode() in words and b"--disable-auto-launch" in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system does not list its processes")
def test_two_servers_one_of_them_killed_draw_what_one_draws(files, base, tmp_path):
    subprocess.run(words(files, base, tmp_path / "one"), check=True)
    killed, listening = [], set()

    def kill() -> None:
        while len([*(tmp_path / "two").glob("unit-*.tar")]) < 2:
            time.sleep(0.05)
        processes = [psutil.Process(number) for number in comfyuis(base)]
        every = [each for process in processes for each in process.net_connections()]
        listening.update(each.laddr.ip for each in every if each.status == psutil.CONN_LISTEN)
        killed.append(processes[0].pid)
        os.kill(killed[0], 9)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    subprocess.run(words(files, base, tmp_path / "two", "--workers=2"), check=True)
    assert killed and listening == {"127.0.0.1"}
    assert run_in(tmp_path / "two").missing() == run_in(tmp_path / "two").failed() == []
    assert len({*pictures(tmp_path / "two")}) == PROMPTS
    assert verdicts(tmp_path / "two") == verdicts(tmp_path / "one")
    rejected = [verdict for *_, verdict in verdicts(tmp_path / "two")].count("rejected")
    assert 0 < rejected < PROMPTS
    end = time.monotonic() + 20
    while comfyuis(base) and time.monotonic() < end:
        time.sleep(0.1)
    assert comfyuis(base) == [] and [*(base / "input").glob("*.jsonl")] == []
