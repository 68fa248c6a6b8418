"""What a network is told of prompts, against what diffusers' own pipelines tell it."""

import pytest
import torch

from adaptive_diffusion.distillation.layouts import layout_of
from tests.pure import teachers, tiny

SIZE = (48, 32)
ASKED = {"SD1.5": "unet", "SDXL": "unet", "SD3": "transformer"}


class Seen(Exception):
    """What a pipeline's network was first called with."""


def told_by_diffusers(pipeline, part: str) -> dict[str, torch.Tensor]:
    """What the pipeline tells its network of a prompt and, before it, of the empty one."""
    network = getattr(pipeline, part)

    def forward(*arguments, **options):
        raise Seen(options)

    network.forward = forward
    with pytest.raises(Seen) as seen:
        width, height = SIZE
        pipeline(tiny.PROMPTS[0], width=width, height=height, num_inference_steps=2, guidance_scale=3.0)
    del network.forward
    [options] = seen.value.args
    added = options.get("added_cond_kwargs") or {}
    named = {
        "encoder_hidden_states": options["encoder_hidden_states"],
        "pooled": added.get("text_embeds", options.get("pooled_projections")),
        "time_ids": added.get("time_ids"),
    }
    return {name: value for name, value in named.items() if value is not None}


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("name", ASKED)
def test_prompts_and_the_empty_one_are_told_as_diffusers_tells_them(name, zeros):
    pipeline = teachers.LAYOUTS[name]()
    pipeline.set_progress_bar_config(disable=True)
    if name == "SDXL":
        pipeline.register_to_config(force_zeros_for_empty_prompt=zeros)
    layout = layout_of(pipeline, SIZE)
    expected = told_by_diffusers(pipeline, ASKED[name])
    found, blank = layout.encode(tiny.PROMPTS[:1]), layout.blank()
    assert found.keys() == blank.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(blank[key], value[:1]), key
        assert torch.equal(found[key], value[1:]), key


@pytest.mark.parametrize("name", ASKED)
def test_a_batch_is_told_as_its_prompts_alone(name):
    layout = layout_of(teachers.LAYOUTS[name](), SIZE)
    together = layout.encode(tiny.PROMPTS[:3])
    for row, prompt in enumerate(tiny.PROMPTS[:3]):
        for key, value in layout.encode([prompt]).items():
            assert torch.allclose(together[key][row : row + 1], value, atol=1e-6), key
