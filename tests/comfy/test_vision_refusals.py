"""Every text encoder, question and image that cannot be judged with: one sentence each, with the cure."""

import comfy.hooks
import pytest
import torch
from graphs import node
from safetensors.torch import save_file
from tiny_vlm import tiny_model

from .tiny_clips import tiny_clip
from .tools import module
from .vision_tools import WORDS, hosted, picture, weights
from .whole_clips import whole_clip

LOAD = "load a Qwen3-VL 4B or 8B with Load CLIP, as type krea2, ideogram4, boogu, joyimage, mage or qwen_image"
HEAD = "lm_head.weight"


@pytest.fixture(scope="module")
def state():
    return weights(tiny_model())


@pytest.fixture(scope="module")
def clip(state):
    return tiny_clip(state)


def refusal(clip, checks: str = "", images=None, prompt: str = WORDS, **question) -> str:
    with pytest.raises(ValueError) as told:
        hosted(clip, checks, **question).score(picture(96, 160) if images is None else images, [prompt])
    return str(told.value)


BLIND = "has no part that sees images"
CASES = {
    "lost as type flux": (
        [("FLUX", "Qwen3-VL 8B"), ("FLUX2", "Qwen3-VL 8B"), ("FLUX2", "Qwen3-VL 4B"), ("FLUX", "Qwen3-VL 4B")],
        f"{BLIND}, and a Qwen3-VL loaded as type flux or flux2 loses its own",
    ),
    "without vision": (
        [
            *(("IDEOGRAM4", "Qwen3 8B"), ("STABLE_DIFFUSION", "Qwen3 0.6B"), ("LUMINA2", "Gemma 3 4B")),
            *(("STABLE_DIFFUSION", "Ministral"), ("FLUX2", "Mistral"), ("STABLE_DIFFUSION", "GPT-OSS")),
            *(("PIXART", "T5"), ("WAN", "T5"), ("STABLE_DIFFUSION", "CLIP-L")),
        ],
        BLIND,
    ),
    "several in one": (
        [("SD3", "CLIP-L", "CLIP-G"), ("FLUX", "CLIP-L", "T5"), ("STABLE_DIFFUSION", "CLIP-L", "CLIP-G")],
        "several text encoders, or none, are in this CLIP",
    ),
    "head not kept": (
        [
            *(("QWEN_IMAGE", "Qwen2.5-VL 7B"), ("HUNYUAN_IMAGE", "Qwen2.5-VL 7B"), ("OMNIGEN2", "Qwen2.5-VL 3B")),
            *(("LONGCAT_IMAGE", "Qwen2.5-VL 7B"), ("STABLE_DIFFUSION", "Qwen2.5-VL 7B")),
        ],
        "is a Qwen2.5-VL, of which ComfyUI does not keep the head that answers",
    ),
    "images read wrongly": (
        [("STABLE_DIFFUSION", f"Qwen3.5 {size}") for size in ("0.8B", "2B", "4B", "9B", "27B")]
        + [("QWEN_IMAGE", "Qwen3.5 9B"), ("KREA2", "Qwen3.5 4B")],
        "is a Qwen3.5, whose images ComfyUI reads otherwise than the model was trained",
    ),
    "cut off before its head": (
        [("STABLE_DIFFUSION", "Qwen3-VL 32B")],
        "was cut off before its head, so that it can say nothing of an image",
    ),
    "another that sees": (
        [("STABLE_DIFFUSION", f"Gemma 4 {size}") for size in ("E2B", "E4B", "12B", "31B")]
        + [("LUMINA2", "Gemma 3 4B with vision")],
        "is not a Qwen3-VL, the only kind that can judge so far",
    ),
}
FILES = [(name, *each) for name, (files, _) in CASES.items() for each in files]


