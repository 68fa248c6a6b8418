"""What every node of the pack shares: the link types of its own, the schema's common part, and checked inputs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, ClassVar

from comfy.model_management import OOM_EXCEPTION, InterruptProcessingException
from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.numeric import plain
from ..adaptive_diffusion.quoting import listed, printable, quoted

CATEGORY = "adaptive diffusion"
ALIASES = ["adaptive", "refine bad images", "auto quality", "quality gate", "best of"]

StudentInfoLink = io.Custom("STUDENT_INFO")
EstimatorLink = io.Custom("QUALITY_ESTIMATOR")
ScoresLink = io.Custom("QUALITY_SCORES")
DecisionLink = io.Custom("GATE_DECISION")
TableLink = io.Custom("PERCENTILE_TABLE")


class AdaptiveNode(io.ComfyNode):
    """A node with `define_schema`, made by `schema`, and `run`, which `execute` calls with checked inputs.

    LISTS: the inputs taken as whole lists; of every other one a node with any of these takes a single value.
    ComfyUI calls a node without any once for each item of a list.
    """

    TITLE: ClassVar[str]
    LISTS: ClassVar[Sequence[str]] = ()

    @classmethod
    def schema(cls, search_aliases: Sequence[str], **described: Any) -> io.Schema:
        """The schema of what is `described`, with all that the pack's nodes have in common."""
        return io.Schema(
            display_name=cls.TITLE,
            category=CATEGORY,
            search_aliases=[*ALIASES, *search_aliases],
            is_input_list=bool(cls.LISTS),
            **described,
        )

    @classmethod
    def run(cls, *arguments: Any, **inputs: Any) -> io.NodeOutput:
        """What the node does; everything it raises gets the node's name."""
        raise NotImplementedError

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        with speaking_for(cls.TITLE):
            lists = {name: _some(name, values) for name, values in inputs.items() if name in cls.LISTS}
            single = {name: values for name, values in inputs.items() if name not in cls.LISTS}
            if cls.LISTS:
                single = {name: _only(name, values) for name, values in single.items()}
            single = {name: plain(value) for name, value in single.items()}
            cls._check(lists | {name: [value] for name, value in single.items()})
            return cls.run(**lists, **single)

    @classmethod
    def _check(cls, inputs: Mapping[str, Sequence[Any]]) -> None:
        """ValueError where a value is not one that its input offers: ComfyUI lets every linked value pass.

        What the node's own `validate_inputs` knows better is left to `run`.
        """
        own = signature(cls.validate_inputs).parameters
        for each in cls.define_schema().inputs:
            for value in inputs.get(each.id, ()) if each.id not in own else ():
                _check_value(each, value)

    @classmethod
    def any_rejected(cls, decision: Sequence[GateDecision]) -> bool:
        """For `check_lazy_status`: whether anything of the teacher is needed."""
        with speaking_for(cls.TITLE):
            return any(judged.any_rejected for judged in decision)

    @classmethod
    def answer(cls, check: Callable[[Any], Any], values: Sequence[Any]) -> bool | str:
        """For `validate_inputs`: True, or the sentence of the ValueError with which `check` refuses one of `values`.

        None stands for a linked value, which is not known before the node runs.
        """
        try:
            for value in values:
                if value is not None:
                    check(value)
        except ValueError as error:
            return printable(f"{cls.TITLE}: {error}")
        return True


@contextmanager
def speaking_for(node: str) -> Iterator[None]:
    """Put the node's name in front of every complaint, but for an interruption and memory that ran out: ComfyUI
    acts on these itself.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (InterruptProcessingException, OOM_EXCEPTION)) or "out of memory" in str(error).lower():
            raise
        if isinstance(error, ValueError):
            raise ValueError(printable(f"{node}: {error}")).with_traceback(error.__traceback__) from None
        complaint = printable(f"{node}: {type(error).__name__}: {error}")
        raise RuntimeError(complaint).with_traceback(error.__traceback__) from None


def node_id(hidden: Any) -> str:
    """The id of the node with these hidden inputs; empty where it runs outside a graph."""
    return str(hidden.unique_id) if hidden else ""


def _some(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if not values:
        raise ValueError(f"{name} is an empty list; link what gives at least one value")
    return list(map(plain, values))


def _only(name: str, values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise ValueError(f"{name} takes one value, but {len(values)} came; link one")
    return values[0]


def _check_value(each: io.Input, value: Any) -> None:
    """ValueError where an input does not offer the value."""
    options = getattr(each, "options", None)
    if value is None and each.optional:
        return
    if isinstance(each, (io.Int.Input, io.Float.Input)):
        _check_number(each, value)
    if options is not None and value not in options:
        raise ValueError(f"there is no {each.id} {quoted(value)}; choose one of {listed(options)}")


def _check_number(each: Any, value: Any) -> None:
    if not isinstance(value, (int, float)):
        raise ValueError(f"{each.id} is {quoted(value)}; give a number")
    if not math.isfinite(value):
        raise ValueError(f"{each.id} is {value}; give a finite number")
    if None not in (each.min, each.max) and not each.min <= value <= each.max:
        raise ValueError(f"{each.id} is {value}; choose from {each.min} to {each.max}")
