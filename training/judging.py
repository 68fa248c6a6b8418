"""What the demo estimator learns: to tell right captions from near misses, to write captions, to name patches."""

import random

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate

from adaptive_diffusion.estimators.blip_reward import Settings
from adaptive_diffusion.estimators.med import TextConfig, padding_mask
from adaptive_diffusion.estimators.reward_net import RewardConfig, RewardNet
from adaptive_diffusion.estimators.vit import VisionConfig
from adaptive_diffusion.estimators.words import END, PAD, START, WordTokenizer
from adaptive_diffusion.standalone.scenes import SIZE, Scene

from .captions import other_scene
from .pictures import CONTENTS, PATCH, UNKNOWN, Pictures
from .scenes import WORDS

WIDTH, HIDDEN, HEADS, LENGTH = 96, 192, 4, 24
HEAD = (WIDTH, 64, 32, 16, 8)
GREY = (0.5, 0.5, 0.5)
SETTINGS = Settings("Demo", HEADS, HEADS, 1e-6, 1e-12, GREY, GREY, 0.0, 1.0, LENGTH, (PAD, START, END, *WORDS))
TEXTS = 4
OWN_PROMPT = 2.0


def new_net() -> RewardNet:
    """An untrained network of 0.68 M weights."""
    words = len(SETTINGS.vocabulary)
    vision = VisionConfig(WIDTH, 4, HEADS, HIDDEN, PATCH, SIZE, SETTINGS.vision_eps)
    text = TextConfig(words, WIDTH, 3, HEADS, HIDDEN, LENGTH, WIDTH, SETTINGS.text_eps)
    net = RewardNet(RewardConfig(vision, text, HEAD))
    encoder, embeddings = net.blip.visual_encoder, net.blip.text_encoder.embeddings
    for table in (encoder.cls_token, encoder.pos_embed, *embeddings.parameters()):
        if table.ndim > 1:
            nn.init.normal_(table, std=0.02)
    return net


class Learner(nn.Module):
    """The network with two helpers that are thrown away: next word from text states, contents from patch states."""

    def __init__(self) -> None:
        super().__init__()
        self.net = new_net()
        self.words = nn.Linear(WIDTH, len(SETTINGS.vocabulary))
        self.contents = nn.Linear(WIDTH, CONTENTS)


def losses_of(learner: Learner, pictures: Pictures, pick: list[int], rng: random.Random, difficulty: float):
    """Losses of judging TEXTS captions for each picked picture, of writing its caption, and of naming its patches."""
    texts = [_texts_for(pictures, i, rng, difficulty) for i in pick]
    vision = learner.net.blip.visual_encoder(degraded(pictures.images[pick]))
    judging = _judging_loss(learner, vision, texts)
    known = [place for place, i in enumerate(pick) if pictures.shown[i]]
    writing = _writing_loss(learner, vision[known], [pictures.shown[pick[place]] for place in known])
    naming = cross_entropy(learner.contents(vision[:, 1:]).flatten(0, 1), pictures.contents[pick].flatten())
    return judging, writing, naming


def _texts_for(pictures: Pictures, i: int, rng: random.Random, difficulty: float) -> list[tuple[Scene, float]]:
    """The prompt, then captions around what the picture shows, with 1.0 for those that are right."""
    asked, shown = pictures.asked[i], pictures.shown[i]
    texts = [(asked, pictures.right[i].item())]
    if shown and asked.meaning != shown.meaning:
        texts.append((shown, 1.0))
    while len(texts) < TEXTS:
        other = other_scene(shown or asked, rng, difficulty if shown else 0.0)
        texts.append((other, float(shown is not None and other.meaning == shown.meaning)))
    return texts


def _judging_loss(learner: Learner, vision: torch.Tensor, texts: list[list[tuple[Scene, float]]]) -> torch.Tensor:
    scores, _ = learner.net.judge(vision, *_tokens([scene for row in texts for scene, _ in row]))
    labels = torch.tensor([[right for _, right in row] for row in texts])
    weights = torch.tensor([OWN_PROMPT, *[1.0] * (TEXTS - 1)]).expand_as(labels)
    return binary_cross_entropy_with_logits(scores.view_as(labels), labels, weights)


def _writing_loss(learner: Learner, vision: torch.Tensor, scenes: list[Scene]) -> torch.Tensor:
    """Cross entropy of every next word, the text encoder reading only what stands before it (arXiv 2201.12086)."""
    tokens, present = _tokens(scenes)
    ahead = torch.full((tokens.shape[1], tokens.shape[1]), -torch.inf).triu(1)
    states, _ = learner.net.blip.text_encoder(tokens, padding_mask(present) + ahead, vision)
    targets = tokens.masked_fill(~present, UNKNOWN)[:, 1:]
    return cross_entropy(learner.words(states[:, :-1]).flatten(0, 1), targets.flatten(), ignore_index=UNKNOWN)


def _tokens(scenes: list[Scene]) -> tuple[torch.Tensor, torch.Tensor]:
    tokens, present = WordTokenizer(SETTINGS.vocabulary, LENGTH)([scene.caption for scene in scenes])
    longest = int(present.sum(1).max())
    return tokens[:, :longest], present[:, :longest]


def degraded(images: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, 64, 64) uint8 to pixels -1..1, a little blurred, tinted and grainy as generated ones are."""
    pixels = images.float().div(127.5).sub(1)
    one = (len(images), 1, 1, 1)
    blurred = interpolate(interpolate(pixels, scale_factor=0.5, mode="area"), pixels.shape[-2:], mode="bilinear")
    pixels = pixels.lerp(blurred, torch.rand(one))
    pixels = pixels * (1 + 0.1 * torch.randn(one)) + 0.06 * torch.randn(len(images), 3, 1, 1)
    grain = interpolate(torch.randn(len(images), 3, 16, 16), pixels.shape[-2:], mode="bilinear")
    return (pixels + 0.15 * torch.rand(one) * grain).clamp(-1, 1)
