"""What loading the pack does to a ComfyUI that is up."""

import json
import subprocess
import sys

import pytest

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
print(json.dumps({
    "packages": sorted(after["packages"] - before["packages"]),
    "filters": before["filters"] == after["filters"],
    "levels": {name: level for name, level in after["levels"].items() if before["levels"].get(name, 0) != level},
    "nodes": [name for name in nodes.NODE_CLASS_MAPPINGS if name.startswith("Adaptive")],
}))
"""


@pytest.fixture(scope="module")
def change():
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(PACK)], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_no_package_is_imported_that_comfyui_did_not(change):
    assert "AdaptiveQualityScore" in change["nodes"]
    assert change["packages"] == [str(PACK).split(".")[0]]


def test_warnings_and_logging_stay_as_they_are(change):
    assert change["filters"]
    assert change["levels"] == {}
