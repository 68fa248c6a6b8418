"""One value of each input for each batch of a list."""

from collections.abc import Mapping, Sequence
from typing import Any


def per_batch(inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """For each batch its own value of every input, of which each has one for all batches or one for each."""
    count = max(map(len, inputs.values()))
    for name, values in inputs.items():
        if len(values) not in (1, count):
            raise ValueError(
                f"{len(values)} values of {name} do not fit {count} batches; link one for all or one for each batch"
            )
    return [{name: values[i if len(values) > 1 else 0] for name, values in inputs.items()} for i in range(count)]
