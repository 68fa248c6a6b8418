"""convert: an estimator's file into safetensors."""

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("convert", help="turn an estimator's .pt or .pth file into safetensors")
    parser.add_argument("source", type=Path, help="such as ImageReward.pt")
    parser.add_argument("--out", type=Path, help="the new file (the source's name, with .safetensors)")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    from ..estimators.convert import convert

    return f"Wrote {convert(chosen.source, chosen.out)}"
