"""How sure a model is of Yes, from its logits where the answer begins, and how that is told among features."""

import json
import re
from collections.abc import Sequence

import torch

LEAST_MASS = 0.5
MARK = "log-odds of Yes: "


def log_odds(logits: torch.Tensor, token: int) -> torch.Tensor:
    """log(P / (1 - P)) of a token among all, (Q,) float64, from logits (Q, V).

    The logit of VQAScore (arXiv 2404.01291, equation 1): it ranks as P does, and has no ties near 0 and 1.
    """
    every = logits.double()
    others = every.clone()
    others[:, token] = -torch.inf
    return every[:, token] - others.logsumexp(-1)


def mass(logits: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
    """The probability of all these tokens together, (Q,) float64, from logits (Q, V)."""
    return logits.double().softmax(-1)[:, [*dict.fromkeys(tokens)]].sum(-1)


def names_of(checks: Sequence[str]) -> str:
    """How features are called that end in the log-odds of the question on the prompt and of these checks."""
    return MARK + json.dumps(["", *checks])


def checks_in(feature_names: str) -> list[str]:
    """The names in the last columns of such features, the first one empty; none of other features."""
    found = re.search(rf"{MARK}(\[.*\])$", feature_names, re.DOTALL)
    return json.loads(found[1]) if found else []
