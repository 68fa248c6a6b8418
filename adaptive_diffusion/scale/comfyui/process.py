"""ComfyUI as a process of this machine, which ends with the one that started it, however that ends."""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ...quoting import quoted, unquoted
from .server import Gone, Server

SECONDS = 300.0
PAUSE = 0.1
TAIL = 4096
LOG, OUTPUT, TEMP, USER = "log.txt", "output", "temp", "user"
# It runs ComfyUI until its input ends, as it does when the parent is dead; then each line's path is removed.
_UNTIL_INPUT_ENDS = """
import os, runpy, shutil, sys, threading
def end_with_input():
    lines = b""
    while part := os.read(0, 65536):
        lines += part
    for path in map(os.fsdecode, lines.splitlines()):
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.exists(path):
            os.remove(path)
    os._exit(0)
threading.Thread(target=end_with_input, daemon=True).start()
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PYTHONS = ("venv", ".venv", "../venv", "../.venv")


@dataclass(frozen=True)
class Installation:
    """folder: ComfyUI's. python: that runs it; None for the one in or beside its folder, or else this one.

    options: ComfyUI's own, as a shell has them. gpu: the number of the one it has; None for all that there are.
    """

    folder: Path
    python: Path | None = None
    options: str = ""
    gpu: int | None = None

    def check(self) -> None:
        """ValueError where there is no ComfyUI, or its options are no words."""
        if not (self.folder / "main.py").is_file():
            raise ValueError(f"there is no ComfyUI in {quoted(self.folder)}; name the folder that holds its main.py")
        if self.python and not self.python.is_file():
            raise ValueError(f"there is no Python at {quoted(self.python)}; name the one that runs ComfyUI")
        try:
            shlex.split(self.options)
        except ValueError as error:
            raise ValueError(f"ComfyUI's options are {quoted(self.options)} ({error}); close the quotes") from error

    @property
    def words(self) -> list[str]:
        return shlex.split(self.options)

    @property
    def interpreter(self) -> str:
        """The Python that runs it."""
        names = [Path(place, *parts) for place in PYTHONS for parts in (("bin", "python"), ("Scripts", "python.exe"))]
        beside = [self.folder / name for name in (*names, Path("..", "python_embeded", "python.exe"))]
        found = [path for path in beside if path.is_file()]
        return str((self.python or next(iter(found), Path(sys.executable))).absolute())

    @property
    def input(self) -> Path:
        """Its input folder."""
        named = dict(zip(self.words, self.words[1:], strict=False)) | dict(
            word.split("=", 1) for word in self.words if word.startswith("--") and "=" in word
        )
        here = self.folder.absolute()
        return here / named.get("--input-directory", here / named.get("--base-directory", "") / "input")


class Process:
    """A ComfyUI of this machine on a free port of the loopback, with output and temporary files of its own."""

    def __init__(self, of: Installation):
        """Start it; ValueError, with the last line of its log, where it ends before it answers, or is not there."""
        of.check()
        self.of, self.folder = of, Path(tempfile.mkdtemp(prefix="comfyui-"))
        port = _free_port()
        for name in (OUTPUT, TEMP, USER):
            (self.folder / name).mkdir()
        self.server = Server(f"http://127.0.0.1:{port}")
        with (self.folder / LOG).open("wb") as log:
            self._process = subprocess.Popen(
                self._command(port),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=of.folder,
                env=os.environ | ({} if of.gpu is None else {"CUDA_VISIBLE_DEVICES": str(of.gpu)}),
                bufsize=0,
                start_new_session=True,  # so that who stops the command by Ctrl-C stops only this process
            )
        try:
            self._tell(self.folder)
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def remove_at_end(self, name: str) -> None:
        """Have a file of its input folder removed when it ends, however that happens. Gone where it has."""
        self._tell(self.of.input / name)

    def remove(self, name: str) -> None:
        """Remove a file of its input folder, and the pictures that it has saved."""
        (self.of.input / name).unlink(missing_ok=True)
        for folder in (self.folder / OUTPUT, self.folder / TEMP):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)

    def close(self) -> None:
        """End it, and remove its files."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, path: Path) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(os.fsencode(path.absolute()) + b"\n")
        except OSError as error:
            raise Gone(f"ComfyUI in {quoted(self.of.folder)} has ended") from error

    def _command(self, port: int) -> list[str]:
        places = {"output": OUTPUT, "temp": "", "user": USER}
        own = [part for name, place in places.items() for part in (f"--{name}-directory", str(self.folder / place))]
        here = ["--listen", "127.0.0.1", "--port", str(port), "--database-url", "sqlite:///:memory:"]
        main = str((self.of.folder / "main.py").absolute())
        return [
            *(self.of.interpreter, "-c", _UNTIL_INPUT_ENDS, main),
            *("--disable-auto-launch", *own, *self.of.words, *here),
        ]

    def _wait(self) -> None:
        end = time.monotonic() + SECONDS
        while not self.server.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise ValueError(
                    f"ComfyUI in {quoted(self.of.folder)} ended before it answered (its last line: "
                    f"{self._last_line()}); see that it starts by itself"
                )
            time.sleep(PAUSE)

    def _last_line(self) -> str:
        lines = (self.folder / LOG).read_bytes()[-TAIL:].decode(errors="replace").strip().splitlines()
        return unquoted(lines[-1] if lines else "none")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