@pytest.mark.parametrize("case,clip_type,files", [(name, kind, files) for name, kind, *files in FILES])
def test_a_file_that_cannot_judge_as_load_clip_loads_it(case, clip_type, files):
    told = refusal(whole_clip(clip_type, *files))
    assert told.endswith(f"{CASES[case][1]}; {LOAD}") and "\n" not in told and len(told) < 300


def test_the_demos_text_encoder_has_no_vision(comfy_app):
    assert refusal(module("host.demo").load_clip()).endswith(f"{BLIND}; {LOAD}")


def test_a_later_comfyui_with_other_parts(clip, monkeypatch):
    monkeypatch.delattr(type(clip.cond_stage_model.qwen3vl_8b.transformer).__mro__[1], "preprocess_embed")
    assert refusal(clip) == (
        "this ComfyUI's qwen3vl_8b has no 'preprocess_embed', which judging needs; update the pack"
    )


PARTS = {
    HEAD: "a head (lm_head.weight)",
    "model.visual.patch_embed.proj.weight": "a part that sees images (visual.patch_embed.proj.weight)",
    "model.visual.merger.linear_fc2.weight": "a part that sees images (visual.merger.linear_fc2.weight)",
    "model.visual.blocks.2.attn.qkv.weight": "a part that sees images (visual.blocks.2.attn.qkv.weight)",
    "model.visual.pos_embed.weight": "a part that sees images (visual.pos_embed.weight)",
    "model.visual.deepstack_merger_list.1.linear_fc1.weight": (
        "a part that sees images (visual.deepstack_merger_list.1.linear_fc1.weight)"
    ),
    "model.language_model.layers.3.mlp.down_proj.weight": "a layer (layers.3.mlp.down_proj.weight)",
    "model.language_model.embed_tokens.weight": "a part (embed_tokens.weight)",
}
SMALL = {
    "model.language_model.norm.weight": "a part (norm.weight)",
    "model.visual.blocks.1.norm2.bias": "a part that sees images (visual.blocks.1.norm2.bias)",
}
LACKING = "the file of this text encoder does not hold {}; load one that does"


@pytest.mark.parametrize("value", [0.0, 0.25])
@pytest.mark.parametrize("key", PARTS)
def test_a_file_without_a_part(state, key, value):
    """ComfyUI loads it with a line in the log, and answers with P = 1/151936 for every image."""
    lacking = {name: torch.full_like(weight, value) if name == key else weight for name, weight in state.items()}
    assert refusal(tiny_clip(lacking)) == LACKING.format(PARTS[key])


@pytest.mark.parametrize("key", [*(key for key in PARTS if "merger.linear_fc2" not in key), *SMALL])
def test_a_file_in_which_a_part_is_not_there(state, tmp_path, key):
    """ComfyUI leaves its memory as it is: here still with the right numbers, of the model that was freed before."""
    file = tmp_path / "file.safetensors"
    save_file({name: weight for name, weight in state.items() if name != key}, file)
    clip = tiny_clip(file)
    own = clip.cond_stage_model.qwen3vl_8b.transformer
    with torch.inference_mode():
        own.load_state_dict(tiny_clip(state).cond_stage_model.qwen3vl_8b.transformer.state_dict())
    assert refusal(clip) == LACKING.format((PARTS | SMALL)[key])


def test_a_whole_file_judges_however_its_weights_are_called(state, clip, tmp_path):
    """As some have them: the language model's and the vision's without what Hugging Face puts before."""
    file = tmp_path / "file.safetensors"
    starts = {"model.language_model.": "model.", "lm_head.": "model.lm_head."}
    renamed = {}
    for name, weight in state.items():
        start = next((start for start in starts if name.startswith(start)), "")
        renamed[starts.get(start, "") + name.removeprefix(start)] = weight
    save_file(renamed, file)
    image = picture(96, 160)
    assert hosted(tiny_clip(file)).score(image, [WORDS]) == hosted(clip).score(image, [WORDS])


