"""A ComfyUI that is too old for the pack gets one line that says so."""

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2] / "__init__.py"


def loaded(monkeypatch, version: str | None) -> ModuleType:
    """The pack's root as ComfyUI of this version loads it; None for one that does not say its version."""
    host = ModuleType("comfyui_version")
    host.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfyui_version", host if version else None)
    monkeypatch.setitem(sys.modules, "pack", None)
    spec = importlib.util.spec_from_file_location("pack", ROOT, submodule_search_locations=[str(ROOT.parent)])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["pack"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", ["0.18.1", "0.9.2", "0.3.75", None])
def test_an_old_comfyui_loads_nothing_and_is_told_the_version_that_is_needed(version, monkeypatch, caplog):
    module = loaded(monkeypatch, version)
    assert module.NODE_CLASS_MAPPINGS == {}
    assert not hasattr(module, "comfy_entrypoint") and not hasattr(module, "WEB_DIRECTORY")
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Adaptive Diffusion needs ComfyUI 0.19.0 or newer, and this is")
    assert (version or "0.0") in record.getMessage() and "\n" not in record.getMessage()


@pytest.mark.parametrize("version", ["0.19.0", "0.33.0", "1.0.0"])
def test_a_new_enough_comfyui_gets_to_the_nodes(version, monkeypatch):
    for name in ("comfy_api", "comfy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="comfy"):
        loaded(monkeypatch, version)
