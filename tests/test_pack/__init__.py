"""Nodes that only the tests' graphs use. Loaded by ComfyUI as a pack of its own."""

import math
import time

import comfy.sample
import torch

import nodes as core

from .grader import GraderJudge
from .strange import Change, Strange
from .vision import Loaded, TinyVision


class Lines:
    """Text lines as a list of strings."""

    RETURN_TYPES = ("STRING",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"multiline": True})}}

    def run(self, text):
        return (text.split("\n"),)


class Numbers:
    """Numbers as lists of FLOAT and INT; "nan" stays what it is."""

    RETURN_TYPES = ("FLOAT", "INT")
    OUTPUT_IS_LIST = (True, True)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {})}}

    def run(self, text):
        values = [float(part) for part in text.split()]
        return values, [int(value) if math.isfinite(value) else 0 for value in values]


class Latent:
    """A latent of any shape; fill may be nan."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "shape": ("STRING", {}),
                "fill": ("STRING", {"default": "0"}),
                "nested": ("BOOLEAN", {"default": False}),
            }
        }

    def run(self, shape, fill, nested):
        samples = torch.full([int(side) for side in shape.split()], float(fill))
        if nested:
            from comfy.nested_tensor import NestedTensor

            samples = NestedTensor([samples, samples])
        return ({"samples": samples},)


class Keep:
    """An output node that keeps what it is given, by name, in a place the tests can read."""

    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "tests"
    OUTPUT_NODE = True
    INPUT_IS_LIST = True
    kept: dict = {}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {}), "value": ("*", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    def run(self, name, value):
        Keep.kept[name[0]] = value
        return {}


class Give:
    """What a test put aside under a name."""

    RETURN_TYPES = ("*",)
    FUNCTION = "run"
    CATEGORY = "tests"
    given: dict = {}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {})}}

    @classmethod
    def IS_CHANGED(cls, name):
        return float("nan")

    def run(self, name):
        return (Give.given[name],)


class Choose:
    """A list of conditionings in which the one at `index` comes from `other`."""

    RETURN_TYPES = ("CONDITIONING",)
    OUTPUT_IS_LIST = (True,)
    INPUT_IS_LIST = True
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"conditioning": ("CONDITIONING",), "other": ("CONDITIONING",), "index": ("INT", {})}}

    def run(self, conditioning, other, index):
        return ([other[i] if i == index[0] else one for i, one in enumerate(conditioning)],)


class PlainScores:
    """Draw, decode and score prompts batch by batch with ComfyUI's own functions; the seconds taken."""

    RETURN_TYPES = ("FLOAT",)
    FUNCTION = "run"
    CATEGORY = "tests"
    OUTPUT_NODE = True
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls):
        links = ("MODEL", "CLIP", "VAE", "QUALITY_ESTIMATOR", "SAMPLER", "SIGMAS")
        required = {kind.lower(): (kind,) for kind in links}
        texts = {"prompts": ("STRING", {"forceInput": True})}
        return {"required": required | texts | {name: ("INT", {}) for name in ("seed", "batch", "side")}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return math.nan

    def run(self, prompts, batch, seed, **one):
        given, begun = {name: values[0] for name, values in one.items()}, time.perf_counter()
        for first in range(0, len(prompts), batch[0]):
            draw_and_score(prompts[first : first + batch[0]], seed[0] + first, **given)
        seconds = time.perf_counter() - begun
        return {"ui": {"seconds": [seconds]}, "result": (seconds,)}


def draw_and_score(texts, seed, model, clip, vae, quality_estimator, sampler, sigmas, side):
    encoded = [core.CLIPTextEncode().encode(clip, text)[0][0] for text in texts]
    tokens = torch.cat([tokens for tokens, _ in encoded])
    positive = [[tokens, {"pooled_output": torch.cat([options["pooled_output"] for _, options in encoded])}]]
    one = comfy.sample.fix_empty_latent_channels(model, core.EmptyLatentImage().generate(side, side, 1)[0]["samples"])
    noise = torch.cat([comfy.sample.prepare_noise(one, seed + i) for i in range(len(texts))])
    empty = one.expand(len(texts), -1, -1, -1)
    drawn = comfy.sample.sample_custom(model, noise, 1.0, sampler, sigmas, positive, positive, empty)
    return quality_estimator.score(core.VAEDecode().decode(vae, {"samples": drawn})[0], texts)


NODE_CLASS_MAPPINGS = {
    "TestGrader": GraderJudge,
    "TestTinyVision": TinyVision,
    "TestLoaded": Loaded,
    "TestPlainScores": PlainScores,
    "TestLines": Lines,
    "TestNumbers": Numbers,
    "TestLatent": Latent,
    "TestKeep": Keep,
    "TestGive": Give,
    "TestChoose": Choose,
    "TestStrange": Strange,
    "TestChange": Change,
}
