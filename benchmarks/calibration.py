"""Calibrate against the same batches drawn, decoded and scored by a bare loop, side by side in one ComfyUI.

    python benchmarks/calibration.py [--prompts 500] [--batch 4] [--rounds 5]

Needs ComfyUI (see CONTRIBUTING.md). Prints the seconds of both, how much of the loop's throughput Calibrate reaches in
the median round, and the server's peak memory after a tenth of the prompts and after all.
"""

import argparse
import re
import statistics
import sys
import tempfile
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests"))

from comfy_server import Client, serving  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from graphs import calibration_graph, demo_prompts, node  # noqa: E402

HOUR = 3600


def bare_loop(prompts: list[str], batch: int) -> dict:
    """The same models, prompts, steps and batches without Calibrate."""
    graph = calibration_graph("unused", prompts, batch)
    del graph["calibrate"], graph["student"], graph["text"], graph["empty"]
    links = {"model": ["models", 0], "clip": ["models", 1], "vae": ["models", 2], "prompts": ["prompts", 0]}
    return graph | {
        "sampler": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node("BasicScheduler", model=["models", 0], scheduler="normal", steps=2, denoise=1.0),
        "loop": node(
            "TestPlainScores",
            **links,
            quality_estimator=["estimator", 0],
            sampler=["sampler", 0],
            sigmas=["sigmas", 0],
            seed=7,
            batch=batch,
            side=64,
        ),
    }


def seconds(client: Client, graph: dict) -> float:
    """How long the graph ran, by the server's own clock."""
    history = client.history(client.queue(graph), HOUR)
    times = {event: about["timestamp"] for event, about in history["status"]["messages"]}
    return (times["execution_success"] - times["execution_start"]) / 1000


def peak_memory(client: Client) -> float:
    """The most memory the server has held so far, in MiB."""
    status = Path(f"/proc/{client.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def measure(client: Client, count: int, batch: int, rounds: int) -> None:
    prompts = demo_prompts(count)
    for graph in (calibration_graph("warm", prompts[: count // 10], batch), bare_loop(prompts[: count // 10], batch)):
        seconds(client, graph)
    before = peak_memory(client)
    pairs = []
    for i in range(rounds):
        own = seconds(client, calibration_graph(f"round {i}", prompts, batch, seed=i))
        loop = seconds(client, bare_loop(prompts, batch))
        pairs.append((own, loop))
        print(f"{count} prompts in batches of {batch}: Calibrate {own:.2f} s, loop {loop:.2f} s, {loop / own:.1%}")
    print(f"Calibrate reaches {statistics.median(loop / own for own, loop in pairs):.1%} of the loop's throughput")
    print(f"peak memory {before:.0f} MiB after {count // 10} prompts, {peak_memory(client):.0f} MiB in the end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    with (
        tempfile.TemporaryDirectory() as base,
        serving(comfy, str(comfyui_python(comfy)), Path(base)) as client,
    ):
        measure(client, options.prompts, options.batch, options.rounds)


if __name__ == "__main__":
    main()
