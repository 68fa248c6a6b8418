"""40 images held in 5 runs and improved in 2, whose server is killed and interrupted at random moments in between.

    python benchmarks/held_images.py [--times 20]

Needs ComfyUI (see CONTRIBUTING.md). The server is killed (SIGKILL) that many times and interrupted through the API that
many times, over as many folders as it takes. Exit status 1 where an image is lost or there twice, anything is left
behind, or a result differs from the same graph without holding by more than 1e-4 of its deviation.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACK / "tests"))

from comfy_server import serving  # noqa: E402
from find_comfyui import comfyui, comfyui_python  # noqa: E402
from held_trial import TOTAL, Stopping, Trial, plain_rows  # noqa: E402

LIMIT = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    comfy = comfyui() or sys.exit("no ComfyUI found; set COMFYUI_PATH")
    with tempfile.TemporaryDirectory() as folder:
        base, differences = Path(folder), []
        start = partial(serving, comfy, str(comfyui_python(comfy)), base)
        with start() as client:
            plain = plain_rows(client)
        stopping = Stopping(options.times, start)
        while any(stopping.left.values()) or not differences:
            trial = Trial(base, f"night {len(differences)}")
            stopping.go_through(trial)
            differences.append(trial.check(plain))
            told = ", ".join(f"{options.times - left} times {how}" for how, left in stopping.left.items())
            print(f"folder {len(differences)}: {TOTAL} images, each once, {differences[-1]:.1e} of a deviation; {told}")
            sys.stdout.flush()
    sys.exit(max(differences) > LIMIT)


if __name__ == "__main__":
    main()