@pytest.mark.parametrize("made", [None, (print, ()), (print, ("file.safetensors",), 0)])
def test_a_clip_of_a_loader_that_is_not_known_judges(state, made):
    clip = tiny_clip(state)
    clip.patcher.cached_patcher_init = made
    assert hosted(clip).score(picture(96, 160), [WORDS])


def test_a_quantised_file_in_which_a_part_is_not_there(state):
    """Of such a file ComfyUI makes no weight at all."""
    layer = "model.language_model.layers.{}.mlp.up_proj.{}"
    lacking = state | {
        layer.format(0, "weight"): state[layer.format(0, "weight")].to(torch.float8_e4m3fn),
        layer.format(0, "weight_scale"): torch.ones(()),
        layer.format(0, "comfy_quant"): torch.tensor([*b'{"format": "float8_e4m3fn"}'], dtype=torch.uint8),
    }
    del lacking[layer.format(2, "weight")]
    assert refusal(tiny_clip(lacking)) == LACKING.format("a layer (layers.2.mlp.up_proj.weight)")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("key", ["model.language_model.norm.weight", *PARTS])
def test_weights_that_are_not_finite(state, key, value):
    part = PARTS.get(key, "a part (norm.weight)")
    assert refusal(tiny_clip(state | {key: torch.full_like(state[key], value)})) == (
        f"the file of this text encoder has weights that are not finite: {part}; load a whole one"
    )


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_answers_that_are_not_finite(state, value):
    """As an overflow in half precision makes them: too seldom among the weights to be seen there."""
    key = "model.language_model.layers.1.mlp.down_proj.weight"
    damaged = state[key].clone()
    damaged[0, 1] = value
    overflowing = tiny_clip(state | {key: damaged})
    assert refusal(overflowing) == (
        "the answer of Qwen3-VL of width 64 to 'Is this picture red?' is not a number; its file is damaged, or its "
        "precision too small: load another one of the same model"
    )


def test_a_model_that_does_not_answer():
    """As every plain random one, a Thinking one, and a prompt enhancer."""
    plain = tiny_clip(weights(tiny_model(answering=False)))
    told = refusal(plain)
    assert told.startswith("Qwen3-VL of width 64 answers Yes or No with a probability of ")
    assert told.endswith(
        " only, so it does not answer; use an Instruct model (no Thinking, no prompt enhancer) whose file is whole, "
        "or ask it otherwise"
    )


def test_a_model_that_does_not_see(clip, monkeypatch):
    judge, own = hosted(clip), module("host.vision_network").ClipNetwork.look
    monkeypatch.setattr(judge.network, "look", lambda pixels: own(judge.network, torch.zeros_like(pixels)))
    with pytest.raises(ValueError, match="answers the same whatever it is shown, so it does not see the images; load"):
        judge.score(picture(96, 160), [WORDS])


def test_questions_that_see_each_other(clip, monkeypatch):
    judge = hosted(clip)
    own = judge.network.read
    monkeypatch.setattr(
        judge.network,
        "read",
        lambda embedded, packed, deeper: own(embedded, packed._replace(mask=torch.ones_like(packed.mask)), deeper),
    )
    with pytest.raises(ValueError, match="when it is asked several questions at once; this version of ComfyUI"):
        judge.score(picture(96, 160), [WORDS])


def test_a_lora_or_another_patch(clip):
    told = (
        "this CLIP has a LoRA or another patch, which would judge otherwise than the model itself; "
        "link the CLIP from its loader"
    )
    lora, hooked, other = clip.clone(), clip.clone(), clip.clone()
    lora.add_patches({"qwen3vl_8b.transformer.model.layers.0.mlp.up_proj.weight": ("diff", (torch.ones(96, 64),))})
    hooked.patcher.forced_hooks = comfy.hooks.HookGroup()
    other.patcher.add_object_patch("qwen3vl_8b.transformer.model.norm", torch.nn.Identity())
    assert [refusal(each) for each in (lora, other)] == [told, told]
    hooked.patcher.forced_hooks.add(comfy.hooks.WeightHook())
    assert refusal(hooked) == told
    hosted(clip)


