"""Pipelines as workers make them, some of which end their process."""

import os

from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from tests.pure import tiny

POISON = "white circle"


class Dying(AdaptiveDiffusionPipeline):
    """Ends its process, or fails, at a prompt."""

    def __init__(self, fails: bool, *parts):
        super().__init__(*parts)
        self.fails = fails

    def __call__(self, prompt, *arguments, **options):
        if POISON in prompt:
            if self.fails:
                raise OSError(28, "No space left on device")
            os._exit(9)
        return super().__call__(prompt, *arguments, **options)


def make(kind=AdaptiveDiffusionPipeline, *first) -> AdaptiveDiffusionPipeline:
    return kind(*first, tiny.Judge(0.1, 0.2, 0.3, 0.4, 0.5), tiny.new_student(), tiny.new_teacher())
