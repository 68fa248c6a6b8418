"""A Qwen3-VL in a folder as Hugging Face has it, through transformers, from this machine alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...quoting import quoted, unquoted
from .digests import sampled_digest, sized
from .judge import REFERENCE, VisionJudge
from .packing import Packed
from .questions import Questions
from .words import Words

KIND = "qwen3_vl"
FILES = ("config.json", "preprocessor_config.json")


def load(folder: Path, questions: Questions = REFERENCE, device: str = "cpu") -> VisionJudge:
    """The judge that a folder's model is, in float32.

    FileNotFoundError without the folder; ValueError where it is incomplete, damaged, or no Qwen3-VL.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {quoted(folder)}; name one with a Qwen3-VL as Hugging Face has it")
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ValueError(f"{quoted(folder)} has no {missing[0]}; download all files of the model's repository")
    return VisionJudge(_Local(*_opened(folder), device), questions)


def _opened(folder: Path) -> tuple[Any, Any, Any, str]:
    """Model, tokenizer, image processor, and the type that the weights are stored in."""
    import transformers

    kind: Any = transformers.AutoModelForImageTextToText
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **local)
        if config.model_type != KIND:
            raise ValueError(f"it is a {unquoted(config.model_type)} and no Qwen3-VL, the only kind that can judge")
        dtype = config.dtype or config.text_config.dtype or torch.float32
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **local)
        processor = transformers.AutoImageProcessor.from_pretrained(folder, **local)
        model, found = kind.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="sdpa",
            use_safetensors=True,
            output_loading_info=True,
            **local,
        )
        if found["missing_keys"]:
            raise ValueError(f"its weights lack {unquoted(sorted(found['missing_keys'])[0])}")
    except Exception as error:  # whatever an incomplete or damaged model makes the library raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"{quoted(folder)} cannot be loaded: {unquoted(reason)}") from error
    return model, tokenizer, processor, str(dtype).removeprefix("torch.")


class _Local:
    """A `Network` of transformers' Qwen3VLForConditionalGeneration."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, dtype: str, device: str):
        self.module = model.to(device).train(False).requires_grad_(False)
        self.processor, self.words = processor, Words(tokenizer)
        text = model.config.text_config
        self.name = sized(text.hidden_size)
        self.dtype = dtype
        visual, language, head = model.model.visual, model.model.language_model, model.lm_head
        weights = {
            "patches": visual.patch_embed.proj.weight,
            "merger": visual.merger.linear_fc2.weight,
            "norm": language.norm.weight,
            "words": language.embed_tokens.weight[self.words.answers],
            "head": head.weight[self.words.answers],
        }
        self.digest = sampled_digest(weights)

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        settings = {"do_resize": False, "input_data_format": "channels_first", "return_tensors": "pt"}
        taken = self.processor([pixels.numpy()], **settings)
        grid = taken["image_grid_thw"]
        seen = self.module.model.get_image_features(
            taken["pixel_values"].to(self.module.device), grid.to(self.module.device), return_dict=True
        )
        rows, columns = (grid[0, 1:] // self.module.model.visual.spatial_merge_size).tolist()
        looks = [torch.cat(list(each)) for each in (seen.pooler_output, *seen.deepstack_features)]
        return torch.stack(looks).view(len(looks), rows, columns, -1)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        return self.module.get_input_embeddings()(torch.tensor(ids, device=self.module.device))

    def read(self, embedded: torch.Tensor, packed: Packed, deeper: torch.Tensor) -> torch.Tensor:
        device = self.module.device
        hidden = self.module.model.language_model(
            inputs_embeds=embedded[None],
            position_ids=packed.positions[:, None].to(device),
            attention_mask=packed.mask[None, None].to(device),
            visual_pos_masks=packed.image[None].to(device),
            deepstack_visual_embeds=list(deeper),
            use_cache=False,
        ).last_hidden_state
        return hidden[0, packed.lasts.to(device)]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.module.lm_head(hidden)
