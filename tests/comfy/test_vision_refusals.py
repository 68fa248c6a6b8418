"""Every text encoder, question and image that cannot be judged with: one sentence each, with the cure."""

import comfy.hooks
import comfy.sd
import comfy.text_encoders.llama as llama
import comfy.text_encoders.minimax as minimax
import comfy.text_encoders.qwen35 as qwen35
import comfy.text_encoders.qwen_image as qwen_image
import comfy.text_encoders.qwen_vl as qwen_vl
import pytest
import torch
from graphs import node
from tiny_vlm import TEXT, tiny_model

from .tiny_clips import tiny_clip
from .tools import module
from .vision_tools import WORDS, hosted, picture, weights

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


class Stub:
    """A CLIP whose text encoder is of another kind, tiny."""

    def __init__(self, name: str, network: torch.nn.Module):
        self.cond_stage_model = torch.nn.Module()
        self.cond_stage_model.clip = self.cond_stage_model.clip_name = name
        encoder = torch.nn.Module()
        encoder.transformer = network
        self.cond_stage_model.add_module(name, encoder)
        self.patcher = tiny_patcher(self.cond_stage_model)


def tiny_patcher(model):
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, cpu, cpu)


def small(config: dict) -> dict:
    return {**TEXT, **config, "vocab_size": 100}


OPERATIONS = (torch.float32, torch.device("meta"), comfy.ops.manual_cast)


def test_a_qwen3_vl_that_lost_its_vision_as_type_flux(state):
    """What Load CLIP makes of it for FLUX.2 klein."""
    network = llama.Qwen3_8B(small({}), *OPERATIONS)
    assert refusal(Stub("qwen3_8b", network)) == (
        "this text encoder (qwen3_8b) has no part that sees images, and a Qwen3-VL loaded as type flux or flux2 loses "
        f"its own; {LOAD}"
    )


def test_text_encoders_that_see_nothing(comfy_app):
    [demo] = [module("host.demo").load_clip()] if hasattr(module("host.demo"), "load_clip") else [None]
    if demo is not None:
        assert refusal(demo).endswith(f"has no part that sees images; {LOAD}")
    network = torch.nn.Module()
    network.model = torch.nn.Module()
    assert refusal(Stub("t5xxl", network)) == f"this text encoder (t5xxl) has no part that sees images; {LOAD}"


def test_several_text_encoders_in_one(clip):
    several = Stub("clip_l", torch.nn.Module())
    del several.cond_stage_model.clip
    assert refusal(several) == f"several text encoders, or none, are in this CLIP; {LOAD}"


@pytest.mark.parametrize("name", ["qwen25_7b", "qwen25_3b"])
def test_a_qwen25_vl_of_which_the_head_is_not_kept(name):
    network = torch.nn.Module()
    network.visual, network.model = torch.nn.Module(), torch.nn.Module()
    told = f"this text encoder ({name}) is a Qwen2.5-VL, of which ComfyUI does not keep the head that answers; {LOAD}"
    assert refusal(Stub(name, network)) == told


def test_comfyui_still_calls_them_so():
    """The names by which these are told."""
    assert "qwen25_7b" in qwen_image.QwenImageTEModel.__init__.__code__.co_consts
    assert all(name.startswith("qwen35") for name in qwen35.QWEN35_MODELS)
    assert not hasattr(llama.Qwen3_8B, "preprocess_embed") and hasattr(qwen_vl, "process_qwen2vl_images")
    assert minimax.MiniMaxQwen3VL.model_type == "qwen3vl_32b"
    assert llama.Qwen3VL_32BConfig().final_norm is False


def test_a_qwen35_whose_images_comfyui_reads_wrongly():
    network = torch.nn.Module()
    network.visual, network.model = torch.nn.Module(), torch.nn.Module()
    assert refusal(Stub("qwen35_4b", network)) == (
        "this text encoder (qwen35_4b) is a Qwen3.5, whose images ComfyUI reads otherwise than the model was trained; "
        f"{LOAD}"
    )


def test_an_encoder_cut_off_before_its_head():
    network = torch.nn.Module()
    network.visual, network.model = torch.nn.Module(), torch.nn.Module()
    network.model.norm, network.build_image_inputs = None, print
    assert refusal(Stub("qwen3vl_32b", network)) == (
        f"this text encoder (qwen3vl_32b) was cut off before its head, so that it can say nothing of an image; {LOAD}"
    )


def test_an_encoder_that_sees_and_is_no_qwen3_vl():
    network = torch.nn.Module()
    network.vision_model, network.model = torch.nn.Module(), torch.nn.Module()
    told = f"this text encoder (gemma4_e4b) is not a Qwen3-VL, the only kind that can judge so far; {LOAD}"
    assert refusal(Stub("gemma4_e4b", network)) == told


def test_a_later_comfyui_with_other_parts(clip, monkeypatch):
    monkeypatch.delattr(type(clip.cond_stage_model.qwen3vl_8b.transformer).__mro__[1], "preprocess_embed")
    assert refusal(clip) == (
        "this ComfyUI's qwen3vl_8b has no 'preprocess_embed', which judging needs; update the pack"
    )


@pytest.mark.parametrize(
    "key,part",
    [
        (HEAD, "a head (lm_head.weight)"),
        ("model.visual.patch_embed.proj.weight", "a part that sees images (patches)"),
        ("model.visual.merger.linear_fc2.weight", "a part that sees images (merger)"),
    ],
)
def test_a_file_without_a_part(state, key, part):
    """ComfyUI loads it with a line in the log, and answers with P = 1/151936 for every image."""
    lacking = {name: torch.zeros_like(weight) if name == key else weight for name, weight in state.items()}
    told = f"the file of this text encoder does not hold {part}; load one that does"
    assert refusal(tiny_clip(lacking)) == told


def test_a_file_whose_head_is_not_there(state):
    """ComfyUI leaves its memory as it is, which is mostly zero; whatever lies in it is refused."""
    assert refusal(tiny_clip({name: weight for name, weight in state.items() if name != HEAD}))


def test_weights_that_are_not_finite(state):
    damaged = state | {"model.language_model.norm.weight": torch.full((64,), torch.nan)}
    assert refusal(tiny_clip(damaged)) == (
        "the file of this text encoder has weights that are not finite: a last norm; load a whole one"
    )


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_answers_that_are_not_finite(state, value):
    key = "model.language_model.layers.1.mlp.down_proj.weight"
    overflowing = tiny_clip(state | {key: torch.full_like(state[key], value)})
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
