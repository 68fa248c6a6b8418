"""How much of a prompt a diffusers pipeline reads."""

import inspect
from collections.abc import Sequence
from typing import Any

from ..prompts import cut
from .pipeline import Pipeline


def cut_by(reader: str, pipeline: Pipeline, prompts: Sequence[str]) -> list[str]:
    """A sentence for every different prompt of which no text encoder of the pipeline reads the end.

    reader: what the sentences call it.
    """
    tokenizers = _tokenizers(pipeline)
    if not tokenizers:
        return []
    most, tokenizer = max(tokenizers, key=lambda each: each[0])
    return cut(reader, most, lambda prompt: len(tokenizer(prompt, verbose=False).input_ids), prompts)


def read_whole(pipeline: Pipeline, prompts: Sequence[str]) -> list[str]:
    """The different prompts of which a text encoder of the pipeline reads everything."""
    return [prompt for prompt in dict.fromkeys(prompts) if not cut_by("", pipeline, [prompt])]


def _tokenizers(pipeline: Pipeline) -> list[tuple[int, Any]]:
    """How many tokens each text encoder reads, start and end included, and its tokenizer."""
    parts = pipeline.components
    asked = inspect.signature(pipeline.__call__).parameters.get("max_sequence_length")
    most = asked.default if asked and isinstance(asked.default, int) else None
    return [
        (min(part.model_max_length, most or part.model_max_length), part)
        for name, part in parts.items()
        if name.startswith("tokenizer") and parts.get(name.replace("tokenizer", "text_encoder")) is not None
    ]
