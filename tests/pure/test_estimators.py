import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BlipTextConfig, BlipVisionConfig
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

from adaptive_diffusion import estimators
from adaptive_diffusion.estimators.blip_reward import Settings
from adaptive_diffusion.estimators.med import TextConfig, padding_mask
from adaptive_diffusion.estimators.preprocess import preprocess
from adaptive_diffusion.estimators.reward_net import RewardConfig, RewardNet
from adaptive_diffusion.estimators.vit import VisionConfig
from training.captions import other_scene
from training.scenes import dataset

torch.set_num_threads(1)

VISION = VisionConfig(width=24, layers=2, heads=3, hidden=40, patch=8, image_size=32, eps=1e-6)
TEXT = TextConfig(vocabulary=8, width=16, layers=2, heads=2, hidden=28, positions=9, vision_width=24, eps=1e-12)
HEAD = (16, 12, 10, 6, 4)
MEAN, STD = (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)
WORDS = ("[PAD]", "[CLS]", "[SEP]", "a", "red", "blue", "circle", "square")
SETTINGS = Settings("Tiny", 3, 2, 1e-6, 1e-12, MEAN, STD, 0.2, 1.5, 9, WORDS)
DEMO = Path(__file__).parents[2] / "demo_models/estimator/model.safetensors"
PROMPTS = ["a red circle", "a blue square", "a square", "red"]


def random_state() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        shapes = RewardNet(RewardConfig(VISION, TEXT, HEAD)).state_dict()
    noise = torch.Generator().manual_seed(1)
    return {
        key: torch.randn(value.shape, generator=noise) * 0.3 + key.endswith(("norm.weight", "Norm.weight"))
        for key, value in shapes.items()
    }


@pytest.fixture(scope="module")
def state():
    return random_state()


def write(path, state, settings=SETTINGS):
    save_file(state, path, metadata=settings.metadata() if settings else None)
    return path


@pytest.fixture
def tiny(tmp_path, state):
    return estimators.load(write(tmp_path / "tiny.safetensors", state))


def pictures(count: int, height: int = 40, width: int = 32) -> torch.Tensor:
    return torch.rand(count, height, width, 3, generator=torch.Generator().manual_seed(2))


def test_scores_are_one_float32_per_image(tiny):
    scores = tiny.score(pictures(4), PROMPTS)
    assert scores.shape == (4,) and scores.dtype == torch.float32 and scores.device.type == "cpu"
    assert scores.std() > 0.05


def test_a_single_image_keeps_its_batch_dimension(tiny):
    assert tiny.score(pictures(1), "a red circle").shape == (1,)


