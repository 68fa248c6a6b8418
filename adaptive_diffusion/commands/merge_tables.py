"""merge-tables: several percentile tables into one."""

import argparse
import functools
from pathlib import Path

from ..quoting import quoted


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "merge-tables", help="make one percentile table of several, of one estimator and student"
    )
    parser.add_argument("tables", type=Path, nargs="+", help="tables that keep raw scores, such as A.json B.json")
    parser.add_argument("--out", type=Path, required=True, help="the new table")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    from ..gate.percentiles import PercentileTable
    from ..locks import locked

    if len(chosen.tables) < 2:
        raise ValueError(f"1 table ({quoted(chosen.tables[0])}) has nothing to merge with; name two or more")
    first, *others = (PercentileTable.load(path) for path in chosen.tables)
    merged = functools.reduce(PercentileTable.merge, others, first)
    with locked(chosen.out):
        if chosen.out.exists():
            raise ValueError(f"{quoted(chosen.out)} is there already; choose another name with --out")
        merged.save(chosen.out)
    return f"Wrote {len(merged.scores)} scores of {len(chosen.tables)} tables to {chosen.out}"
