"""What other people's nodes hand on, by name: values of every kind, and what can be done to good ones."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import torch
from comfy.nested_tensor import NestedTensor
from comfy_execution.graph_utils import ExecutionBlocker


class Unwilling:
    """An object of which nothing can be asked but its text, which ComfyUI itself asks."""

    def __eq__(self, other):
        raise RuntimeError("not comparable")

    def __len__(self):
        raise RuntimeError("no length")

    def __bool__(self):
        raise RuntimeError("neither true nor false")

    __hash__ = None


def nested(depth: int) -> list:
    value: list = [1.0]
    for _ in range(depth):
        value = [value]
    return value


def image(*shape: int, fill: float = 0.5) -> torch.Tensor:
    return torch.full(shape, fill)


def latent(*shape: int, fill: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"samples": torch.full(shape, fill), **more}


LONG = "a red circle left of a blue square on sand "
VALUES: dict[str, dict[str, Callable[[], Any]]] = {
    "numbers": {
        "float32": lambda: numpy.float32(0.5),
        "float32 of 42": lambda: numpy.float32(42),
        "float64": lambda: numpy.float64(1.0),
        "int64": lambda: numpy.int64(2),
        "numpy bool": lambda: numpy.bool_(True),
        "numpy text": lambda: numpy.str_("demo"),
        "array without axes": lambda: numpy.array(1.0),
        "tensor without axes": lambda: torch.tensor(1.0),
        "tensor of one": lambda: torch.tensor([1.0]),
        "bfloat16": lambda: torch.tensor(0.5, dtype=torch.bfloat16),
        "numpy nan": lambda: numpy.float32("nan"),
        "tensor nan": lambda: torch.tensor(math.nan),
        "nan": lambda: math.nan,
        "inf": lambda: math.inf,
        "-inf": lambda: -math.inf,
        "0": lambda: 0,
        "1": lambda: 1,
        "0.5": lambda: 0.5,
        "2.5": lambda: 2.5,
        "-1": lambda: -1,
        "-0.5": lambda: -0.5,
        "1e308": lambda: 1e308,
        "2**64": lambda: 2**64,
        "-2**70": lambda: -(2**70),
        "10**400": lambda: 10**400,
        "true": lambda: True,
        "fraction": lambda: Fraction(1, 2),
        "decimal": lambda: Decimal("0.5"),
        "complex": lambda: 1 + 2j,
    },
    "texts": {
        "empty text": lambda: "",
        "blank": lambda: " \t\n",
        "prompt": lambda: LONG.strip(),
        "half a character": lambda: "a red circle \ud800 on sand",
        "control characters": lambda: "a \x00red\x1b[31m \x07circle\r\non\u2028sand",
        "right to left": lambda: "\u202edias \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u202c",
        "100k letters": lambda: "x" * 100_000,
        "100k letters of words": lambda: (LONG * 2400)[:100_000],
        "300 letters": lambda: "n" * 300,
        "a path": lambda: "../../../secret",
        "digits": lambda: "3",
        "nan text": lambda: "nan",
        "image numbers": lambda: "0, 1",
        "image numbers far out": lambda: "9" * 5000,
        "other digits": lambda: "٣, ²",
        "braces": lambda: "{0} %s %(a)s {x!r}",
        "bytes": lambda: b"a red circle",
    },
    "containers": {
        "none": lambda: None,
        "empty list": lambda: [],
        "list of lists": lambda: [[]],
        "numbers": lambda: [0.1, 0.2, 0.3, 0.4],
        "nested numbers": lambda: [[0.1, 0.2], [0.3, 0.4]],
        "numbers with text": lambda: [0.1, "x"],
        "texts": lambda: ["a red circle on sand", "a blue square on sky"],
        "list of none": lambda: [None, None],
        "tuple": lambda: (1, 2),
        "dict": lambda: {},
        "dict of numbers": lambda: {1: math.nan, "b": numpy.float32(2)},
        "set": lambda: {1, 2},
        "100 deep": lambda: nested(100),
        "array": lambda: numpy.array([0.1, 0.9]),
        "array of objects": lambda: numpy.array([None, "x"], dtype=object),
        "array of nan": lambda: numpy.array([0.1, math.nan]),
        "tensor": lambda: torch.tensor([0.1, 0.9]),
        "tensor of none": lambda: torch.zeros(0),
        "complex tensor": lambda: torch.ones(2, dtype=torch.complex64),
        "a function": lambda: nested,
        "a type": lambda: int,
        "an exception": lambda: ValueError("\ud800\n"),
        "object": object,
        "unwilling": Unwilling,
        "blocker": lambda: ExecutionBlocker(None),
        "blocker that tells": lambda: ExecutionBlocker("stopped on purpose"),
    },
    "images": {
        "nan image": lambda: image(4, 64, 64, 3, fill=math.nan),
        "inf image": lambda: image(4, 64, 64, 3, fill=math.inf),
        "black image": lambda: image(4, 64, 64, 3, fill=0.0),
        "one nan image of four": lambda: torch.cat([image(3, 64, 64, 3), image(1, 64, 64, 3, fill=math.nan)]),
        "loud image": lambda: image(4, 64, 64, 3, fill=1e30),
        "image of 4 channels": lambda: image(4, 64, 64, 4),
        "image of 1 channel": lambda: image(4, 64, 64, 1),
        "image of 2 channels": lambda: image(4, 64, 64, 2),
        "image of no channel": lambda: image(4, 64, 64, 0),
        "1 pixel": lambda: image(4, 1, 1, 3),
        "1 pixel wide": lambda: image(4, 300, 1, 3),
        "no image": lambda: image(0, 64, 64, 3),
        "image without pixels": lambda: image(4, 0, 64, 3),
        "3 images": lambda: image(3, 64, 64, 3),
        "2 images": lambda: image(2, 64, 64, 3),
        "image of another size": lambda: image(4, 40, 72, 3),
        "image without batch": lambda: image(64, 64, 3),
        "mask": lambda: image(4, 64, 64),
        "video": lambda: image(1, 4, 64, 64, 3),
        "uint8 image": lambda: torch.full((4, 64, 64, 3), 200, dtype=torch.uint8),
        "float16 image": lambda: image(4, 64, 64, 3).half(),
        "float64 image": lambda: image(4, 64, 64, 3).double(),
        "bool image": lambda: torch.ones(4, 64, 64, 3, dtype=torch.bool),
        "numpy image": lambda: numpy.full((4, 64, 64, 3), 0.5, dtype=numpy.float32),
        "turned image": lambda: image(4, 3, 64, 64).movedim(1, -1),
        "sparse image": lambda: image(4, 64, 64, 3).to_sparse(),
        "meta image": lambda: torch.empty(4, 64, 64, 3, device="meta"),
    },
    "latents": {
        "latent": lambda: latent(4, 8, 8, 8),
        "nan latent": lambda: latent(4, 8, 8, 8, fill=math.nan),
        "latent of 4 channels": lambda: latent(4, 4, 8, 8),
        "no latent": lambda: latent(0, 8, 8, 8),
        "latent without pixels": lambda: latent(4, 8, 0, 8),
        "flat latent": lambda: latent(4, 8, 8),
        "frames": lambda: latent(4, 8, 3, 8, 8),
        "1 frame": lambda: latent(4, 8, 1, 8, 8),
        "6 axes": lambda: latent(1, 1, 1, 1, 1, 1),
        "3 latents": lambda: latent(3, 8, 8, 8),
        "nested latent": lambda: {"samples": NestedTensor([torch.ones(1, 8, 8, 8)] * 2)},
        "latent of ints": lambda: {"samples": torch.ones(4, 8, 8, 8, dtype=torch.int64)},
        "numpy latent": lambda: {"samples": numpy.ones((4, 8, 8, 8), dtype=numpy.float32)},
        "latent of none": lambda: {"samples": None},
        "masked latent": lambda: latent(4, 8, 8, 8, noise_mask=torch.ones(1, 64, 64)),
        "latent with a nan mask": lambda: latent(4, 8, 8, 8, noise_mask=torch.full((4, 64, 64), math.nan)),
        "latent with another mask": lambda: latent(4, 8, 8, 8, noise_mask=torch.ones(3, 5, 7)),
        "latent with a text for mask": lambda: latent(4, 8, 8, 8, noise_mask="mask"),
        "latent with short numbers": lambda: latent(4, 8, 8, 8, batch_index=[0]),
        "latent with texts for numbers": lambda: latent(4, 8, 8, 8, batch_index=list("abcd")),
        "latent with numbers far out": lambda: latent(4, 8, 8, 8, batch_index=[0, -1, 2**40, 1]),
    },
    "conditionings": {
        "conditioning": lambda: [[torch.zeros(1, 24, 128), {}]],
        "conditioning of nothing": lambda: [[]],
        "conditioning without options": lambda: [[torch.zeros(1, 24, 128)]],
        "conditioning without tensor": lambda: [[None, {}]],
        "conditioning of nan": lambda: [[torch.full((1, 24, 128), math.nan), {}]],
        "conditioning of another width": lambda: [[torch.zeros(1, 24, 77), {}]],
        "conditioning without tokens": lambda: [[torch.zeros(1, 0, 128), {}]],
        "conditioning of 3 rows": lambda: [[torch.zeros(3, 24, 128), {}]],
        "flat conditioning": lambda: [[torch.zeros(24), {}]],
        "conditioning with a number for control": lambda: [[torch.zeros(1, 24, 128), {"control": 5}]],
        "conditioning with a text for area": lambda: [[torch.zeros(1, 24, 128), {"area": "all"}]],
    },
    "sigmas": {
        "sigmas": lambda: torch.tensor([10.0, 2.0, 0.0]),
        "no sigmas": lambda: torch.zeros(0),
        "1 sigma": lambda: torch.tensor([1.0]),
        "nan sigmas": lambda: torch.tensor([math.nan, 1.0, 0.0]),
        "inf sigmas": lambda: torch.tensor([math.inf, 1.0, 0.0]),
        "rising sigmas": lambda: torch.tensor([0.0, 1.0, 10.0]),
        "equal sigmas": lambda: torch.tensor([1.0, 1.0, 1.0]),
        "zero sigmas": lambda: torch.zeros(3),
        "negative sigmas": lambda: torch.tensor([-1.0, -2.0, 0.0]),
        "sigmas of ints": lambda: torch.tensor([10, 2, 0]),
        "sigmas in rows": lambda: torch.ones(2, 3),
        "numpy sigmas": lambda: numpy.array([10.0, 2.0, 0.0]),
        "list of sigmas": lambda: [10.0, 2.0, 0.0],
    },
}


def each_tensor(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[list], list]:
    """The change made to the tensors in every value: an image, a latent's samples, a conditioning's first tensor."""

    def of_one(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return change(value)
        if isinstance(value, dict) and isinstance(value.get("samples"), torch.Tensor):
            return {**value, "samples": change(value["samples"])}
        if isinstance(value, list) and value and isinstance(value[0], list) and isinstance(value[0][0], torch.Tensor):
            return [[change(value[0][0]), *value[0][1:]], *value[1:]]
        return value

    return lambda values: list(map(of_one, values))


def one_spoilt(tensor: torch.Tensor) -> torch.Tensor:
    spoilt = tensor.clone()
    spoilt[-1:] = math.nan
    return spoilt


CHANGES: dict[str, Callable[[list], list]] = {
    "nothing": list,
    "first row": each_tensor(lambda tensor: tensor[:1]),
    "no row": each_tensor(lambda tensor: tensor[:0]),
    "a row less": each_tensor(lambda tensor: tensor[1:]),
    "rows twice": each_tensor(lambda tensor: torch.cat([tensor, tensor])),
    "all nan": each_tensor(lambda tensor: torch.full_like(tensor, math.nan)),
    "last nan": each_tensor(one_spoilt),
    "zeros": each_tensor(torch.zeros_like),
    "half precision": each_tensor(lambda tensor: tensor.half()),
    "an axis more": each_tensor(lambda tensor: tensor[None]),
    "an axis less": each_tensor(lambda tensor: tensor[0]),
    "list twice": lambda values: [*values, *values],
    "list without the last": lambda values: values[:-1],
    "list with none": lambda values: [*values, None],
    "list with text": lambda values: ["x", *values],
    "list in a list": lambda values: [values],
    "in lists": lambda values: [[value] for value in values],
    "in tuples": lambda values: [(value,) for value in values],
    "nothing at all": lambda values: [],
}


class Strange:
    """Values by their names, with | between them, as a list."""

    RETURN_TYPES = ("*",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("STRING", {"known": {kind: list(values) for kind, values in VALUES.items()}})}}

    def run(self, values):
        every = {name: value for group in VALUES.values() for name, value in group.items()}
        return ([every[name]() for name in values.split("|")],)


class Change:
    """The values that come, changed in a way that is known by its name; under any type."""

    RETURN_TYPES = ("*",)
    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("*", {}), "change": (list(CHANGES), {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    def run(self, values, change):
        return (CHANGES[change[0]](values),)
