"""The classes of models that can be distilled: how their text is encoded, and how their network is called."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..quoting import listed
from ..standalone.drawing import Pipeline

Condition = dict[str, torch.Tensor]
STATES, POOLED, TIME_IDS = "encoder_hidden_states", "pooled", "time_ids"
DEMO_CHANNELS = 8
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


class StableDiffusion:
    """Stable Diffusion 1 and 2: a UNet, and the states of one text encoder.

    texts: how many times the pipeline is given the prompts, where each of its encoders takes its own. full: whether all
    weights can be trained, not a LoRA alone.
    """

    pipelines: tuple[str, ...] = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
    part = "unet"
    texts = 1
    targets: tuple[str, ...] = (
        *(*ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_shortcut"),
        *("downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"),
    )
    full = True

    def __init__(self, pipeline: Pipeline, size: tuple[int, int]):
        """size: width and height of the images, in pixels."""
        self.pipeline, self.size = pipeline, size

    @property
    def network(self) -> Any:
        return getattr(self.pipeline, self.part)

    @property
    def own_size(self) -> int:
        """A side of the images that the model was made for, in pixels."""
        return self.network.config.sample_size * self.pipeline.vae_scale_factor

    @property
    def multiple(self) -> int:
        """Of what an image's sides must be multiples, in pixels."""
        return self.pipeline.vae_scale_factor

    @property
    def most(self) -> int | None:
        """The longest side of an image, in pixels, where the network has a place for no more."""
        cells = self.network.config.get("pos_embed_max_size")
        return cells and cells * self.multiple

    @property
    def is_cores(self) -> bool:
        """Whether ComfyUI's own loaders know the network; the demo's is smaller than any of theirs."""
        return self.network.config.in_channels != DEMO_CHANNELS

    def release(self) -> None:
        """Move the text encoders off the device: all prompts are encoded."""
        for name, part in self.pipeline.components.items():
            if name.startswith("text_encoder") and part is not None:
                part.to("cpu")

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> Condition:
        """What the network is told of each prompt: tensors (B, ...)."""
        device = self.network.device
        states, _, *pooled = self.pipeline.encode_prompt(
            *[list(prompts)] * self.texts, device=device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return {STATES: states} | ({POOLED: pooled[0]} if pooled else {})

    def blank(self) -> Condition:
        """What it is told of the empty prompt, (1, ...) each."""
        return self.encode([""])

    def call(
        self,
        network: torch.nn.Module,
        x: torch.Tensor,
        told: torch.Tensor,
        condition: Mapping[str, torch.Tensor],
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The network's prediction of x (B, C, H, W). told: (B,). guidance: its embedding (B, E), if it takes one."""
        states, more = condition[STATES], self._more(condition, guidance)
        return network(x, timestep=told, encoder_hidden_states=states, **more).sample

    def _more(self, condition: Mapping[str, torch.Tensor], guidance: torch.Tensor | None) -> dict[str, Any]:
        """What the network takes besides, by the names of its arguments."""
        return {"timestep_cond": guidance}


class StableDiffusionXL(StableDiffusion):
    """SDXL: the same UNet with a pooled text and the image's size; its empty prompt is zeros where it says so."""

    pipelines = ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline")

    def encode(self, prompts: Sequence[str]) -> Condition:
        condition = super().encode(prompts)
        return {**condition, TIME_IDS: self._time_ids(condition[STATES]).expand(len(prompts), -1)}

    def blank(self) -> Condition:
        blank = self.encode([""])
        if not self.pipeline.config.force_zeros_for_empty_prompt:
            return blank
        return {name: value if name == TIME_IDS else torch.zeros_like(value) for name, value in blank.items()}

    def _time_ids(self, like: torch.Tensor) -> torch.Tensor:
        """Size, cut and target size (arXiv 2307.01952, section 2.2): an image that was not cut."""
        size = self.size[::-1]
        return torch.tensor([[*size, 0, 0, *size]]).to(like)

    def _more(self, condition: Mapping[str, torch.Tensor], guidance: torch.Tensor | None) -> dict[str, Any]:
        added = {"text_embeds": condition[POOLED], "time_ids": condition[TIME_IDS]}
        return {**super()._more(condition, guidance), "added_cond_kwargs": added}


class StableDiffusion3(StableDiffusion):
    """SD3 and 3.5: a transformer with flow; its LoRA alone can be trained here."""

    pipelines = ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline")
    part = "transformer"
    texts = 3
    targets = (
        *(*ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
        *("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
    )
    full = False

    @property
    def multiple(self) -> int:
        return self.pipeline.vae_scale_factor * self.pipeline.transformer.config.patch_size

    def _more(self, condition: Mapping[str, torch.Tensor], guidance: torch.Tensor | None) -> dict[str, Any]:
        return {"pooled_projections": condition[POOLED]}


LAYOUTS = (StableDiffusion, StableDiffusionXL, StableDiffusion3)


def layout_of(pipeline: Pipeline, size: tuple[int, int]) -> StableDiffusion:
    """How a pipeline's model is used; ValueError where its class is not known here."""
    name = type(pipeline).__name__
    for layout in LAYOUTS:
        if name in layout.pipelines:
            return layout(pipeline, size)
    known = listed(layout.pipelines[0] for layout in LAYOUTS)
    raise ValueError(f"the teacher is a {name}, which cannot be distilled here; name one of {known}")
