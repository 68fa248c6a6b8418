"""The guidance input of LCM UNets against diffusers."""

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from adaptive_diffusion.diffusion.guidance_embedding import guidance_bias, guidance_embedding, takes_guidance

GUIDANCE = (1.0, 4.5, 8.0)


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
        time_cond_proj_dim=256,
        sample_size=8,
    ).eval()


@pytest.fixture(scope="module")
def path(unet, tmp_path_factory):
    path = tmp_path_factory.mktemp("unet") / "lcm.safetensors"
    save_file(unet.state_dict(), path)
    return path


def theirs(guidance: float) -> torch.Tensor:
    pipeline = LatentConsistencyModelPipeline.__new__(LatentConsistencyModelPipeline)
    return pipeline.get_guidance_scale_embedding(torch.tensor([guidance - 1]), embedding_dim=256)


@pytest.mark.parametrize("guidance", GUIDANCE)
def test_the_embedding_is_that_of_diffusers(guidance):
    assert torch.equal(guidance_embedding(guidance, 256), theirs(guidance)[0])


@pytest.mark.parametrize("guidance", GUIDANCE)
@torch.no_grad()
def test_the_bias_does_what_the_guidance_input_does(unet, path, guidance):
    x, states = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 32)
    expected = unet(x, 499, states, timestep_cond=theirs(guidance).expand(2, -1)).sample
    without = unet(x, 499, states).sample
    first = unet.time_embedding.linear_1
    bias = guidance_bias(path, guidance)
    first.bias += bias
    try:
        assert torch.allclose(unet(x, 499, states).sample, expected, rtol=0, atol=1e-5)
    finally:
        first.bias -= bias
    assert (expected - without).abs().max() > 1e-3


def test_a_unet_without_a_guidance_embedding_is_refused(unet, tmp_path):
    path = tmp_path / "sdxl.safetensors"
    save_file({key: value for key, value in unet.state_dict().items() if "cond_proj" not in key}, path)
    assert not takes_guidance(path)
    with pytest.raises(ValueError, match=r"'sdxl.safetensors' has no guidance embedding; choose the UNet of LCM-SDXL"):
        guidance_bias(path, 8.0)
