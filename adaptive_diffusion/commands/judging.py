"""Whoever says how good an image is, by the name that a person gives."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..estimators import Estimator
    from ..standalone.evaluation import Judge

ORACLE = "oracle"


def load_judge(name: str, chosen: argparse.Namespace) -> "Judge":
    """An estimator, or the exact grader of the demo scenes."""
    from ..standalone import models
    from ..standalone.oracle import ExactJudge

    if name == ORACLE:
        return ExactJudge()
    device = models.hardware(chosen.device)["device"]
    return models.load_estimator(name, device, chosen.clip_tokenizer, chosen.clip_vision)


def load_estimator(chosen: argparse.Namespace) -> "Estimator":
    """The one of --estimator."""
    from ..standalone import models

    return models.load_estimator(chosen.estimator, chosen.device, chosen.clip_tokenizer, chosen.clip_vision)