@pytest.mark.parametrize("prompt", ["", "  "])
def test_an_empty_prompt(clip, prompt):
    told = "an image cannot be scored for an empty prompt; give the prompt it was drawn from"
    assert refusal(clip, prompt=prompt) == told
    assert hosted(clip, question="Is it good?").score(picture(96, 160), [prompt])


@pytest.mark.parametrize("question", ["", " \n", "{prompt}", " {prompt} "])
def test_a_question_that_asks_nothing(clip, question):
    assert "asks nothing; write one such as 'Does this figure show " in refusal(clip, question=question)


@pytest.mark.parametrize(
    "checks,told",
    [
        (
            "the hands are right",
            "the check 'the hands are right' has no question mark; write a yes/no question such as "
            "'Are both hands drawn rightly? | hands | 2'",
        ),
        (
            "Is it red? | red | 0",
            "the weight '0' of the check 'Is it red? | red | 0' is not above 0; write one such as 2",
        ),
        ("Is it red? | -1", "the weight '-1' of the check 'Is it red? | -1' is not above 0; write one such as 2"),
        ("Is it red? | nan", "the weight 'nan' of the check 'Is it red? | nan' is not above 0; write one such as 2"),
        ("Is it red? | inf", "the weight 'inf' of the check 'Is it red? | inf' is not above 0; write one such as 2"),
        (
            "Is it red? | a | b",
            "the check 'Is it red? | a | b' has more than a name and a weight behind its question; write one of each",
        ),
        ("Is it red?\nIs it red?", "two checks are called 'Is it red?'; give each a name of its own"),
        ("Is it red? | a\nIs it big? | a", "two checks are called 'a'; give each a name of its own"),
        ("\n".join(f"Is it {i}?" for i in range(33)), "33 checks are too many; ask at most 32"),
    ],
)
def test_checks_that_cannot_be_asked(clip, checks, told):
    assert refusal(clip, checks) == told


@pytest.mark.parametrize(
    "height,width,told",
    [
        (15, 200, "images of 200x15 pixels are too small to be judged; give images of at least 16 pixels a side"),
        (
            16,
            3300,
            "images of 3300x16 pixels are over 200 times as long as wide; cut them first",
        ),
        (
            8200,
            8200,
            "images of 8200x8200 pixels are too large to be judged; scale them to 67,108,864 pixels",
        ),
    ],
)
def test_images_of_a_size_that_the_model_cannot_see(clip, height, width, told):
    assert refusal(clip, images=torch.zeros(1, height, 1, 3).expand(1, height, width, 3)) == told


def test_images_that_are_not_finite(clip):
    images = picture(96, 160).repeat(2, 1, 1, 1)
    images[1, 3, 4, 1] = torch.nan
    assert refusal(clip, images=images) == "image 1 has pixels that are not finite; check the VAE that decoded it"


def test_a_prompt_that_is_too_long_for_any_model(clip):
    told = refusal(clip, prompt="a cat " * 20_000)
    assert told.startswith("the question 'Does this figure show") and "at most 16,384 are read, shorten it" in told


def test_a_node_says_it_with_its_name(comfy_app, state):
    comfy_app.give["clip"] = tiny_clip(state | {HEAD: torch.zeros_like(state[HEAD])})
    graph = {
        "clip": node("TestGive", name="clip"),
        "judge": node("AdaptiveVisionJudge", clip=["clip", 0]),
        "kept": node("TestKeep", value=["judge", 0], name="judge"),
    }
    assert comfy_app.fails(graph) == (
        "Judge from Text Encoder: the file of this text encoder does not hold a head (lm_head.weight); "
        "load one that does"
    )
    comfy_app.give["clip"] = "none"
    assert comfy_app.fails(graph).startswith("Judge from Text Encoder: ")
