"""What pip installs works in any folder, and the archive for ComfyUI's registry has what a node pack needs."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.shipped import PACK, archived, copied, tracked

pytestmark = pytest.mark.skipif(not tracked(), reason="this is no clone")
DATA = {"demo_models": "data/demo_models", "percentiles": "data/percentiles", "prompts": "data/prompts"}
ACCELERATORS = {
    *(f"Environment :: GPU :: {kind}" for kind in ("NVIDIA CUDA", "AMD ROCm", "Intel Arc", "Apple Metal")),
    "Environment :: NPU :: Huawei Ascend",
}
SCRIPT = """
import json, sys
import adaptive_diffusion
from adaptive_diffusion.__main__ import main
from adaptive_diffusion.estimators.bert_words import BertTokenizer

print(adaptive_diffusion.__file__)
assert BertTokenizer(8)(["a red circle"])[1].any()
for command in json.loads(sys.argv[1]):
    main(command)
"""
TABLE = ["calibrate", "--prompts=demo", "--count=4", "--student-steps=1"]
COMMANDS = [
    ["demo"],
    [*TABLE, "--out=one.json"],
    [*TABLE, "--out=two.json", "--seed=7"],
    ["merge-tables", "one.json", "two.json", "--out=both.json"],
    ["generate", "a red circle on sky", "--out=run", "--k=50"],
    ["generate", "a red circle on sky", "--out=gated", "--gate=Demo gate"],
    ["evaluate", "run"],
    ["convert", "estimator.pt"],
]


def python(*arguments: str, folder, **environment: str) -> str:
    """What a process prints; every one of its errors is this test's."""
    own = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    ended = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, env=own)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the source distribution."""
    folder = tmp_path_factory.mktemp("package")
    source = copied(tracked(), folder / "source")
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    python("-W", "error::UserWarning", "-c", build, str(folder), folder=source)
    [distribution] = folder.glob("*.tar.gz")
    alone = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    python("-m", "pip", "install", *alone, "--target", str(folder / "site"), str(distribution), folder=folder)
    return folder / "site"


def test_everything_is_installed_that_lies_beside_the_code(site):
    installed = site / "adaptive_diffusion"
    for name in tracked():
        room, _, rest = name.partition("/")
        if room == "adaptive_diffusion":
            assert (installed / rest).is_file(), name
        elif room in DATA:
            assert (installed / DATA[room] / rest).read_bytes() == (PACK / name).read_bytes()
    top = {path.name for path in site.iterdir() if path.suffix != ".dist-info"}
    assert top == {"adaptive_diffusion"}


@pytest.fixture
def archive(tmp_path):
    """A folder into which ComfyUI's registry has unpacked the pack."""
    return copied(archived(), tmp_path / "archive")


@pytest.mark.parametrize("where", ["site", "archive"])
def test_every_command_runs_in_another_folder(where, request, tmp_path):
    site, tmp_path = request.getfixturevalue(where), tmp_path / "elsewhere"
    tmp_path.mkdir()
    torch.save(load_file(PACK / "demo_models" / "estimator" / "model.safetensors"), tmp_path / "estimator.pt")
    said = python("-c", SCRIPT, json.dumps(COMMANDS), folder=tmp_path, PYTHONPATH=str(site)).splitlines()
    assert said[0] == str(site / "adaptive_diffusion" / "__init__.py")
    assert "The contact sheet is demo.png." in said
    assert "Wrote 8 scores of 2 tables to both.json" in said
    made = {"demo.png", "one.json", "two.json", "both.json", "run", "gated", "estimator.pt", "estimator.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == made


def test_the_registry_knows_what_the_pack_says_of_itself():
    """The values that comfy-cli accepts; it tells of others only when the pack is published."""
    tomllib = pytest.importorskip("tomllib")
    content = tomllib.loads((PACK / "pyproject.toml").read_text("utf-8"))
    claims = [claim for claim in content["project"]["classifiers"] if claim.startswith("Environment ::")]
    assert claims and set(claims) <= ACCELERATORS
    assert {"PublisherId", "DisplayName", "requires-comfyui"} <= content["tool"]["comfy"].keys()


def test_the_archive_for_the_registry_holds_the_pack_and_its_data_alone():
    names = archived()
    rooms = {name.partition("/")[0] for name in names if "/" in name}
    assert rooms >= {"nodes", "host", "adaptive_diffusion", "web", "locales", "example_workflows", "subgraphs", *DATA}
    assert not rooms & {"tests", "training", "benchmarks", ".ci", ".github"}
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md"} <= set(names)
    assert not {"Makefile", "setup.py", "constraints.txt", ".gitignore"} & set(names)
