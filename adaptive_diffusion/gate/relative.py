"""Scores that were made to compare images of one prompt, and judged by a percentile over the images of many.

Such estimators are trained on which of several images of one prompt people like better; nothing holds their scores of
different prompts on one scale (ImageReward, arXiv 2304.05977; PickScore, 2305.01569; HPSv2, 2306.09341,
whose authors say so: github.com/tgxs002/HPSv2/issues/14).
"""

from collections.abc import Sequence

from ..quoting import unquoted
from .decision import QualityScores


def across_prompts(groups: Sequence[QualityScores], of_this_run: bool) -> list[str]:
    """A sentence where relative scores are judged by a percentile of several prompts' scores, else none.

    of_this_run: whether the percentile is that of `groups` alone, and not of a table, which is of many prompts.
    """
    prompts = {prompt for group in groups for prompt in group.prompts}
    relative = next((group.estimator for group in groups if group.relative), None)
    if relative is None or (of_this_run and len(prompts) == 1):
        return []
    return [
        f"{unquoted(relative)} compares images of one prompt, while this percentile is of several: it may improve all "
        "images of one prompt and none of another; a learned gate knows the prompt (see the help of Load Estimator)"
    ]
