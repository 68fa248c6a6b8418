"""A real ComfyUI in the benchmark's own process. Commands that need one start themselves again in ComfyUI's Python."""

import asyncio
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

PACK = Path(__file__).resolve().parents[1]
sys.path.append(str(PACK / "tests"))

from find_comfyui import comfyui, comfyui_python  # noqa: E402
from run_comfyui import SIDE  # noqa: E402

_KEPT_OPEN = ExitStack()


def rerun(module: str) -> None:
    """Run the command `module` in ComfyUI's Python and exit as it does; nothing where this already is that run."""
    if "COMFYUI_BENCHMARK" in os.environ:
        return
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    if not SIDE.exists():
        sys.exit(f"{SIDE} is missing; run `make test` first, which makes it")
    paths = os.pathsep.join([str(SIDE), *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"COMFYUI_BENCHMARK": "1", "COMFYUI_PATH": str(comfy), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [str(comfyui_python(comfy)), "-m", module, *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=PACK, env={**os.environ, **own}).returncode)


def boot() -> Any:
    """ComfyUI with this pack on one thread, as its tests have it: `run(graph)` executes."""
    from tests.comfy.conftest import Comfy  # isort: skip - it tells where ComfyUI's modules are
    import comfy.utils
    import folder_paths

    comfy.utils.set_progress_bar_enabled(False)
    base = Path(_KEPT_OPEN.enter_context(tempfile.TemporaryDirectory()))
    for name in ("output", "user", "input", "temp"):
        getattr(folder_paths, f"set_{name}_directory")(str(base / name))
    import nodes as core

    for path in (PACK, PACK / "tests" / "test_pack"):
        if not asyncio.run(core.load_custom_node(str(path))):
            sys.exit(f"ComfyUI could not load {path.name}")
    asyncio.run(core.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    _KEPT_OPEN.enter_context(torch.inference_mode())
    import execution

    return Comfy(execution.CacheType.CLASSIC)


def run(app: Any, graph: dict[str, Any]) -> Any:
    """One executed graph; RuntimeError where it failed."""
    done = app.run(graph)
    if done.error:
        raise RuntimeError(done.error)
    return done


def networks(app: Any, graph: dict[str, Any]) -> list[torch.nn.Module]:
    """The UNets that the graph's loaders give; they stay loaded between its runs."""
    from tests.graphs import keep

    loaders = [name for name, one in graph.items() if one["class_type"] == "AdaptiveLoadDemoModels"]
    kept = run(app, keep(graph, **{name: [name, 0] for name in loaders})).kept
    return [kept[name][0].model.diffusion_model for name in loaders]
