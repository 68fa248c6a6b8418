"""Run the tests that need ComfyUI in ComfyUI's own Python, without touching its environment."""

import os
import subprocess
import sys

from find_comfyui import PACK, comfyui, comfyui_python

SIDE = PACK / ".cache" / "comfyui-pytest"
NEEDS = ["pytest>=8", "pytest-xdist", "websocket-client"]


def main() -> int:
    comfy = comfyui()
    if comfy is None:
        print("SKIPPED: no ComfyUI was found (set COMFYUI_PATH), so tests/comfy and tests/live did NOT run.")
        return 0
    python = str(comfyui_python(comfy))
    if not SIDE.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(SIDE), *NEEDS], check=True)
    environment = {**os.environ, "COMFYUI_PATH": str(comfy), "PYTHONPATH": str(SIDE), "OMP_NUM_THREADS": "1"}
    print(f"ComfyUI: {comfy}", flush=True)
    tests = [str(PACK / "tests" / tier) for tier in ("live", "comfy")]  # the longest first
    return subprocess.run([python, "-m", "pytest", *tests, *sys.argv[1:]], cwd=PACK, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
