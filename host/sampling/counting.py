"""How many rows the network really evaluated, whatever sampler, guidance and caches asked of it."""

import copy
from typing import Any

from comfy.patcher_extension import WrappersMP, add_wrapper_with_key, get_all_wrappers

NAME = "adaptive_diffusion_count"


class Evaluations:
    """Counts the rows that are evaluated for a sampler.

    Where something wraps the network itself, as caches do that skip it, what gets through to the network is counted.
    """

    def __init__(self) -> None:
        self._rows = {WrappersMP.APPLY_MODEL: 0, WrappersMP.DIFFUSION_MODEL: 0}

    @property
    def rows(self) -> int:
        return self._rows[WrappersMP.DIFFUSION_MODEL] or self._rows[WrappersMP.APPLY_MODEL]

    def of(self, sampler: Any) -> Any:
        """The sampler, all of whose evaluations are counted. Its counters lie inside every other wrapper."""
        counted = copy.copy(sampler)

        def sample(model_wrap: Any, sigmas: Any, extra_args: dict[str, Any], *arguments: Any, **options: Any) -> Any:
            self._count(extra_args["model_options"])
            return sampler.sample(model_wrap, sigmas, extra_args, *arguments, **options)

        counted.sample = sample
        return counted

    def _count(self, model_options: dict[str, Any]) -> None:
        skipping = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, model_options, is_model_options=True)
        for place in [WrappersMP.APPLY_MODEL, *([WrappersMP.DIFFUSION_MODEL] if skipping else [])]:
            add_wrapper_with_key(place, NAME, self._counter(place), model_options, is_model_options=True)

    def _counter(self, place: str) -> Any:
        def count(executor: Any, x: Any, *arguments: Any, **options: Any) -> Any:
            self._rows[place] += x.shape[0]
            return executor(x, *arguments, **options)

        return count
