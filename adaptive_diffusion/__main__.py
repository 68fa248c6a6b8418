"""Command line: python -m adaptive_diffusion demo | convert | merge-tables."""

import argparse
import functools
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m adaptive_diffusion", description="Adaptive student/teacher diffusion"
    )
    commands = parser.add_subparsers(required=True)
    demo = commands.add_parser("demo", help="draw twelve prompts with the tiny models that come with the pack")
    demo.add_argument("--out", type=Path, default=Path("demo.png"), help="PNG file of the contact sheet (%(default)s)")
    demo.set_defaults(run=_demo)
    convert = commands.add_parser("convert", help="turn an estimator's .pt or .pth file into safetensors")
    convert.add_argument("source", type=Path, help="such as ImageReward.pt")
    convert.add_argument("--out", type=Path, help="the new file (the source's name, with .safetensors)")
    convert.set_defaults(run=_convert)
    merge = commands.add_parser(
        "merge-tables", help="make one percentile table of several, of one estimator and student"
    )
    merge.add_argument("tables", type=Path, nargs="+", help="tables that keep raw scores, such as A.json B.json")
    merge.add_argument("--out", type=Path, required=True, help="the new table")
    merge.set_defaults(run=_merge_tables)
    chosen = parser.parse_args(arguments)
    try:
        print(chosen.run(chosen))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def _demo(chosen: argparse.Namespace) -> str:
    try:
        _hush()
        from . import demo
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed; run: pip install 'adaptive-diffusion[standalone]'") from error
    return demo.run(chosen.out)


def _convert(chosen: argparse.Namespace) -> str:
    from .convert import convert

    return f"Wrote {convert(chosen.source, chosen.out)}"


def _merge_tables(chosen: argparse.Namespace) -> str:
    from .percentiles import PercentileTable

    if chosen.out.exists():
        raise ValueError(f"'{chosen.out}' is there already; choose another name with --out")
    if len(chosen.tables) < 2:
        raise ValueError(f"1 table ('{chosen.tables[0]}') has nothing to merge with; name two or more")
    first, *others = (PercentileTable.load(path) for path in chosen.tables)
    merged = functools.reduce(PercentileTable.merge, others, first)
    merged.save(chosen.out)
    return f"Wrote {len(merged.scores)} scores of {len(chosen.tables)} tables to {chosen.out}"


def _hush() -> None:
    """Leave the output to this program: no advice and no progress bars of the libraries, from their import on."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
