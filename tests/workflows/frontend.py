"""ComfyUI's real frontend in a browser without a window, driven by page.js."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, sync_playwright

SCRIPT = Path(__file__).with_name("page.js")
READY = "window.app?.vueAppReady && window.app.extensionManager?.spinner === false"
PATIENCE = 300_000
SCREEN = {"width": 1900, "height": 1000}
NOISE = ("Failed to load resource", "huggingface.co", "ComfyApp graph accessed before initialization")


class Frontend:
    """A page at `address` ("127.0.0.1:8188"). errors: what its console complained of."""

    def __init__(self, page: Page, address: str):
        self.page, self.errors = page, []
        page.on("console", self._heard)
        page.goto(f"http://{address}/", timeout=PATIENCE)
        page.wait_for_function(READY, timeout=PATIENCE)
        page.evaluate(SCRIPT.read_text())

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in NOISE):
            self.errors.append(message.text[:300])

    def call(self, function: str, *arguments: Any) -> Any:
        """A function of page.js."""
        return self.page.evaluate(f"arguments => window.workflows.{function}(...arguments)", list(arguments))

    def screenshot(self, path: Path) -> None:
        """All of the graph."""
        self.page.evaluate("window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=path)


@contextmanager
def frontend(address: str, nodes_2: bool = False) -> Iterator[Frontend]:
    """nodes_2: draw with Nodes 2.0 instead of on the canvas."""
    settings = {"Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False, "Comfy.VueNodes.Enabled": nodes_2}
    body = json.dumps(settings).encode()
    urllib.request.urlopen(urllib.request.Request(f"http://{address}/api/settings", body, method="POST")).close()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield Frontend(browser.new_page(viewport=SCREEN), address)
        browser.close()
