"""Calibrate without a browser: queue a graph in API format and wait for its table.

    python benchmarks/calibrate_headless.py [docs/calibrate_api.json] [--server http://127.0.0.1:8188]

Interrupted or killed, the same command goes on where it stopped. Uses Python's standard library only.
"""

import argparse
import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "calibrate_api.json"


def ask(address: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(address, data, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)


def finished(server: str, prompt: str) -> dict[str, Any]:
    """The history of the queued prompt, once it has ended."""
    while prompt not in (found := ask(f"{server}/history/{prompt}")):
        time.sleep(1)
    return found[prompt]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    options = parser.parse_args()
    queued = ask(f"{options.server}/prompt", {"prompt": json.loads(options.graph.read_text())})
    history = finished(options.server, queued["prompt_id"])
    tables = [output["adaptive_table"][0] for output in history["outputs"].values() if "adaptive_table" in output]
    if not tables:
        sys.exit(f"no table was made: {history['status']['messages'][-1][1].get('exception_message', 'interrupted')}")
    for table in tables:
        print(f"table '{table['name']}', {table['count']} scores")
        for k, threshold in table["percentiles"]:
            print(f"{k:>5g} % lie under {threshold:.4f}")


if __name__ == "__main__":
    main()
