"""Memory and time of long runs: thousands of prompts in one graph, and a thousand graphs queued one after the other.

    python benchmarks/long_runs.py [--few 200] [--many 2000] [--queued 1000] [--rounds 1]

Needs ComfyUI (see CONTRIBUTING.md) and Linux. One graph: student, score, gate at k = 50, teacher, another score,
merge, report, images saved; prompts come as a list, one image each. Every count has a server of its own in every round.
Prints the server's peak memory above what it held before, and the seconds of its processor for one prompt. Queued:
the whole graph with one prompt and four images, under another seed each time; prints what the server holds on the way.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACK = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PACK / "tests"), str(PACK)]

from comfy_server import Client, serving  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from graphs import Graph, adaptive_graph, changed, demo_prompts, node  # noqa: E402

from benchmarks.memory import held  # noqa: E402
from benchmarks.timing import table  # noqa: E402

HOUR = 3600
WARM, LOOKS = 10, 10
HEADER = ["prompts", "pages of the sheet", "peak MiB more", "kB a prompt", "processor ms a prompt"]


class Run(NamedTuple):
    """What one graph took: pages of its sheet, MiB at the peak above those before, the processor's seconds."""

    pages: int
    memory: float
    seconds: float


def long_graph(count: int, first: int) -> Graph:
    """`count` prompts of one image each, with seeds from `first`; the improved images are scored again."""
    prompts = (demo_prompts(1600) * (count // 1600 + 1))[:count]
    graph = adaptive_graph(prompt=["lines", 0], batch=1, seed=["seeds", 1], steps=2, k=50.0)
    judged = {"estimator": ["estimator", 0], "images": ["teacher_images", 0], "decision": ["gate", 0]}
    report = {"images": ["student_images", 0], "decision": ["merge", 1], "final_images": ["merge", 0]}
    return changed(graph, "merge", improved_scores=["again", 0]) | {
        "lines": node("TestLines", text="\n".join(prompts)),
        "seeds": node("TestNumbers", text=" ".join(map(str, range(first, first + count)))),
        "again": node("AdaptiveQualityScore", **judged),
        "report": node("AdaptiveReport", **report, final_scores=["again", 0]),
        "sheet": node("SaveImage", images=["report", 0], filename_prefix="sheet"),
    }


def processor(client: Client) -> float:
    """The seconds that the server has computed, all threads together."""
    fields = Path(f"/proc/{client.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(client: Client, graph: Graph) -> dict:
    """The outputs of the graph; SystemExit where it fails."""
    history = client.history(client.queue(graph), HOUR)
    if history["status"]["status_str"] != "success":
        sys.exit(str(history["status"]["messages"][-1])[:2000])
    return history["outputs"]


def long_run(client: Client, count: int) -> Run:
    run(client, long_graph(WARM, 0))
    server = str(client.process.pid)
    Path(f"/proc/{server}/clear_refs").write_text("5")  # the peak begins anew
    memory, begun = held("VmRSS", server), processor(client)
    outputs = run(client, long_graph(count, WARM))
    pages, saved = len(outputs["sheet"]["images"]), len(outputs["save"]["images"])
    if saved != count or len(outputs["report"]["adaptive_report"]) != count:
        sys.exit(f"{saved} images were saved for {count} prompts")
    return Run(pages, held("VmHWM", server) - memory, processor(client) - begun)


def row(count: int, runs: list[Run]) -> list[str]:
    memory, seconds = (statistics.median(getattr(each, name) for each in runs) for name in ("memory", "seconds"))
    return [
        str(count),
        str(runs[0].pages),
        f"{memory:.0f}",
        f"{1024 * memory / count:.0f}",
        f"{1000 * seconds / count:.1f}",
    ]


def queued(client: Client, count: int) -> Iterator[list[str]]:
    """What the server holds after each of LOOKS parts of `count` graphs, of which each was queued as the last ended.

    ComfyUI's history, which keeps 20 kB of every graph, is cleared at each look.
    """
    server, done = str(client.process.pid), 0
    for end in range(count // LOOKS, count + 1, count // LOOKS):
        for number in range(done, end):
            run(client, adaptive_graph(seed=number, steps=2))
        client.call("/history", {"clear": True})
        yield [str(end), f"{held('VmRSS', server):.0f}"]
        done = end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    runs: dict[int, list[Run]] = {options.few: [], options.many: []}
    for count in [*runs] * options.rounds:
        with tempfile.TemporaryDirectory() as base, serving(comfy, str(comfyui_python(comfy)), Path(base)) as client:
            runs[count].append(long_run(client, count))
    print(table(HEADER, [row(count, found) for count, found in runs.items()]), end="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as base, serving(comfy, str(comfyui_python(comfy)), Path(base)) as client:
        print(table(["graphs queued", "MiB held"], []))
        for line in queued(client, options.queued):
            print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
