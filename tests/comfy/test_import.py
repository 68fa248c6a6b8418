"""What loading the pack does to a ComfyUI that is up."""

import json
import subprocess
import sys

import pytest
from shipped import archived, copied

from .conftest import PACK

SCRIPT = """
import asyncio, json, logging, os, sys, warnings
sys.path.insert(0, os.environ["COMFYUI_PATH"])
import comfy.options
import utils.extra_config
from comfy.cli_args import args
args.cpu = True
import nodes
asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))

def state():
    loggers = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    loggers[""] = logging.root.level
    packages = {name.split(".")[0] for name in sys.modules}
    return {"packages": packages, "filters": list(map(str, warnings.filters)), "levels": loggers}

before = state()
assert asyncio.run(nodes.load_custom_node(sys.argv[1]))
after = state()

def run(name, **inputs):
    return nodes.NODE_CLASS_MAPPINGS[name].execute(**inputs).result

data = [run("AdaptiveLoadPrompts", file=name, column="caption", count=0, seed=0) for name in ("bundled", "demo")]
run("AdaptiveLoadEstimator", estimator="demo")
run("AdaptiveLoadDemoModels", role="student")
tables = nodes.NODE_CLASS_MAPPINGS["AdaptiveThresholdGate"].INPUT_TYPES()["required"]["table"][1]["options"]
print(json.dumps({
    "prompts": [len(prompts) for prompts, _ in data],
    "tables": tables,
    "packages": sorted(after["packages"] - before["packages"]),
    "filters": before["filters"] == after["filters"],
    "levels": {name: level for name, level in after["levels"].items() if before["levels"].get(name, 0) != level},
    "nodes": [name for name in nodes.NODE_CLASS_MAPPINGS if name.startswith("Adaptive")],
}))
"""


@pytest.fixture(scope="module", params=["clone", "archive"])
def place(request, tmp_path_factory):
    """Where the pack lies: as it is, or as the archive for ComfyUI's registry unpacks."""
    if request.param == "clone":
        return PACK
    if not archived():
        pytest.skip("this is no clone")
    return copied(archived(), tmp_path_factory.mktemp("custom_nodes") / "adaptive_diffusion")


@pytest.fixture(scope="module")
def change(place):
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(place)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_no_package_is_imported_that_comfyui_did_not(change, place):
    assert "AdaptiveQualityScore" in change["nodes"]
    assert change["packages"] == [str(place).split(".")[0]]


def test_the_nodes_and_the_data_that_they_read_are_all_there(change):
    assert len(change["nodes"]) == 27
    assert change["prompts"] == [546, 500]
    assert change["tables"][:4] == ["this run", "Demo", "ImageReward - LCM-SDXL", "ImageReward - SDXL-Turbo"]


def test_warnings_and_logging_stay_as_they_are(change):
    assert change["filters"]
    assert change["levels"] == {}
