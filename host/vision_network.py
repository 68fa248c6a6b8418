"""A Qwen3-VL that ComfyUI loaded as a text encoder, asked for its hidden states and logits.

ComfyUI has no public call that gives them alike for all types of CLIP, so this goes through its classes' own parts;
`vision_refusals` refuses what has other parts, and what they no longer do as expected.
"""

from collections.abc import Sequence
from typing import Any

import comfy.model_management
import torch

from ..adaptive_diffusion.estimators.vlm.digests import sampled_digest, sized
from ..adaptive_diffusion.estimators.vlm.packing import Packed
from ..adaptive_diffusion.estimators.vlm.words import Words
from .vision_refusals import check_clip
from .vision_weights import check_weights


class ClipNetwork:
    """A `vlm.network.Network` of a CLIP; ValueError where it is none that can judge."""

    def __init__(self, clip: Any):
        self.transformer = check_clip(clip)
        self.patcher, self.module = clip.patcher, clip.cond_stage_model
        check_weights(self.patcher, self.transformer)
        self.words = Words(getattr(clip.tokenizer, clip.tokenizer.clip).tokenizer)
        self.name = sized(self.transformer.model.config.hidden_size)
        self.dtype = _stored(self.transformer.model.layers[0].self_attn.q_proj.weight)
        self.digest = sampled_digest(self._sampled())

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        image = pixels.movedim(0, -1)[None].float() / 255
        merged, extra = self.transformer.preprocess_embed({"type": "image", "data": image}, device=self._device)
        rows, columns = (extra["grid"][0, 1:] // self.transformer.visual.spatial_merge_size).tolist()
        looks = torch.stack([merged, *extra["deepstack"]])
        return looks.view(len(looks), rows, columns, -1)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        tokens = torch.tensor([ids], device=self._device)
        return self.transformer.get_input_embeddings()(tokens, out_dtype=torch.float32)[0]

    def read(self, embedded: torch.Tensor, packed: Packed, deeper: torch.Tensor) -> torch.Tensor:
        device = self._device
        hidden = self.transformer(
            None,
            attention_mask=packed.mask[None].to(device),
            embeds=embedded[None],
            num_tokens=[len(embedded)],
            dtype=torch.float32,
            position_ids=packed.positions.to(device),
            visual_pos_masks=packed.image[None].to(device),
            deepstack_embeds=list(deeper),
        )[0]
        return hidden[0, packed.lasts.to(device)]

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """By the head itself: ComfyUI's own call takes the words' weights for it where nothing is cast."""
        head = getattr(self.transformer.model, "lm_head", None)
        return head(hidden) if head is not None else self.transformer.logits(hidden[:, None])[:, 0]

    def memory(self, height: int, width: int, questions: int, tokens: int) -> int:
        """Bytes that judging an image of this size, in pixels, takes beside the weights.

        Without torch's own attention ComfyUI holds the scores of all pairs of tokens; weights are cast to float32.
        """
        config, visual = self.transformer.model.config, self.transformer.visual
        patches = height * width // visual.patch_size**2
        total = patches // visual.spatial_merge_unit + tokens
        squares = 0 if comfy.model_management.pytorch_attention_enabled() else 3
        seeing = patches * (12 * visual.hidden_size + 7 * 3 * visual.patch_size**2)
        seeing += squares * visual.blocks[0].attn.num_heads * patches**2
        reading = total * (8 * config.hidden_size + 3 * config.intermediate_size)
        reading += (3 + squares * config.num_attention_heads) * total**2
        largest = max(config.vocab_size, 2 * config.intermediate_size) * config.hidden_size
        cast = 0 if self.dtype == "float32" else largest
        return 4 * (max(seeing, reading) + cast + 8 * questions * config.vocab_size)

    @property
    def _device(self) -> torch.device:
        return self.patcher.load_device

    def _sampled(self) -> dict[str, torch.Tensor]:
        """A few of its weights, as numbers: of the vocabulary only the answers."""
        model, visual = self.transformer.model, self.transformer.visual
        words = _plain(model.embed_tokens.weight)[self.words.answers]
        head = getattr(model, "lm_head", None)
        return {
            "patches": _plain(visual.patch_embed.proj.weight),
            "merger": _plain(visual.merger.linear_fc2.weight),
            "norm": _plain(model.norm.weight),
            "words": words,
            "head": words if head is None else _plain(head.weight)[self.words.answers],
        }


def _plain(weight: Any) -> torch.Tensor:
    """A weight as it is, a quantised one as the numbers it stands for."""
    return weight.dequantize() if hasattr(weight, "_qdata") else weight.detach()


def _stored(weight: Any) -> str:
    return str(getattr(weight, "_qdata", weight).dtype).removeprefix("torch.")
