"""The files for ComfyUI, against the names that diffusers' own converters know."""

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from diffusers.utils import convert_state_dict_to_kohya
from peft import get_peft_model_state_dict

from adaptive_diffusion.diffusion.guidance_embedding import guidance_bias, takes_guidance
from adaptive_diffusion.distillation import building, comfyui_keys, export
from adaptive_diffusion.distillation.levels import Levels
from tests.pure import teachers

THREE_BLOCKS = {
    "block_out_channels": (8, 16, 16),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
SDXL = {
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 56,
}
NETWORKS = {"SD": {}, "three blocks": THREE_BLOCKS, "SDXL": {**THREE_BLOCKS, **SDXL}}


def levels(**scheduler) -> Levels:
    return Levels.of(teachers.DDIMScheduler(**{**teachers.EPSILON, **scheduler}))


@pytest.mark.parametrize("name", NETWORKS)
def test_diffusers_reads_the_original_keys_back(name):
    network = teachers.unet(**NETWORKS[name])
    original = comfyui_keys.original_keys(network)
    state = network.state_dict()
    prefixed = {f"model.diffusion_model.{key}": value for key, value in original.items()}
    back = convert_ldm_unet_checkpoint(prefixed, {**network.config, "class_embed_type": None})
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def test_a_lora_has_kohyas_keys_and_its_own_alpha():
    network = building.with_lora(teachers.unet(), teachers_targets(), 4, 4)
    weights = get_peft_model_state_dict(network)
    expected = convert_state_dict_to_kohya({f"unet.{key}": value for key, value in weights.items()})
    found = comfyui_keys.lora_keys("unet", weights, 4)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key].float(), expected[key].float()) for key in found)
    for alpha in (1, 16):
        with_alpha = comfyui_keys.lora_keys("unet", weights, alpha)
        assert {value.item() for key, value in with_alpha.items() if key.endswith(".alpha")} == {alpha}


def teachers_targets() -> tuple[str, ...]:
    from adaptive_diffusion.distillation.layouts import StableDiffusion

    return StableDiffusion.targets


def test_marks_stand_where_core_has_them_and_are_needed():
    sdxl, v = teachers.unet(**NETWORKS["SDXL"]), {"prediction_type": "v_prediction"}
    zero = {**v, "rescale_betas_zero_snr": True}
    marks = {"v_pred", "ztsnr"}
    assert comfyui_keys.unet_keys(sdxl, levels(**zero)).keys() >= marks
    assert comfyui_keys.unet_keys(sdxl, levels(**v)).keys() & marks == {"v_pred"}
    assert comfyui_keys.unet_keys(sdxl, levels()).keys() == sdxl.state_dict().keys()
    for settings in (zero, v, {}):
        assert comfyui_keys.sampling_to_set(sdxl, levels(**settings)) is None
    sd = teachers.unet(cross_attention_dim=768)
    assert comfyui_keys.unet_keys(sd, levels(**v)).keys() == sd.state_dict().keys()
    assert comfyui_keys.sampling_to_set(sd, levels()) is None
    assert comfyui_keys.sampling_to_set(sd, levels(**v)) == ("v_prediction", False)
    assert comfyui_keys.sampling_to_set(sd, levels(**zero)) == ("v_prediction", True)


def test_a_lora_says_what_its_model_does_not():
    """The difference of a model that was converted to the one it was made of."""
    v, zero = {"prediction_type": "v_prediction"}, {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    assert comfyui_keys.sampling_beside(levels(**v), levels(**v)) is None
    assert comfyui_keys.sampling_beside(levels(**zero), levels(**v)) == ("v_prediction", True)
    assert comfyui_keys.sampling_beside(levels(), levels(**v)) == ("eps", False)


def test_core_guesses_sd2_by_one_bias():
    sd2 = teachers.unet(
        cross_attention_dim=1024,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    )
    bias = dict(sd2.named_parameters())[comfyui_keys.SD2_BIAS]
    for deviation, kind in ((0.01, "epsilon"), (0.2, "v_prediction")):
        bias.data.copy_(torch.tensor([deviation, -deviation] * 4))
        assert comfyui_keys.taken_for(sd2, levels()) == (kind, False)


def test_a_guided_student_starts_as_the_teacher_and_keeps_its_guidance_in_every_file(tmp_path):
    network = teachers.unet(cross_attention_dim=768)
    guided = building.guided_copy(network)
    x, time, states = torch.randn(2, 4, 16, 16), torch.tensor([5, 800]), torch.randn(2, 3, 768)
    embedding = torch.randn(2, 256)
    with torch.no_grad():
        plain = network(x, time, states).sample
        assert torch.allclose(guided(x, time, states, timestep_cond=embedding).sample, plain, atol=1e-6)
        torch.nn.init.normal_(guided.time_embedding.cond_proj.weight, std=0.1)
        export.save_unet(guided, levels(), tmp_path / "guided.safetensors", "float32")
        assert takes_guidance(tmp_path / "guided.safetensors")
        state = comfyui_keys.with_guidance(guided.state_dict(), 2.0)
        bias = guidance_bias(tmp_path / "guided.safetensors", 2.0)
        key = comfyui_keys.GUIDED_BIAS
        assert torch.allclose(state[key] - guided.state_dict()[key], bias, atol=1e-5)


def test_a_guided_sdxl_that_predicts_v_is_marked_and_guided(tmp_path):
    guided = building.guided_copy(teachers.unet(**NETWORKS["SDXL"]))
    zero = levels(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    export.save_unet(guided, zero, tmp_path / "guided.safetensors", "float32")
    assert takes_guidance(tmp_path / "guided.safetensors")


def test_a_difference_added_to_the_teacher_is_the_student():
    teacher, student = teachers.unet(), building.trained_copy(teachers.unet())
    with torch.no_grad():
        for weight in student.parameters():
            weight += 0.01 * torch.randn_like(weight)
    found = comfyui_keys.difference_keys(student.state_dict(), teacher.state_dict())
    assert len(found) == len(student.state_dict())
    key = "lora_unet_down_blocks_0_resnets_0_norm1.diff_b"
    name = "down_blocks.0.resnets.0.norm1.bias"
    assert torch.allclose(teacher.state_dict()[name] + found[key], student.state_dict()[name], atol=1e-7)
