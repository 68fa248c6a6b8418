"""Make the oracle's environment in .cache/oracle and write ImageReward's and CycleReward's golden values with it."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACK = HERE.parents[1]
ENVIRONMENT = PACK / ".cache" / "oracle" / "venv"
PYTHON = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"


def run(*arguments: str | Path) -> None:
    subprocess.run([PYTHON, *arguments], check=True, cwd=PACK)


def main() -> None:
    if sys.version_info[:2] not in ((3, 10), (3, 11), (3, 12)):
        sys.exit("transformers 4.36.2 needs Python 3.10, 3.11 or 3.12; start this with one of them")
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    run("-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")
    run("-m", "pip", "install", "--quiet", "--no-deps", "--requirement", HERE / "packages.txt")
    run("-W", "ignore", "-m", "tests.oracle.make_goldens")


if __name__ == "__main__":
    main()
