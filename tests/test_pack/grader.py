"""The exact grader of the demo's images in the place of a judge that is asked for named checks."""

import importlib
from types import SimpleNamespace
from typing import Any

import torch

import nodes as core

SURE = 4.0


def pack(name: str) -> Any:
    """A module of the pack as ComfyUI loaded it."""
    root = core.NODE_CLASS_MAPPINGS["AdaptiveMerge"].__module__.rsplit(".nodes.", 1)[0]
    return importlib.import_module(f"{root}.{name}")


class Grader:
    """The value of a QUALITY_ESTIMATOR link: the log-odds of what is right are SURE, of what is wrong minus that."""

    def __init__(self) -> None:
        self.oracle, self.answers = (
            pack("adaptive_diffusion.standalone.oracle"),
            pack("adaptive_diffusion.estimators.vlm.answers"),
        )
        known = {"uses_prompt": True, "relative": False, "max_tokens": 0, "cut": lambda prompts: [], "weights": None}
        names = pack("adaptive_diffusion.estimators.vlm.answers").names_of(self.oracle.PARTS)
        self.estimator = SimpleNamespace(name="grader", dtype="float32", feature_names=names, **known)

    @property
    def described(self) -> Any:
        return pack("adaptive_diffusion.gate.judge").Judge.of(self.estimator)

    def score(self, images, prompts):
        return self.read(images, prompts).scores.tolist()

    def read(self, images, prompts):
        read_caption = pack("adaptive_diffusion.standalone.scenes").read_caption
        pixels = (images * 255).round().byte().numpy()
        wrong = [
            self.oracle.grade(image, read_caption(text)).wrong for image, text in zip(pixels, prompts, strict=True)
        ]
        right = torch.tensor([[not parts, *(part not in parts for part in self.oracle.PARTS)] for parts in wrong])
        odds = (right.float() * 2 - 1) * SURE
        return pack("adaptive_diffusion.estimators.base").Reading(odds.mean(1), odds)


class GraderJudge:
    """The grader, as a node."""

    RETURN_TYPES = ("QUALITY_ESTIMATOR",)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return (Grader(),)
