"""Command line: python -m adaptive_diffusion demo | generate | improve | collect | comfy-batch | calibrate ..."""

import argparse
import sys
import warnings
from typing import NoReturn

from .commands import (
    calibrate,
    collect,
    comfy_batch,
    convert,
    demo,
    distill,
    evaluate,
    finetune,
    generate,
    improve,
    merge_pairs,
    merge_tables,
    tune,
)
from .commands.options import OPTION
from .quoting import quoted


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with an option in one sentence, as the commands do."""

    def error(self, message: str) -> NoReturn:
        _stop(f"error: {message.removeprefix('argument ').replace(f': {OPTION} is ', ' is ', 1)}", 2)


def main(arguments: list[str] | None = None) -> None:
    parser = _Parser(prog="python -m adaptive_diffusion", description="Adaptive student/teacher diffusion")
    commands = parser.add_subparsers(required=True)
    for command in (
        demo,
        generate,
        improve,
        collect,
        comfy_batch,
        calibrate,
        tune,
        evaluate,
        distill,
        finetune,
        convert,
        merge_tables,
        merge_pairs,
    ):
        command.add(commands)
    chosen = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_in_one_line
            warnings.simplefilter("ignore", DeprecationWarning)  # which only a library's authors can heed
            print(chosen.run(chosen))
    except ValueError as error:
        _stop(f"error: {error}", 2)
    except OSError as error:
        named = f"{quoted(error.filename)} cannot be used ({error.strerror})" if error.filename else error
        _stop(f"error: {named}", 2)
    except KeyboardInterrupt:
        _stop("stopped", 130)


def _show_in_one_line(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _stop(sentence: str, status: int) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
