"""merge-pairs: the pairs of several calibrations as one, and the gate that is fitted to them."""

import argparse
import functools
from pathlib import Path

from ..quoting import quoted


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "merge-pairs",
        help="make one file of pairs of several, of one estimator, student and teacher, and fit its gate",
        description="Put together the pairs that calibrate --gate drew on several machines or days, the same whichever "
        "comes first, and fit a gate to them.",
    )
    parser.add_argument("pairs", type=Path, nargs="+", help="files of pairs, such as a.pairs.safetensors")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the new file of pairs")
    parser.add_argument("--gate", type=Path, metavar="FILE", help="the gate to fit to them, such as both.safetensors")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> str:
    from ..gate.fitted import summary
    from ..gate.fitting import fit
    from ..gate.pairs import Pairs

    if not (chosen.out or chosen.gate):
        raise ValueError("nothing would be written; name the new pairs with --out, or a gate to fit with --gate")
    if chosen.out == chosen.gate:
        raise ValueError(f"pairs and gate are both to be {quoted(chosen.out)}; give them two names")
    first, *others = (Pairs.load(path) for path in chosen.pairs)
    merged = functools.reduce(Pairs.merge, others, first)
    told = [f"{len(merged)} pairs of {len(chosen.pairs)} files"]
    gate = fit(merged, chosen.gate.stem) if chosen.gate else None
    if chosen.out:
        _write(chosen.out, merged)
        told[0] += f" are in {chosen.out}"
    if gate:
        _write(chosen.gate, gate)
        told.append(f"gate {chosen.gate}: {summary(gate)}")
    return "; ".join(told)


def _write(path: Path, made: object) -> None:
    """Save pairs or a gate; ValueError where the file is there already."""
    from ..locks import locked

    with locked(path):
        if path.exists():
            raise ValueError(f"{quoted(path)} is there already; choose another name")
        made.save(path)  # type: ignore[attr-defined]
