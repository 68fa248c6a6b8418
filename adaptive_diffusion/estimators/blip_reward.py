"""ImageReward's form of estimator (arXiv 2304.05977): BLIP reads prompt and image, a linear head gives one number."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from .med import TextConfig, TextEncoder, padding_mask
from .preprocess import preprocess
from .vit import VisionConfig, VisionTransformer
from .words import WordTokenizer

VISION = "blip.visual_encoder."
TEXT = "blip.text_encoder."
HEAD = "mlp.layers."
HEAD_LAYERS = (0, 2, 4, 6, 7)
HEAD_DROPOUTS = {1: 0.2, 3: 0.2, 5: 0.1}
METADATA = "estimator"
UNUSED = ("blip.vision_proj.", "blip.text_proj.", "blip.text_encoder.embeddings.position_ids")


@dataclass(frozen=True)
class Settings:
    """What an estimator's weights do not tell; kept as JSON under `estimator` in the file's metadata.

    image_mean, image_std: of the training pixels, per channel. score_mean, score_std: of the raw scores.
    """

    name: str
    vision_heads: int
    text_heads: int
    vision_eps: float
    text_eps: float
    image_mean: Sequence[float]
    image_std: Sequence[float]
    score_mean: float
    score_std: float
    max_length: int
    vocabulary: Sequence[str]

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Settings":
        try:
            return cls(**json.loads(metadata[METADATA]))
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"the weights are ImageReward's form, but '{METADATA}' in the file's metadata lacks their settings; "
                "use a file saved with its settings and vocabulary"
            ) from None

    def metadata(self) -> dict[str, str]:
        return {METADATA: json.dumps(asdict(self))}


@dataclass(frozen=True)
class RewardConfig:
    """All sizes of the network; `head`: input widths of the head's linear layers."""

    vision: VisionConfig
    text: TextConfig
    head: tuple[int, ...]

    @classmethod
    def read(cls, state: Mapping[str, torch.Tensor], settings: Settings) -> "RewardConfig":
        vision = VisionConfig.read(state, VISION, settings.vision_heads, settings.vision_eps)
        text = TextConfig.read(state, TEXT, settings.text_heads, settings.text_eps)
        return cls(vision, text, tuple(state[f"{HEAD}{i}.weight"].shape[1] for i in HEAD_LAYERS))


class Blip(nn.Module):
    def __init__(self, config: RewardConfig, operations: Any):
        super().__init__()
        self.visual_encoder = VisionTransformer(config.vision, operations)
        self.text_encoder = TextEncoder(config.text, operations)


class Head(nn.Module):
    """Five linear layers with dropout and no activation between them."""

    def __init__(self, widths: Sequence[int], operations: Any):
        super().__init__()
        linear = [operations.Linear(i, o) for i, o in zip(widths, [*widths[1:], 1], strict=True)]
        layers: dict[int, nn.Module] = dict(zip(HEAD_LAYERS, linear, strict=True))
        layers |= {place: nn.Dropout(share) for place, share in HEAD_DROPOUTS.items()}
        self.layers = nn.Sequential(*(layers[place] for place in sorted(layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class RewardNet(nn.Module):
    def __init__(self, config: RewardConfig, operations: Any = torch.nn):
        super().__init__()
        self.blip = Blip(config, operations)
        self.mlp = Head(config.head, operations)

    def forward(self, pixels: torch.Tensor, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Raw scores (B,) of normalised pixels (B, 3, S, S) for token ids (B, L)."""
        return self.judge(self.blip.visual_encoder(pixels), tokens, present)

    def judge(self, vision: torch.Tensor, tokens: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Raw scores (B,) of images (I, P, width) that are encoded already, B/I texts for each."""
        states = self.blip.text_encoder(tokens, padding_mask(present), vision)
        return self.mlp(states[:, 0])[:, 0]


class BlipReward:
    """An estimator in ImageReward's form; see `Estimator` for the interface."""

    uses_prompt = True
    dtype = "float32"

    def __init__(self, module: RewardNet, settings: Settings, image_size: int):
        self.module = module
        self.name = settings.name
        self.settings = settings
        self.image_size = image_size
        self.tokenizer = WordTokenizer(settings.vocabulary, settings.max_length)

    @torch.inference_mode()
    def score(self, images: torch.Tensor, prompts: str | Sequence[str]) -> torch.Tensor:
        check_images(images)
        tokens, present = self.tokenizer(prompt_per_image(prompts, len(images)))
        device = self.module.blip.visual_encoder.cls_token.device
        pixels = preprocess(images.to(device), self.image_size, self.settings.image_mean, self.settings.image_std)
        raw = self.module(pixels, tokens.to(device), present.to(device)).float().cpu()
        return (raw - self.settings.score_mean) / self.settings.score_std


def check_images(images: torch.Tensor) -> None:
    """ValueError unless `images` is (B, H, W, C >= 3) and finite."""
    if images.ndim != 4 or images.shape[-1] < 3:
        raise ValueError(f"images of shape {tuple(images.shape)} cannot be scored; give (batch, height, width, 3)")
    finite = images.isfinite().flatten(1).all(1).tolist()
    if not all(finite):
        raise ValueError(f"image {finite.index(False)} has pixels that are not finite; check the VAE that decoded it")


def prompt_per_image(prompts: str | Sequence[str], count: int) -> list[str]:
    """`prompts` (one, or one per image) as `count` prompts; ValueError for another number or an empty prompt."""
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if len(texts) not in (1, count):
        raise ValueError(f"{len(texts)} prompts came for {count} images; give one, or one for each image")
    if any(not text.strip() for text in texts):
        raise ValueError("an image cannot be scored for an empty prompt; give the prompt it was drawn from")
    return texts * count if len(texts) == 1 else texts


def recognises(state: Mapping[str, torch.Tensor]) -> bool:
    return all(any(key.startswith(prefix) for key in state) for prefix in (VISION, TEXT, HEAD))


def build(state: Mapping[str, torch.Tensor], metadata: Mapping[str, str], operations: Any) -> BlipReward:
    """The estimator a file holds, in float32; ValueError where a weight is missing, unknown or of another shape."""
    settings = Settings.from_metadata(metadata)
    used = {key: tensor.float() for key, tensor in state.items() if not key.startswith(UNUSED)}
    try:
        config = RewardConfig.read(used, settings)
        with torch.device("meta"):
            module = RewardNet(config, operations)
        module.load_state_dict(used, assign=True)
    except KeyError as error:
        raise ValueError(f"the estimator's weight {error} is missing; download the file again") from None
    except RuntimeError as error:
        raise ValueError(f"the estimator's weights do not fit together ({_first_fault(error)})") from None
    return BlipReward(module.train(False).requires_grad_(False), settings, config.vision.image_size)


def _first_fault(error: RuntimeError) -> str:
    return str(error).splitlines()[-1].strip().rstrip(".")
