"""What a pickle of weights says, told from its opcodes: none of them is carried out.

Such a pickle is made of texts, numbers, tuples, lists, dictionaries, and tensors in plain storages, in the opcodes of
protocol 2 that torch.save writes. Whatever else stands in one is Foreign.
"""

import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..quoting import quoted

MOST_STEPS = 400_000
NEWEST_PROTOCOL = 5
MOST_NUMBERED = 4_096
ITEM_SIZES = {
    **dict.fromkeys(("torch ComplexDoubleStorage",), 16),
    **dict.fromkeys(("torch DoubleStorage", "torch LongStorage", "torch ComplexFloatStorage"), 8),
    **dict.fromkeys(("torch FloatStorage", "torch IntStorage"), 4),
    **dict.fromkeys(("torch HalfStorage", "torch BFloat16Storage", "torch ShortStorage"), 2),
    **dict.fromkeys(("torch ByteStorage", "torch CharStorage", "torch BoolStorage"), 1),
}


class Foreign(Exception):
    """Something that no pickle of weights is made of."""


@dataclass(frozen=True)
class Storage:
    """Numbers in a row. key: their name in the file. items: how many there are, of `size` bytes each."""

    key: str
    items: int
    size: int


@dataclass(frozen=True)
class Tensor:
    """A tensor that lies in a storage."""

    shape: tuple[int, ...]
    storage: Storage


@dataclass(frozen=True)
class Named:
    """A name of something in Python, which is not looked up."""

    name: str


class Pairs(list):
    """A dictionary's keys and values in their order, so that nothing is hashed that a file chose."""


class Pickle:
    """One pickle, read from where `file` stands. storages: all that its tensors lie in, by key."""

    def __init__(self, file: BinaryIO):
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}
        self.numbered = 0
        self.value = self._read(file)

    def _read(self, file: BinaryIO) -> Any:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if number > MOST_STEPS:
                raise Foreign("more steps than weights take")
            if opcode.name == "STOP":
                break
            if opcode.name not in _STEPS:
                raise Foreign(opcode.name)
            _STEPS[opcode.name](self, argument)
        return self.stack.pop()

    def begin(self, protocol: int) -> None:
        if not 2 <= protocol <= NEWEST_PROTOCOL:
            raise ValueError("a protocol that there is not")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def last(self, count: int) -> list[Any]:
        found = self.stack[-count:]
        del self.stack[-count:]
        if len(found) < count:
            raise ValueError("too little on the stack")
        return found

    def extend(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise Foreign("items outside a list")
        target += items

    def set_items(self, flat: Sequence[Any]) -> None:
        target, keys = self.stack[-1], flat[::2]
        self.numbered += sum(type(key) is int for key in keys)
        known = all(type(key) in (str, int) for key in keys) and self.numbered <= MOST_NUMBERED
        if type(target) is not Pairs or not known:
            raise Foreign("a dictionary of something else")
        target += zip(keys, flat[1::2], strict=True)

    def call(self) -> None:
        """A call becomes the tensor, the storage's tensor or the empty dictionary that it would make."""
        named, arguments = self.last(2)
        if not isinstance(named, Named) or named.name not in _CALLS:
            raise Foreign(f"a call of {quoted(named)}")
        self.push(_CALLS[named.name](*arguments))

    def build(self) -> None:
        """What a dictionary of modules says of their versions is left out."""
        self.stack.pop()
        if type(self.stack[-1]) is not Pairs:
            raise Foreign("the state of something else")

    def find(self) -> None:
        """The storage that a persistent id names: ("storage", class, key, device, items, and in old files None)."""
        kind, named, key, _, items, *view = self.stack.pop()
        if kind != "storage" or not isinstance(named, Named) or named.name not in ITEM_SIZES or any(view):
            raise Foreign(f"a storage of {quoted(named)}")
        if type(key) is not str or type(items) is not int or items < 0:
            raise ValueError("a storage without key and length")
        storage = Storage(key, items, ITEM_SIZES[named.name])
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError("one storage of two lengths")
        self.push(storage)


def _tensor(storage: Storage, start: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    """ValueError unless all of it lies in its storage."""
    numbers = (start, *shape, *stride)
    if len(shape) != len(stride) or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a tensor without shape")
    reach = sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1 if all(shape) else 0
    if start + reach > storage.items:
        raise ValueError("a tensor larger than its storage")
    return Tensor(tuple(shape), storage)


def _parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


_CALLS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": lambda: Pairs(),
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
_GIVEN = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING")
_STEPS: dict[str, Callable[[Pickle, Any], Any]] = {
    **dict.fromkeys(_GIVEN, Pickle.push),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda pickle, place: pickle.push(pickle.memo[place])),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda pickle, place: pickle.memo.update({place: pickle.stack[-1]})),
    "PROTO": lambda pickle, protocol: pickle.begin(protocol),
    "NONE": lambda pickle, _: pickle.push(None),
    "NEWTRUE": lambda pickle, _: pickle.push(True),
    "NEWFALSE": lambda pickle, _: pickle.push(False),
    "EMPTY_TUPLE": lambda pickle, _: pickle.push(()),
    "EMPTY_LIST": lambda pickle, _: pickle.push([]),
    "EMPTY_DICT": lambda pickle, _: pickle.push(Pairs()),
    "MARK": lambda pickle, _: pickle.mark(),
    "TUPLE": lambda pickle, _: pickle.push(tuple(pickle.since_mark())),
    "TUPLE1": lambda pickle, _: pickle.push(tuple(pickle.last(1))),
    "TUPLE2": lambda pickle, _: pickle.push(tuple(pickle.last(2))),
    "TUPLE3": lambda pickle, _: pickle.push(tuple(pickle.last(3))),
    "APPEND": lambda pickle, _: pickle.extend(pickle.last(1)),
    "APPENDS": lambda pickle, _: pickle.extend(pickle.since_mark()),
    "SETITEM": lambda pickle, _: pickle.set_items(pickle.last(2)),
    "SETITEMS": lambda pickle, _: pickle.set_items(pickle.since_mark()),
    "GLOBAL": lambda pickle, name: pickle.push(Named(name)),
    "REDUCE": lambda pickle, _: pickle.call(),
    "BUILD": lambda pickle, _: pickle.build(),
    "BINPERSID": lambda pickle, _: pickle.find(),
}
