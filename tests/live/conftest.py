"""A live server for each way of caching."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))

from comfy_server import serving  # noqa: E402


@pytest.fixture(scope="module", params=[(), ("--cache-none",)], ids=["cached", "cache-none"])
def options(request) -> tuple[str, ...]:
    """How the server is started."""
    return request.param


@pytest.fixture(scope="module")
def client(options, tmp_path_factory):
    base = tmp_path_factory.mktemp("server")
    with serving(Path(os.environ["COMFYUI_PATH"]), sys.executable, base, *options) as live:
        yield live