def test_a_row_does_not_depend_on_its_batch(tiny):
    together = tiny.score(pictures(4), PROMPTS)
    alone = [tiny.score(pictures(4)[i : i + 1], PROMPTS[i]) for i in range(4)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_one_prompt_stands_for_all_images(tiny):
    repeated = tiny.score(pictures(4), ["a red circle"] * 4)
    assert torch.equal(tiny.score(pictures(4), "a red circle"), repeated)
    assert torch.equal(tiny.score(pictures(4), ["a red circle"]), repeated)


def test_each_image_meets_its_own_prompt(tiny):
    assert (tiny.score(pictures(4), PROMPTS) - tiny.score(pictures(4), PROMPTS[::-1])).abs().min() > 1e-3


def test_scores_are_normalised_by_the_settings(tmp_path, state, tiny):
    raw = estimators.load(write(tmp_path / "raw.safetensors", state, replace(SETTINGS, score_mean=0.0, score_std=1.0)))
    expected = (raw.score(pictures(2), "a square") - 0.2) / 1.5
    assert torch.allclose(tiny.score(pictures(2), "a square"), expected, atol=1e-6)


def test_padding_is_invisible_and_words_are_not(tiny):
    net, tokens, present = tiny.module, *tiny.tokenizer(PROMPTS)
    vision = tiny.encode(pictures(4))
    scores, features = net.judge(vision, tokens, present)
    other_padding = net.judge(vision, tokens.masked_fill(~present, 5), present)
    assert torch.allclose(other_padding[0], scores, atol=1e-6)
    assert torch.allclose(other_padding[1], features, atol=1e-6)
    assert (net.judge(vision, tokens, torch.ones_like(present))[0] - scores).abs().min() > 1e-3


def test_every_image_for_every_prompt_encodes_each_image_once(tiny, monkeypatch):
    rows = []
    encoder = tiny.module.blip.visual_encoder
    monkeypatch.setattr(encoder, "forward", lambda x, run=encoder.forward: (rows.append(len(x)), run(x))[1])
    table = tiny.score_each(pictures(3), PROMPTS)
    assert table.shape == (3, 4) and rows == [3]
    for column, prompt in enumerate(PROMPTS):
        assert torch.allclose(table[:, column], tiny.score(pictures(3), prompt), atol=1e-6)


def test_every_image_for_every_prompt_refuses_an_empty_one(tiny):
    with pytest.raises(ValueError, match="empty prompt"):
        tiny.score_each(pictures(2), ["red", ""])


@pytest.mark.parametrize("prompts", [["a", "red"], []])
def test_another_number_of_prompts_is_refused(tiny, prompts):
    with pytest.raises(ValueError, match=f"{len(prompts)} prompts came for 3 images"):
        tiny.score(pictures(3), prompts)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        (" ", "empty prompt"),
        ("a green circle", "does not know the word 'green'; use only: a, red, blue"),
        ("a [PAD] circle", r"does not know the word '\[pad\]'"),
        ("a red circle a blue square a red", "has 8 words; this estimator reads at most 7"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(tiny, prompt, sentence):
    with pytest.raises(ValueError, match=sentence):
        tiny.score(pictures(2), prompt)


def test_case_and_punctuation_do_not_matter(tiny):
    assert torch.equal(tiny.score(pictures(1), "A red, circle."), tiny.score(pictures(1), "a red circle"))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_image_that_is_not_finite_is_named(tiny, value):
    images = pictures(3)
    images[1, 0, 0, 0] = value
    with pytest.raises(ValueError, match="image 1 has pixels that are not finite"):
        tiny.score(images, "a")


def test_what_is_transparent_is_scored_as_white(tiny):
    colours, alpha = pictures(1), torch.rand(1, 40, 32, 1)
    seen = colours * alpha + 1 - alpha
    assert torch.allclose(tiny.score(torch.cat([colours, alpha], -1), "a square"), tiny.score(seen, "a square"))
    assert not torch.allclose(tiny.score(colours, "a square"), tiny.score(seen, "a square"))


def test_a_prompt_that_is_no_text_is_refused(tiny):
    for score in (tiny.score, tiny.score_each):
        with pytest.raises(ValueError, match=r"the prompt 'a \\ud800' holds '\\ud800', which is no character"):
            score(pictures(1), ["a \ud800"])


@pytest.mark.parametrize("shape", [(40, 32, 3), (1, 3, 40, 1), (1, 3, 40, 32), (1, 4, 8, 8)])
def test_images_of_another_layout_are_refused(tiny, shape):
    with pytest.raises(ValueError, match="cannot be scored; give"):
        tiny.score(torch.zeros(shape), "a")


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (48, 96), (101, 67), (31, 20), (500, 333), (33, 32), (32, 35)])
def test_preprocess_agrees_with_pillow(size):
    height, width = size
    array = numpy.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    ours = preprocess(torch.from_numpy(array)[None] / 255, 32, (0, 0, 0), (1, 1, 1))[0].permute(1, 2, 0) * 255
    scale = 32 / min(size)
    picture = Image.fromarray(array)
    for target in ((int(width * scale), height), (int(width * scale), int(height * scale))):
        picture = picture.resize(target, Image.Resampling.BICUBIC)
    left, top = (round((side - 32) / 2) for side in picture.size)
    theirs = numpy.asarray(picture.crop((left, top, left + 32, top + 32)), int)
    difference = numpy.abs(ours.round().int().numpy() - theirs)
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_preprocess_keeps_an_image_of_the_right_size():
    array = torch.randint(0, 256, (2, 64, 64, 3), generator=torch.Generator().manual_seed(4))
    expected = (array.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    assert torch.allclose(preprocess(array / 255, 64, (0.5,) * 3, (0.5,) * 3), expected, atol=1e-6)


def test_preprocess_clamps_and_rounds():
    image = torch.tensor([-0.2, 0.5009, 1.3]).expand(1, 8, 8, 3)
    assert torch.allclose(preprocess(image, 8, (0,) * 3, (1,) * 3)[0, :, 0, 0], torch.tensor([0, 128 / 255, 1]))


def vision_key(key: str) -> str:
    for ours, theirs in (
        ("cls_token", "embeddings.class_embedding"),
        ("pos_embed", "embeddings.position_embedding"),
        ("patch_embed.proj", "embeddings.patch_embedding"),
        ("blocks.", "encoder.layers."),
        ("attn.qkv", "self_attn.qkv"),
        ("attn.proj", "self_attn.projection"),
        ("norm1", "layer_norm1"),
        ("norm2", "layer_norm2"),
    ):
        key = key.replace(ours, theirs)
    return key.replace("norm.", "post_layernorm.") if key.startswith("norm.") else key


def under(state, prefix):
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def test_the_image_encoder_is_blips(state, tiny):
    oracle = BlipVisionModel(
        BlipVisionConfig(
            hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
            image_size=32, patch_size=8, layer_norm_eps=1e-6,
        )
    ).eval()  # fmt: skip
    oracle.load_state_dict({vision_key(key): value for key, value in under(state, "blip.visual_encoder.").items()})
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        difference = oracle(pixels).last_hidden_state - tiny.module.blip.visual_encoder(pixels)
    assert difference.abs().max() <= 1e-5


def test_the_text_encoder_is_blips(state, tiny):
    oracle = BlipTextModel(
        BlipTextConfig(
            vocab_size=8, hidden_size=16, intermediate_size=28, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=9, layer_norm_eps=1e-12, encoder_hidden_size=24, is_decoder=True,
        ),
        add_pooling_layer=False,
    ).eval()  # fmt: skip
    oracle.load_state_dict(under(state, "blip.text_encoder."))
    vision = torch.randn(4, 17, 24, generator=torch.Generator().manual_seed(6))
    tokens, present = tiny.tokenizer(PROMPTS)
    with torch.no_grad():
        theirs = oracle(
            tokens, attention_mask=present.long(), encoder_hidden_states=vision,
            encoder_attention_mask=torch.ones(4, 17), is_decoder=False,
        ).last_hidden_state  # fmt: skip
        ours, _ = tiny.module.blip.text_encoder(tokens, padding_mask(present), vision)
    assert (theirs - ours)[present].abs().max() <= 1e-5


def test_the_head_is_one_linear_map(state, tiny):
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(7))
    expected = x
    for place in (0, 2, 4, 6, 7):
        expected = expected @ state[f"mlp.layers.{place}.weight"].T + state[f"mlp.layers.{place}.bias"]
    assert torch.allclose(tiny.module.mlp(x), expected, rtol=1e-4)


