"""What fails in a worker, or ends its process. Nothing here loads a model: workers begin in a moment."""

import os

POISON = "white circle"


class Plain:
    """Draws empty pictures; at a prompt it fails, or ends its process."""

    def __init__(self, fails: bool):
        self.fails = fails

    def draw(self, prompts, rows):
        if POISON in prompts:
            if self.fails:
                raise OSError(28, "No space left on device")
            os._exit(9)
        numbers = range(rows.start, rows.stop)
        records = [
            {"index": i, "prompt": p, "verdict": "accepted", "seconds": 0.0}
            for i, p in zip(numbers, prompts, strict=True)
        ]
        return records, [b""] * len(records)

    def cut(self, _prompts, _kept):
        return []


def no_model():
    raise FileNotFoundError("there is no model in 'x'; name one")


class Finding:
    """Finds the square of a number; at some it fails, or ends its process, once or always."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, asked):
        if asked == 3:
            raise ValueError("3 is no number")
        if asked == 4 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(9)
        if asked == 5:
            os._exit(9)
        yield asked**2
