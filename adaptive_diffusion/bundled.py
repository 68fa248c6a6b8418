"""Where the data lies that comes with the package: beside it in the repository, in it once it is installed."""

from pathlib import Path


def _folder(name: str) -> Path:
    package = Path(__file__).resolve().parent
    installed = package / "data" / name
    return installed if installed.is_dir() else package.parent / name


DEMO_MODELS = _folder("demo_models")
TABLES = _folder("percentiles")
PROMPTS = {"bundled": _folder("prompts") / "calibration.csv", "demo": _folder("prompts") / "demo.csv"}
