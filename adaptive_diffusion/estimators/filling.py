"""Networks of the sizes that a file's weights have, filled with them."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from ..quoting import unquoted
from .weights import State

Network = TypeVar("Network", bound=nn.Module)


def fill(make: Callable[[State], Network], state: State, dtype: torch.dtype, owner: str) -> Network:
    """What `make` builds for the sizes in `state`, with those weights in `dtype`; owner: whose they are, for errors.

    ValueError where a weight is missing, unknown or misshaped.
    """
    try:
        with torch.device("meta"):
            module = make(state)
        module.load_state_dict({key: tensor.to(dtype) for key, tensor in state.items()}, assign=True)
    except KeyError as error:
        raise ValueError(f"{owner}'s weight {error} is missing; download the file again") from None
    except Exception as error:
        raise ValueError(f"{owner}'s weights do not fit together ({unquoted(_last_line(error))})") from None
    return module


def _last_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[-1].strip().rstrip(".")
