"""Try this pack beside other people's in one ComfyUI. See README.md beside this file.

PACKS_PATH=FOLDER python tests/packs/run.py [--checkout FOLDER] [WORD ...]
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from cases import CASES  # noqa: E402
from measure import Case, Result  # noqa: E402
from server import Packs, Refused, serving  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only cases whose pack and name hold one of these")
    parser.add_argument("--checkout", type=Path, default=HERE.parents[1], help="which checkout of this pack is tried")
    given = parser.parse_args()
    if "PACKS_PATH" not in os.environ:
        parser.error("set PACKS_PATH to the folder that holds custom_nodes with the other packs")
    chosen = [case for case in CASES if any(word in f"{case.pack} {case.name}" for word in given.words or [""])]
    results = []
    with tempfile.TemporaryDirectory() as base:
        packs = Path(os.environ["PACKS_PATH"]).expanduser().resolve() / "custom_nodes"
        with serving(packs, given.checkout.resolve(), Path(base)) as server:
            print("| pack | case | figure | natively | effect | k = 0 | bits | told |\n|" + " --- |" * 8)
            for case in chosen:
                results.append(tried(case, server))
                print(row(case, results[-1]), flush=True)
    passed = [result for result in results if result.passed()]
    refused = [result for result in passed if result.refused]
    print(f"\n{len(passed)} of {len(results)} pass; of these, {len(refused)} were refused in words")
    return len(passed) < len(results)


def tried(case: Case, packs: Packs) -> Result:
    try:
        return case.measure(packs)
    except Refused as refused:
        return Result(refused=refused, wrong=["without the pack's nodes"])


def row(case: Case, result: Result) -> str:
    figures = ["" if one is None else f"{one:.1e}" for one in (result.figure, result.natively, result.effect)]
    zero = "" if result.ran is None else ", ".join(result.ran) or "none run"
    bits = {None: "", True: "same", False: "CHANGED"}[result.bits]
    refused = [f"refused by {result.refused.by}: {result.refused}"] if result.refused else []
    words = "; ".join([*([] if result.passed() else ["**FAIL**"]), *refused, *result.wrong])
    return f"| {' | '.join([case.pack, case.name, *figures, zero, bits, words])} |"


if __name__ == "__main__":
    sys.exit(main())
