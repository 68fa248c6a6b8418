"""How much of a prompt a pipeline of diffusers reads."""

import inspect

import pytest
from transformers import BatchEncoding

from adaptive_diffusion.standalone import demo
from adaptive_diffusion.standalone.reading import cut_by

WORDS = "one two three four five six"
ENDLESS = 10**30


class Tokenizer:
    """A token a word."""

    def __init__(self, model_max_length: int):
        self.model_max_length = model_max_length

    def __call__(self, text: str, verbose: bool) -> BatchEncoding:
        return BatchEncoding({"input_ids": text.split()})


class Pipeline:
    def __init__(self, **components):
        self.components = components

    def __call__(self, prompt): ...


class WithLimit(Pipeline):
    def __call__(self, prompt, max_sequence_length: int = 5): ...


@pytest.mark.parametrize(
    ("pipeline", "read"),
    [
        (Pipeline(tokenizer=Tokenizer(4), text_encoder=1), 4),
        (Pipeline(tokenizer=Tokenizer(4), text_encoder=1, tokenizer_2=Tokenizer(3), text_encoder_2=1), 4),
        (Pipeline(tokenizer=Tokenizer(4), text_encoder=1, tokenizer_2=Tokenizer(9), text_encoder_2=1), None),
        (Pipeline(tokenizer=Tokenizer(4), text_encoder=1, tokenizer_2=Tokenizer(9), text_encoder_2=None), 4),
        (WithLimit(tokenizer=Tokenizer(ENDLESS), text_encoder=1), 5),
        (WithLimit(tokenizer=Tokenizer(4), text_encoder=1), 4),
        (Pipeline(tokenizer=Tokenizer(ENDLESS), text_encoder=1), None),
        (Pipeline(unet=1), None),
    ],
)
def test_a_prompt_is_cut_where_the_encoder_that_reads_most_ends(pipeline, read):
    expected = [] if read is None else [f"it reads the first {read} of 6 tokens of '{WORDS}...'"]
    assert cut_by("it", pipeline, [WORDS, "one two", WORDS]) == expected


def test_of_a_real_pipeline_every_word_and_both_ends_count():
    student = demo.load_student()
    assert "prompt" in inspect.signature(student.__call__).parameters
    assert cut_by("it", student, ["red " * 22]) == []
    assert cut_by("it", student, ["red " * 23]) == ["it reads the first 24 of 25 tokens of '" + "red " * 9 + "red...'"]
