"""A Qwen3-VL of random weights, a few layers deep and narrow, as Hugging Face has it."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

VOCABULARY, WIDTH, LAYERS = 151_936, 64, 4
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
VISION = {"hidden_size": 64, "intermediate_size": 96, "depth": 4, "deepstack_visual_indexes": [0, 1, 2]}
HEADS = 4
WORDS, ANSWERS = ("Yes", "No", "yes", "no"), [9454, 2753, 9693, 2152]
MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|endoftext|>")
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "size": {"shortest_edge": 65536, "longest_edge": 16777216},
}


def tiny_config(tied: bool = False, tokenizer: Any = None, **sizes: int) -> Any:
    """tokenizer: of the model's words, where it is not Qwen's own. sizes: others than TEXT has."""
    import transformers

    text = {**TEXT, **sizes, "head_dim": 128, "rope_parameters": _rope(), "max_position_embeddings": 262144}
    vision = {**VISION, "num_heads": HEADS, "out_hidden_size": text["hidden_size"], "patch_size": 16}
    own = {}
    if tokenizer is not None:
        text |= {"vocab_size": len(tokenizer), "pad_token_id": None}
        own["image_token_id"] = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    return transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **own)


def tiny_model(
    tied: bool = False,
    answering: bool = True,
    seed: int = 1,
    tokenizer: Any = None,
    numbers: Callable[[str, tuple[int, ...]], torch.Tensor] | None = None,
    **sizes: int,
) -> Any:
    """transformers' model. answering: it says Yes or No, as a plain random one never does; not with a tied head.

    numbers: of mean 0 and deviation 1, by a weight's name and shape; torch's own of this seed without.
    """
    import transformers

    torch.manual_seed(seed)
    model = (
        transformers.Qwen3VLForConditionalGeneration(tiny_config(tied, tokenizer, **sizes)).eval().requires_grad_(False)
    )
    noise = torch.Generator().manual_seed(seed)
    numbers = numbers or (lambda name, shape: torch.randn(shape, generator=noise))
    for name, weight in model.named_parameters():
        spread = 1.0 if "embed" in name else 0.4 if weight.ndim > 1 else 0.05
        scale = "norm" in name and name.endswith("weight")
        weight.copy_(numbers(name, tuple(weight.shape)) * spread + scale)
    if tied:
        model.model.language_model.norm.weight.mul_(0.4)
    elif answering:
        _answer(model, [tokenizer.convert_tokens_to_ids(word) for word in WORDS] if tokenizer else ANSWERS)
    return model


def _answer(model: Any, answers: list[int]) -> None:
    """Every token carries a number of which the head makes a Yes or No."""
    language, head = model.model.language_model, model.lm_head.weight
    for layer in language.layers:
        layer.self_attn.o_proj.weight.mul_(0.3)
        layer.mlp.down_proj.weight.mul_(0.3)
    language.embed_tokens.weight[:, 0] = 40.0
    language.norm.weight.mul_(0.15)
    head[:, 0] = 0.0
    head[answers] *= 5
    head[answers, 0] = torch.tensor([57.0, 55.0, 50.0, 50.0])


def _rope() -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}


def tiny_tokenizer(words: Sequence[str] = WORDS, marks: Sequence[str] = MARKS) -> Any:
    """Qwen's marks, every byte, and the four answers, each in one token."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = [word[:length] for word in words for length in range(2, len(word) + 1)]
    vocabulary = {piece: i for i, piece in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), *pieces])}
    made = Tokenizer(models.BPE(vocabulary, [(piece[:-1], piece[-1]) for piece in pieces]))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=made)
    tokenizer.add_tokens(["<think>"])
    tokenizer.add_special_tokens({"additional_special_tokens": list(marks)})
    return tokenizer


def save_folder(model: Any, folder: Path, tokenizer: Any) -> Path:
    """The model as a folder of Hugging Face's. tokenizer: folder of Qwen's, or one of transformers'."""
    model.save_pretrained(folder)
    if isinstance(tokenizer, Path):
        for path in tokenizer.iterdir():
            shutil.copy(path, folder)
    else:
        tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder
