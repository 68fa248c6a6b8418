"""What every node of the pack shares: the link types of its own, the schema's common part, and checked inputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any, ClassVar

from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import GateDecision
from ..adaptive_diffusion.numeric import plain
from ..adaptive_diffusion.quoting import printable
from .faults import is_comfyuis
from .links import check_choice, check_link, checked_number, told, types_of

CATEGORY = "adaptive diffusion"
ALIASES = ["adaptive", "refine bad images", "auto quality", "quality gate", "best of"]

StudentInfoLink = io.Custom("STUDENT_INFO")
EstimatorLink = io.Custom("QUALITY_ESTIMATOR")
ScoresLink = io.Custom("QUALITY_SCORES")
DecisionLink = io.Custom("GATE_DECISION")
TableLink = io.Custom("PERCENTILE_TABLE")
_WHOLE = {"STRING", "IMAGE", "GATE_DECISION"}  # in a list of others, None is a batch without one


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
            given = {name: _some(name, values) for name, values in inputs.items() if name in cls.LISTS}
            single = {name: values for name, values in inputs.items() if name not in cls.LISTS}
            given |= {name: [plain(_only(name, value) if cls.LISTS else value)] for name, value in single.items()}
            given = cls._checked(given)
            return cls.run(**{name: values if name in cls.LISTS else values[0] for name, values in given.items()})

    @classmethod
    def _checked(cls, inputs: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """The inputs with whole numbers as such. ValueError where a value is not one that its input takes: ComfyUI lets
        every linked value pass. An optional input through which one None came is as if not linked.

        Which choices there are is left to the node's own `validate_inputs` and `run` where these know it better.
        """
        own = signature(cls.validate_inputs).parameters
        checked: dict[str, Sequence[Any]] = {}
        for each in cls.define_schema().inputs:
            values = inputs.get(each.id, ())
            if each.optional and (not values or (len(values) == 1 and values[0] is None)):
                continue
            if not values:
                raise ValueError(f"{each.id} came without any value; link one")
            gaps = getattr(each, "lazy", False) or (each.optional and each.get_io_type() not in _WHOLE)
            checked[each.id] = [_checked_value(each, value, gaps, each.id in own) for value in values]
        return checked

    @classmethod
    def any_rejected(cls, decision: Sequence[GateDecision]) -> bool:
        """For `check_lazy_status`: whether anything of the teacher is needed. `execute` refuses what is no decision."""
        return any(judged.any_rejected for judged in decision if isinstance(judged, GateDecision))

    @classmethod
    def answer(cls, check: Callable[[Any], Any], values: Sequence[Any]) -> bool | str:
        """For `validate_inputs`: True, or the sentence with which `check` refuses one of the names `values`.

        None stands for a linked value, which is not known before the node runs. Of an input that is missing, which
        ComfyUI refuses itself, there are no values.
        """
        try:
            for value in values:
                if value is not None:
                    if not isinstance(value, str):
                        raise ValueError(f"{told(value)} is no name; choose one of the list")
                    check(value)
        except ValueError as error:
            return printable(f"{cls.TITLE}: {error}")
        return True


@contextmanager
def speaking_for(node: str) -> Iterator[None]:
    """Put the node's name in front of every complaint, but for those on which ComfyUI acts itself."""
    try:
        yield
    except Exception as error:
        if is_comfyuis(error):
            raise
        if isinstance(error, ValueError):
            refusal = ValueError(printable(f"{node}: {error}"))
            raise refusal.with_traceback(error.__traceback__) from error.__cause__
        complaint = RuntimeError(printable(f"{node}: {type(error).__name__}: {error}"))
        raise complaint.with_traceback(error.__traceback__) from None


def unevaluated(values: Sequence[Any]) -> bool:
    """For `check_lazy_status`: whether a lazy input with these values has not been evaluated."""
    return len(values) > 0 and values[0] is None


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


def _checked_value(each: io.Input, value: Any, gaps: bool, any_choice: bool) -> Any:
    """The value, of an input of whole numbers as such; ValueError where the input does not take it.

    gaps: whether None may stand for nothing. any_choice: whether its list is left to the node.
    """
    if value is None and gaps:
        return None
    if isinstance(each, (io.Int.Input, io.Float.Input)):
        return checked_number(each, value)
    if isinstance(each, io.Combo.Input):
        check_choice(each.id, value, None if any_choice else each.options)
    else:
        check_link(each.id, types_of(each), value)
    return value
