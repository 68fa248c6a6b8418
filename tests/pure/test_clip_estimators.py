import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch
import transformers
from PIL import Image

from adaptive_diffusion.estimators.clip_net import VIT_H, embed_images, embed_texts, read_clip
from adaptive_diffusion.estimators.clip_preprocess import crop_even, crop_low, pad_whole
from adaptive_diffusion.estimators.clip_scores import build, recognises
from adaptive_diffusion.estimators.clip_tokens import OpenClipTokenizer, plain
from adaptive_diffusion.estimators.preprocess import CLIP_MEAN, CLIP_STD
from tests.oracle import clip_weights, images
from tests.oracle.clip_goldens import SCORES
from tests.oracle.weights import digest

torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
GOLDENS = json.loads(SCORES.read_text())
START, END = "<|startoftext|>", "<|endoftext|>"
LETTERS = [chr(code) for code in range(33, 127)]
MERGES = [("c", "a"), ("ca", "t</w>"), ("r", "e"), ("re", "d</w>")]
PROMPTS = ["a red cat", "cat", "two CATS, one cat & a dog!", "red " * 60, f"a red {END} cat"]
HEADS = {"PickScore": (16, 16), "CLIPScore": (16, 12), "HPSv2.1": (16, 16)}
ACTIVATION = {"PickScore": "gelu", "CLIPScore": "quick_gelu", "HPSv2.1": "gelu"}
SIDE, WIDTH, LENGTH = 32, 48, 24
SIZES = [(40, 56), (97, 33), (33, 97), (101, 67), (20, 14), (225, 401)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer of single letters and the words `cat` and `red`."""
    at = tmp_path_factory.mktemp("words")
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *("".join(pair) for pair in MERGES), START, END]
    (at / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (at / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, MERGES)]) + "\n")
    return at


@pytest.fixture(scope="module")
def words(folder):
    return transformers.CLIPTokenizerFast.from_pretrained(folder)


def network(kind: str, words, **text) -> torch.nn.Module:
    """transformers' own CLIPModel with random weights."""
    vision_heads, text_heads = HEADS[kind]
    same = {"hidden_size": WIDTH, "intermediate_size": 60, "num_hidden_layers": 2, "hidden_act": ACTIVATION[kind]}
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    size = {"vocab_size": len(words), "max_position_embeddings": LENGTH, "num_attention_heads": text_heads}
    vision = {"image_size": SIDE, "patch_size": 8, "num_attention_heads": vision_heads}
    torch.manual_seed(5)
    config = transformers.CLIPConfig(
        text_config=same | ends | size | text, vision_config=same | vision, projection_dim=20
    )
    clip = transformers.CLIPModel(config).train(False)
    for key, weight in clip.named_parameters():
        weight.data += 0.2 * torch.randn_like(weight) if "logit" not in key else 0.7
    return clip


@pytest.fixture(scope="module", params=["PickScore", "CLIPScore"])
def pair(request, words, folder):
    """transformers' network and the estimator with its weights."""
    clip = network(request.param, words)
    return clip, build(request.param, clip.state_dict(), folder, None, torch.float32)


def pictures(size=(SIDE, SIDE), count: int = 3) -> torch.Tensor:
    return torch.stack([torch.from_numpy(images.blocks(7 + i, *size)) for i in range(count)]) / 255


def normalised(batch: torch.Tensor) -> torch.Tensor:
    return ((batch - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)).movedim(-1, 1)


@torch.inference_mode()
def logits(clip, words, prompts, batch) -> torch.Tensor:
    """What CLIPModel itself says, exp(logit_scale) times the cosine, (images, prompts)."""
    ids = words(prompts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt").input_ids
    return clip(input_ids=ids, pixel_values=normalised(batch)).logits_per_image


def test_scores_are_those_of_transformers_own_model(pair, words):
    clip, estimator = pair
    batch, scale = pictures(), clip.logit_scale.exp().item()
    if estimator.name == "PickScore":
        expected = logits(clip, words, PROMPTS, batch)
    else:
        prefixed = ["A photo depicts " + prompt for prompt in PROMPTS]
        expected = 2.5 * (logits(clip, words, prefixed, batch) / scale).clamp(min=0)
        assert (expected == 0).any() and (expected > 0).any()
    scores = estimator.score_each(batch, PROMPTS)
    assert scores.dtype == torch.float32
    assert (scores - expected).abs().max() <= 1e-5 * max(1, scale if estimator.name == "PickScore" else 1)
    assert expected.std(0).mean() > 1e-3 and expected.std(1).mean() > 1e-3


def test_one_score_per_image_and_for_one_prompt(pair):
    _, estimator = pair
    batch = pictures()
    table = estimator.score_each(batch, PROMPTS[:3])
    assert torch.allclose(estimator.score(batch, PROMPTS[:3]), table.diagonal(), atol=1e-5)
    assert torch.allclose(estimator.score(batch, PROMPTS[1]), table[:, 1], atol=1e-5)
    assert estimator.score(batch[:1], "cat").shape == (1,)


def test_images_and_prompts_are_encoded_once(pair):
    _, estimator = pair
    rows = {"vision": 0, "text": 0}

    def counter(tower):
        return lambda module, inputs, output: rows.update({tower: rows[tower] + len(output.pooler_output)})

    hooks = [estimator.module.vision_model.register_forward_hook(counter("vision"))]
    hooks.append(estimator.module.text_model.register_forward_hook(counter("text")))
    estimator.score_each(pictures(), ["cat", "red", "cat"])
    for hook in hooks:
        hook.remove()
    assert rows == {"vision": 3, "text": 2}


def test_the_older_way_to_find_the_end_gives_the_same(words, folder):
    old = network("PickScore", words, eos_token_id=2)
    estimator = build("PickScore", old.state_dict(), folder, None, torch.float32)
    expected = logits(old, words, PROMPTS, pictures())
    assert (estimator.score_each(pictures(), PROMPTS) - expected).abs().max() <= 1e-4


def test_long_prompts_are_cut_and_counted(pair):
    _, estimator = pair
    prefix = 0 if estimator.name == "PickScore" else len("Aphotodepicts")
    assert estimator.max_tokens == LENGTH
    assert estimator.count_tokens("red cat") == 2 + 2 + prefix
    assert estimator.count_tokens("red " * 60) == 62 + prefix
    batch = pictures(count=1)
    assert torch.equal(estimator.score(batch, "red " * 60), estimator.score(batch, "red " * 61))


@pytest.mark.parametrize("table", ["exact", "resized"])
@torch.inference_mode()
def test_human_preference_is_that_of_open_clip_with_hpsv2s_preprocessing(table):
    weights = clip_weights.make()
    assert digest(weights) == GOLDENS["weights"], "other random weights; run tests/oracle/clip_goldens.py again"
    clip = read_clip({key: torch.as_tensor(value) for key, value in weights.items()}, VIT_H, torch.float32)
    texts = embed_texts(clip, torch.tensor(GOLDENS["ids"]))
    batch = [torch.from_numpy(picture)[None] / 255 for picture in getattr(images, table)()]
    cosines = torch.cat([embed_images(clip, picture, pad_whole) @ texts.T for picture in batch])
    assert (cosines - torch.tensor(GOLDENS[table])).abs().max() <= 1e-5


def test_human_preference_is_the_cosine_without_transformers_text_cleaning(words, folder):
    clip = network("HPSv2.1", words)
    estimator = build("HPSv2.1", clip.state_dict(), folder, None, torch.float32)
    expected = logits(clip, words, ["a cat & a 'red' dog"], pictures()) / clip.logit_scale.exp().item()
    scores = estimator.score(pictures(), "  a CAT &amp; a ‘red’\x07 ｄog ")
    assert (scores - expected[:, 0]).abs().max() <= 1e-5


def aesthetic_head(width: int = 20) -> dict[str, torch.Tensor]:
    sizes = [width, 16, 12, 8, 6, 1]
    noise = torch.Generator().manual_seed(2)
    shapes = {f"layers.{i}": (sizes[n + 1], sizes[n]) for n, i in enumerate((0, 2, 4, 6, 7))}
    state = {f"{name}.weight": torch.randn(shape, generator=noise) for name, shape in shapes.items()}
    return state | {f"{name}.bias": torch.randn(shape[:1], generator=noise) for name, shape in shapes.items()}


def test_the_aesthetic_score_is_affine_in_the_normalised_embedding(words):
    clip, head = network("CLIPScore", words), aesthetic_head()
    estimator = build("LAION aesthetic v2", head, None, clip.state_dict(), torch.float32)
    with torch.inference_mode():
        features = clip.visual_projection(clip.vision_model(normalised(pictures())).pooler_output)
    values = features.double() / features.double().norm(dim=1, keepdim=True)
    for i in (0, 2, 4, 6, 7):
        values = values @ head[f"layers.{i}.weight"].double().T + head[f"layers.{i}.bias"].double()
    assert not estimator.uses_prompt
    assert (estimator.score(pictures(), "") - values[:, 0]).abs().max() <= 1e-5 * values.abs().max()
    assert estimator.score_each(pictures(), ["a", "b"]).shape == (3, 2)


def test_the_aesthetic_score_in_half_precision_is_near(words):
    clip = network("CLIPScore", words)
    types = (torch.float32, torch.float16)
    single, half = (build("LAION aesthetic v2", aesthetic_head(), None, clip.state_dict(), dtype) for dtype in types)
    expected = single.score(pictures(), "")
    assert (
        half.dtype == "float16" and (half.score(pictures(), "") - expected).abs().max() <= 0.01 * expected.abs().max()
    )


def test_the_aesthetic_score_crops_as_openais_clip(words):
    clip = network("CLIPScore", words)
    estimator = build("LAION aesthetic v2", aesthetic_head(), None, clip.state_dict(), torch.float32)
    batch = pictures((SIDE, SIDE + 7))
    assert torch.allclose(estimator.score(batch, ""), estimator.score(batch[:, :, 4 : 4 + SIDE], ""), atol=1e-5)


def test_half_weights_compute_in_the_type_asked_for(pair, folder):
    clip, estimator = pair
    half = {key: tensor.half() for key, tensor in clip.state_dict().items()}

    def table(state, dtype):
        built = build(estimator.name, state, folder, None, dtype)
        return built.dtype, built.score_each(pictures(), PROMPTS)

    _, exact = table({key: tensor.float() for key, tensor in half.items()}, torch.float32)
    single_type, single = table(half, torch.float32)
    small_type, small = table(half, torch.float16)
    assert (single_type, small_type) == ("float32", "float16")
    assert torch.equal(single, exact)
    assert 0 < (small - exact).abs().max() <= 0.02 * exact.abs().max()


def hf_pixels(picture: numpy.ndarray) -> numpy.ndarray:
    kind = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    processor = kind(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return processor(Image.fromarray(picture), return_tensors="np")["pixel_values"][0]


def levels(pixels) -> torch.Tensor:
    """Normalised pixels (3, S, S) as 8-bit levels."""
    return torch.as_tensor(pixels).movedim(0, -1) * torch.tensor(CLIP_STD) * 255 + torch.tensor(CLIP_MEAN) * 255


@pytest.mark.parametrize("size", SIZES)
def test_cropped_pixels_are_those_of_transformers_processor(size):
    picture = images.blocks(3, *size)
    mine = crop_low(torch.from_numpy(picture)[None] / 255, SIDE)[0]
    difference = (levels(mine) - levels(hf_pixels(picture))).abs()
    assert difference.max() <= 2.01 and difference.mean() <= 0.35, "Pillow 13 resizes some tall images by rows first"


def test_odd_margins_are_halved_down_or_to_even():
    batch = pictures((SIDE + 3, SIDE + 7))
    batch = batch[:, :SIDE]
    cut = {crop: crop(batch, SIDE) for crop in (crop_low, crop_even)}
    assert torch.equal(cut[crop_low], crop_low(batch[:, :, 3 : 3 + SIDE], SIDE))
    assert torch.equal(cut[crop_even], crop_low(batch[:, :, 4 : 4 + SIDE], SIDE))


def test_the_whole_image_is_kept_with_black_beside_it():
    pixels = levels(pad_whole(torch.ones(1, 2 * SIDE, 38, 3), SIDE)[0])
    assert pixels.shape == (SIDE, SIDE, 3)
    columns = pixels.mean((0, 2))
    assert columns[:6].abs().max() <= 1e-3 and columns[25:].abs().max() <= 1e-3
    assert (columns[6:25] - 255).abs().max() <= 1e-3
    assert torch.equal(pad_whole(pictures(), SIDE), normalised(pictures()))


def test_what_is_cleaned():
    assert plain("R&amp;B it’s “ok” ﬁsh ＬＯＵＤ　\x1b[31mÉ\x00\x93x\x94  \n y") == 'r&b it\'s "ok" fish loud é"x" y'


def test_the_words_of_another_vocabulary_are_refused(folder, words):
    clip = network("PickScore", words)
    weights = clip.state_dict() | {"text_model.embeddings.token_embedding.weight": torch.zeros(40, WIDTH)}
    with pytest.raises(ValueError, match=r"has 194 words and PickScore's weights have 40; name the folder"):
        build("PickScore", weights, folder, None, torch.float32)


def test_a_missing_tokenizer_or_image_encoder_is_said(tmp_path, words):
    weights = network("PickScore", words).state_dict()
    with pytest.raises(ValueError, match="PickScore needs CLIP's tokenizer and none was given; name a folder"):
        build("PickScore", weights, None, None, torch.float32)
    with pytest.raises(ValueError, match=r"'vocab.json' of CLIP's tokenizer is not in '.*'; name a folder"):
        build("PickScore", weights, tmp_path, None, torch.float32)
    with pytest.raises(ValueError, match="needs the image encoder of CLIP ViT-L/14 and none was given; choose"):
        build("LAION aesthetic v2", aesthetic_head(), None, None, torch.float32)
    with pytest.raises(ValueError, match="reads 24 numbers an image, this CLIP gives 20; use CLIP ViT-L/14"):
        build("LAION aesthetic v2", aesthetic_head(24), None, weights, torch.float32)


FC1, PROJECTION = "text_model.encoder.layers.1.mlp.fc1.weight", "visual_projection.weight"
PATCH = "vision_model.embeddings.patch_embedding.weight"


@pytest.mark.parametrize("name", [FC1, PROJECTION, PATCH, "logit_scale"])
def test_missing_unknown_and_misshaped_weights_are_refused(name, folder, words):
    weights = network("PickScore", words).state_dict()
    without = {key: tensor for key, tensor in weights.items() if key != name}
    spoiled = [without, weights | {name: torch.zeros(3, 5)}, without | {name + "x": weights[name]}]
    for state in spoiled:
        with pytest.raises(ValueError, match=r"^CLIP's weight") as error:
            build("PickScore", state, folder, None, torch.float32)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["layers.2.bias", "layers.7.weight"])
def test_a_spoiled_aesthetic_head_is_refused(name, words):
    clip, head = network("CLIPScore", words).state_dict(), aesthetic_head()
    without = {key: tensor for key, tensor in head.items() if key != name}
    for state in (without, head | {name: torch.zeros(3, 5)}, head | {"layers.1.weight": torch.zeros(1)}):
        with pytest.raises(ValueError, match="^the aesthetic predictor's weight"):
            build("LAION aesthetic v2", state, None, clip, torch.float32)


def test_stored_places_and_buffers_are_left_out(words, folder):
    clip = network("PickScore", words)
    extra = {f"{tower}_model.embeddings.position_ids": torch.arange(9)[None] for tower in ("text", "vision")}
    estimator = build("PickScore", clip.state_dict() | extra, folder, None, torch.float32)
    expected = logits(clip, words, ["cat"], pictures())
    assert (estimator.score(pictures(), "cat") - expected[:, 0]).abs().max() <= 1e-4


HF = ("vision_model.embeddings.{}_embedding.weight", "text_model.embeddings.token_embedding.weight")
FULL = {
    "PickScore": {HF[0].format("patch"): (1280, 3, 14, 14), HF[1]: (49408, 1024)},
    "HPSv2.1": {"visual.conv1.weight": (1280, 3, 14, 14), "token_embedding.weight": (49408, 1024)},
    "CLIPScore": {
        HF[0].format("patch"): (1024, 3, 14, 14),
        HF[0].format("position"): (257, 1024),
        HF[1]: (49408, 768),
    },
    "LAION aesthetic v2": {"layers.0.weight": (1024, 768), "layers.7.weight": (1, 16)},
}


@pytest.mark.parametrize("kind", FULL)
def test_kinds_are_told_from_names_and_sizes(kind):
    assert recognises(FULL[kind] | {"more": (1,)}) == kind
    for key, shape in FULL[kind].items():
        assert recognises({name: size for name, size in FULL[kind].items() if name != key}) is None
        assert recognises(FULL[kind] | {key: (shape[0] + 1, *shape[1:])}) is None


def test_openais_own_layout_is_known_too():
    shapes = {"visual.conv1.weight": (1024, 3, 14, 14), "token_embedding.weight": (49408, 768)}
    assert recognises(shapes | {"visual.positional_embedding": (257, 1024)}) == "CLIPScore"
    assert recognises(shapes | {"visual.positional_embedding": (577, 1024)}) is None


def test_transformers_is_not_imported_before_it_is_needed():
    code = "import sys, adaptive_diffusion.estimators.clip_scores; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_open_clips_words_keep_what_lowercasing_takes_apart(folder):
    tokenizer = OpenClipTokenizer(folder)
    assert tokenizer(["cat"], LENGTH).tolist() == tokenizer([" CAT\n"], LENGTH).tolist()
    assert len(tokenizer) == 194