def test_keys_are_imagerewards(state):
    assert {
        "blip.visual_encoder.blocks.1.attn.qkv.weight",
        "blip.visual_encoder.patch_embed.proj.bias",
        "blip.text_encoder.embeddings.position_embeddings.weight",
        "blip.text_encoder.encoder.layer.1.crossattention.output.LayerNorm.weight",
        "mlp.layers.7.weight",
    } <= state.keys()


def test_a_host_can_pass_its_own_layers(tmp_path, state, tiny):
    names = ("Linear", "LayerNorm", "Embedding", "Conv2d")
    own = SimpleNamespace(**{name: type(name, (getattr(torch.nn, name),), {"own": True}) for name in names})
    hosted = estimators.load(write(tmp_path / "own.safetensors", state), operations=own)
    kinds = tuple(getattr(torch.nn, name) for name in names)
    layers = [layer for layer in hosted.module.modules() if isinstance(layer, kinds)]
    assert len(layers) > 40 and all(hasattr(layer, "own") for layer in layers)
    assert torch.equal(hosted.score(pictures(2), "a square"), tiny.score(pictures(2), "a square"))


def test_a_half_precision_file_is_computed_in_float32(tmp_path, state, tiny):
    half = estimators.load(write(tmp_path / "half.safetensors", {key: value.half() for key, value in state.items()}))
    assert half.dtype == "float32" and {p.dtype for p in half.module.parameters()} == {torch.float32}
    assert torch.allclose(half.score(pictures(2), "a square"), tiny.score(pictures(2), "a square"), atol=0.05)


