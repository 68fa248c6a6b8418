"""The demo models' text side: a word tokenizer for the closed grammar and a small CLIP text model."""

from pathlib import Path

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from .scenes import WORDS

LENGTH = 24
WIDTH = 128
START, END = "<|startoftext|>", "<|endoftext|>"


def new_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word of the grammar, between a start and an end token; padded with the end token to 24."""
    vocabulary = {token: index for index, token in enumerate((START, END, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=END,
        model_max_length=LENGTH,
    )


def new_text_model() -> CLIPTextModel:
    """An untrained CLIP text model: token ids (B, 24) to states (B, 24, 128)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(WORDS) + 2,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=WIDTH,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
        )
    )


def tokenize(captions: list[str]):
    """Token ids (N, 24)."""
    return new_tokenizer()(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def save_tokenizer(folder: Path) -> None:
    new_tokenizer().save_pretrained(folder)


def save_text_model(model: CLIPTextModel, folder: Path) -> None:
    """Write the weights in half precision, to be loaded in single, which is what the configuration says.

    The names are those that transformers 4 and 5 both read; 5 alone would leave out `text_model.`.
    """
    model.save_pretrained(folder)
    path = folder / "model.safetensors"
    weights = {f"text_model.{key.removeprefix('text_model.')}": value.half() for key, value in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
