"""demo: the whole method on the models that come with the pack."""

import argparse
from pathlib import Path

from .libraries import needing


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("demo", help="draw twelve prompts with the tiny models that come with the pack")
    parser.add_argument(
        "--out", type=Path, default=Path("demo.png"), help="PNG file of the contact sheet (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    with needing("standalone"):
        from ..standalone import demo
    return demo.run(chosen.out)