def test_weights_that_scoring_never_uses_are_ignored(tmp_path, state, tiny):
    extra = {"blip.vision_proj.weight": torch.ones(2, 2), "blip.text_encoder.embeddings.position_ids": torch.ones(1, 9)}
    more = estimators.load(write(tmp_path / "more.safetensors", {**state, **extra}))
    assert torch.equal(more.score(pictures(2), "a square"), tiny.score(pictures(2), "a square"))


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_that_do_not_fit_are_refused(tmp_path, state, change):
    key = "blip.text_encoder.encoder.layer.1.output.dense.bias"
    wrong = dict(state)
    if change == "missing":
        del wrong[key]
    else:
        wrong[key if change == "shape" else "blip.extra"] = torch.zeros(3)
    with pytest.raises(ValueError, match="do not fit together .*(dense.bias|blip.extra)") as caught:
        estimators.load(write(tmp_path / "wrong.safetensors", wrong))
    assert "\n" not in str(caught.value)


def test_a_missing_weight_that_gives_the_sizes_is_named(tmp_path, state):
    key = "blip.visual_encoder.pos_embed"
    with pytest.raises(ValueError, match=f"weight '{key}' is missing"):
        estimators.load(write(tmp_path / "cut.safetensors", {k: v for k, v in state.items() if k != key}))


def test_a_file_of_something_else_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match="'unet.safetensors' is not a quality estimator; expected the weights"):
        estimators.load(write(tmp_path / "unet.safetensors", {"conv_in.weight": torch.ones(1)}))


def test_malformed_settings_are_refused(tmp_path, state):
    save_file(state, tmp_path / "bad.safetensors", metadata={"estimator": '{"name": "half"'})
    with pytest.raises(ValueError, match="'estimator' in the file's metadata is malformed"):
        estimators.load(tmp_path / "bad.safetensors")


def test_half_precision_computes_close_to_single_and_says_so(tmp_path, state, tiny):
    half = estimators.load(write(tmp_path / "tiny.safetensors", state), dtype="float16")
    assert half.dtype == "float16" and {p.dtype for p in half.module.parameters()} == {torch.float16}
    scores = half.score(pictures(4), PROMPTS)
    assert scores.dtype == torch.float32
    assert torch.allclose(scores, tiny.score(pictures(4), PROMPTS), atol=0.05)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.safetensors"):
        estimators.load(tmp_path / "nothing.safetensors")


def test_the_demo_estimator_is_small():
    assert DEMO.stat().st_size <= 2_000_000
    demo = estimators.load(DEMO)
    assert demo.name == "Demo" and demo.uses_prompt
    assert sum(parameter.numel() for parameter in demo.module.parameters()) <= 1_000_000


def test_the_demo_estimator_prefers_the_right_caption_to_a_near_miss():
    scenes, images = dataset(90, 21, "development")
    rng = random.Random(22)
    misses = [other_scene(scene, rng, 1.0) for scene in scenes]
    demo, pixels = estimators.load(DEMO), torch.from_numpy(images) / 255
    gaps = demo.score(pixels, [s.caption for s in scenes]) - demo.score(pixels, [s.caption for s in misses])
    wrong = torch.tensor([miss.meaning != scene.meaning for miss, scene in zip(misses, scenes, strict=True)])
    assert (gaps[wrong] > 0).float().mean() > 0.8
