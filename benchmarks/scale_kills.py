"""Workers, drivers and the object store's server killed in the middle of a run on Ray, and what is left of it.

    python -m benchmarks.scale_kills [--prompts 160] [--workers 20] [--drivers 10] [--servers 5] [--places folder S3]

Draws with the demo models in units of 4, into a folder and into a bucket on the loopback, while processes that are
chosen at random are ended with SIGKILL, and goes on with the same command each time; one run after another, until so
many were ended. The bucket's server is moto, which would forget all with its process; so what is killed is a server
before it, through which all bytes pass. Exit status 1 where an image is lost, drawn twice, or not that of a run left
alone, a file is partial, or a process is there 20 s after the end.
"""

import argparse
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from moto.server import ThreadedMotoServer
from pyarrow import fs

from adaptive_diffusion.files import PARTIAL
from adaptive_diffusion.scale import sharded, stores
from adaptive_diffusion.scale.shards import failed_name, units_in
from benchmarks.scale_equal import PACK, command, content, left, marked
from tests.graphs import demo_prompts

UNIT = 4
MOST_STARTS = 100
PASSING = """
import asyncio, sys
async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def pass_on(reader, writer):
    behind = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, behind[1]), copy(behind[0], writer))
async def main():
    await (await asyncio.start_server(pass_on, "127.0.0.1", int(sys.argv[1]))).serve_forever()
asyncio.run(main())
"""


class Server:
    """An object store on the loopback whose server may be killed; what it was given stays."""

    def __init__(self) -> None:
        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()
        fs.FileSystem.from_uri(self.address("bucket"))[0].create_dir("bucket")

    def address(self, path: str) -> str:
        options = f"scheme=http&endpoint_override=127.0.0.1:{self.port}&region=us-east-1&allow_bucket_creation=true"
        return f"s3://name:key@{path}?{options}"

    def start(self) -> None:
        behind = str(self.moto.get_host_and_port()[1])
        self.process = subprocess.Popen([sys.executable, "-c", PASSING, str(self.port), behind])
        with socket.socket() as one:
            while one.connect_ex(("127.0.0.1", self.port)):
                time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        time.sleep(random.uniform(0, 2))
        self.start()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.moto.stop()


class Trial:
    """A run into a place, and what of it is still to be killed."""

    def __init__(self, prompts: Path, place: str, plan: list[str], of_server: Callable[[], None]):
        options = [f"--prompts={prompts}", "--k=50", f"--unit={UNIT}", "--cluster", "--workers=2", f"--out={place}"]
        self.command = [sys.executable, "-m", "adaptive_diffusion", "generate", *options]
        self.place, self.plan, self.of_server = place, plan, of_server
        random.shuffle(plan)
        self.starts = self.before = 0
        self.killed = dict.fromkeys(plan, 0)

    def finish(self) -> None:
        """Go on until all is drawn."""
        while not self._once() and self.starts < MOST_STARTS:
            with suppress(ValueError):
                store = stores.open_store(self.place)
                for unit in sharded.existing(store).failed():  # killed three times by chance, not by a prompt
                    store.remove(failed_name(unit))

    def _once(self) -> bool:
        """Give the command once; whether all is there then."""
        self.starts += 1
        before = sum(self.killed.values())
        driver = subprocess.Popen(self.command, cwd=PACK, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._kill_while_it_runs(driver)
        complaint = driver.communicate()[1]
        expected = sum(self.killed.values()) > before and ("were not drawn" in complaint or "cannot be" in complaint)
        if driver.returncode > 0 and not expected:
            sys.exit(f"generate failed: {complaint}")
        with suppress(ValueError):
            run = sharded.existing(stores.open_store(self.place))
            return not run.missing() and not run.failed()
        return False

    def _kill_while_it_runs(self, driver: subprocess.Popen) -> None:
        """Each time after a unit more is there, so that all come in the middle of the run."""
        while driver.poll() is None:
            time.sleep(random.uniform(0.1, 0.8))
            if not self.plan or not (workers := self._workers(driver)) or self._done() <= self.before:
                continue
            what = self.plan.pop()
            self.killed[what] += 1
            self.before = self._done()
            if what == "worker":
                random.choice(workers).kill()
            elif what == "server":
                self.of_server()
            else:
                driver.send_signal(signal.SIGKILL)

    def _done(self) -> int:
        """How many units are there."""
        with suppress(ValueError):
            return len(units_in(stores.open_store(self.place).names()))
        return 0

    def _workers(self, driver: subprocess.Popen) -> list[psutil.Process]:
        """The actors that draw."""
        found = []
        with suppress(psutil.Error):
            for each in psutil.Process(driver.pid).children(recursive=True):
                with suppress(psutil.Error):
                    found += [each] if "MapWorker" in " ".join(each.cmdline()) else []
        return found


def check(base: Path, name: str, place: str, expected: list[tuple]) -> None:
    """Exit where the result is not that of the run that was left alone."""
    store = stores.open_store(place)
    partial = [entry for entry in store.names() if not entry.endswith(".tar") and entry != "run.json"]
    hidden = [path.name for path in Path(place).glob(f".*{PARTIAL}")] if "://" not in place else []
    if partial or hidden:
        sys.exit(f"there are partial files: {partial + hidden}")
    command("collect", place, f"--out={base / f'{name} collected'}")
    if content(base / f"{name} collected") != expected:
        sys.exit(f"what was drawn into a {name} is not what the run left alone drew")


def kill_all(base: Path, name: str, prompts: Path, plan: list[str], expected: list[tuple]) -> tuple[Counter, int, int]:
    """Draw runs until all of the plan was killed: how often each was, the runs and their starts."""
    server = Server() if name == "S3" else None
    killed, runs, starts = Counter[str](), 0, 0
    while plan:
        place = server.address(f"bucket/run{runs}") if server else str(base / f"shards{runs}")
        trial = Trial(prompts, place, plan, server.kill if server else lambda: None)
        trial.finish()
        check(base, f"{name}{runs}", place, expected)
        killed, runs, starts = killed + Counter(trial.killed), runs + 1, starts + trial.starts
    if server:
        server.stop()
    return killed, runs, starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=160)
    for name, count in (("workers", 20), ("drivers", 10), ("servers", 5)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--places", nargs="+", choices=("folder", "S3"), default=["folder", "S3"])
    options = parser.parse_args()
    marked()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        prompts = base / "prompts.txt"
        prompts.write_text("\n".join(demo_prompts(options.prompts)))
        command("generate", f"--prompts={prompts}", "--k=50", f"--unit={UNIT}", f"--out={base / 'alone'}")
        expected = content(base / "alone")
        for name in options.places:
            servers = options.servers if name == "S3" else 0
            plan = ["worker"] * options.workers + ["driver"] * options.drivers + ["server"] * servers
            killed, runs, starts = kill_all(base, name, prompts, plan, expected)
            there = left()
            told = ", ".join(f"{count} {what}s" for what, count in killed.items())
            print(
                f"{name}: killed {told} in {starts} starts of {runs} runs; {len(expected)} images in each, equal; "
                f"left: {there or 'nothing'}",
                flush=True,
            )
            if there:
                sys.exit(1)


if __name__ == "__main__":
    main()
