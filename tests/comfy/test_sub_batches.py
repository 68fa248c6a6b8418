"""Refining a subset equals refining the whole batch and picking, on tiny real models of every family."""

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.sampler_helpers
import comfy.samplers
import comfy.supported_models
import pytest
import torch

from .tools import module, tiny_model

DETERMINISTIC = ["unipc_diffusers", "dpmpp_2m", "euler"]
STOCHASTIC = ["euler_ancestral", "dpmpp_2m_sde", "dpmpp_sde", "lcm"]
BATCH = 4
REJECTED = (1, 3)


def conditioning(seed: int, rows: int = BATCH, tokens: int = 5, **options):
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(rows, tokens, 32, generator=generator), options]]


def refine(model, positive, negative, latent, rejected, sampler_name="euler", **options):
    decide = module("adaptive_diffusion.gate.decision")
    values = tuple(0.0 if i in rejected else 1.0 for i in range(BATCH))
    decision = decide.decide(decide.QualityScores(values), 0.5)
    return refined(model, positive, negative, latent, decision, sampler_name=sampler_name, **options)


def refined(model, positive, negative, latent, decision, **options):
    """The samples of the images that a decision rejects."""
    from .conftest import nodes

    defaults = {"seed": 5, "cfg": 3.0, "scheduler": "uniform", "rollback_scale": "schedule", "max_batch": 16}
    inputs = {**defaults, "steps": 4, "sampler_name": "euler", "rollback": 0.7, **options}
    links = {"decision": decision, "latent": latent, "model": model, "positive": positive, "negative": negative}
    execute = nodes()["AdaptiveTeacherRefine"].execute
    return execute(**{name: [value] for name, value in (links | inputs).items()}).args[0][0]["samples"]


def check(model, positive, negative, latent, sampler="euler", **options):
    """The rows of a refined subset against those rows of the whole, in units of the latent's deviation."""
    full = refine(model, positive, negative, latent, range(BATCH), sampler, **options)
    part = refine(model, positive, negative, latent, REJECTED, sampler, **options)
    others = full[[0, 2]]
    assert (part - others).abs().max() > 0.1 * full.std()
    return ((part - full[list(REJECTED)]).abs().max() / full.std()).item()


def latent(height=9, width=7, channels=4, seed=0):
    return {"samples": torch.randn(BATCH, channels, height, width, generator=torch.Generator().manual_seed(seed))}


@pytest.mark.parametrize("sampler", DETERMINISTIC + STOCHASTIC)
@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
def test_every_sampler_at_sizes_that_are_no_multiple_of_16(sampler, size):
    assert check(tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), latent(*size), sampler) <= 1e-4


@pytest.mark.parametrize("family", ["EPS", "V_PREDICTION", "ZSNR", "FLOW"])
@pytest.mark.parametrize("sampler", ["unipc_diffusers", "euler_ancestral"])
def test_every_family(family, sampler):
    assert check(tiny_model(family), conditioning(1, 1), conditioning(2, 1), latent(), sampler) <= 1e-4


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_conditioning_with_a_row_for_each_image(sampler):
    pooled = torch.randn(BATCH, 8)
    positive = conditioning(1, BATCH, pooled_output=pooled)
    assert check(tiny_model("EPS"), positive, conditioning(2, 2), latent(), sampler) <= 1e-4


def test_a_noise_mask_with_a_row_for_each_image():
    masked = latent()
    masked["noise_mask"] = (torch.rand(BATCH, 1, 72, 56, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    assert check(tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), masked) <= 1e-4


@pytest.mark.parametrize("shape", [(64, 64), (1, 64, 64), (2, 64, 64), (3, 1, 64, 64), (8, 1, 64, 64), (4, 4, 64, 64)])
def test_a_noise_mask_of_any_shape_that_core_takes(shape):
    masked = latent(8, 8)
    masked["noise_mask"] = (torch.rand(shape, generator=torch.Generator().manual_seed(3)) > 0.4).float()
    assert check(tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), masked) <= 1e-4
    full = refine(tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), masked, range(BATCH))
    kept = comfy.sampler_helpers.prepare_mask(masked["noise_mask"], full.shape, full.device) == 0
    assert (full[kept] - masked["samples"][kept]).abs().max() <= 1e-4


def test_a_conditioning_mask_with_a_row_for_each_image():
    mask = (torch.rand(BATCH, 72, 56, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    positive = conditioning(1, 1, mask=mask, mask_strength=1.0) + conditioning(7, 1)
    assert check(tiny_model("EPS"), positive, conditioning(2, 1), latent()) <= 1e-4


def test_batch_index_decides_the_noise():
    indexed = {**latent(), "batch_index": [7, 3, 3, 0]}
    assert check(tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), indexed) <= 1e-4


def controlnet(strength=1.0, hints=BATCH):
    config = {"image_size": 32, "in_channels": 4, "model_channels": 32, "hint_channels": 3, "num_res_blocks": [1, 1],
              "channel_mult": [1, 2], "transformer_depth": [1, 1], "transformer_depth_middle": 1, "context_dim": 32,
              "num_heads": 4, "use_spatial_transformer": True, "dtype": torch.float32}  # fmt: skip
    net = comfy.cldm.cldm.ControlNet(**config, operations=comfy.ops.disable_weight_init)
    generator = torch.Generator().manual_seed(8)
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    control = comfy.controlnet.ControlNet(net, load_device=torch.device("cpu"))
    hint = torch.rand(hints, 3, 72, 56, generator=generator)
    return control.set_cond_hint(hint, strength)


def test_a_controlnet_hint_with_a_row_for_each_image():
    control = controlnet()
    positive, negative = conditioning(1, 1, control=control), conditioning(2, 1, control=control)
    model = tiny_model("EPS")
    assert check(model, positive, negative, latent()) <= 1e-4
    without = refine(model, conditioning(1, 1), conditioning(2, 1), latent(), REJECTED)
    assert (without - refine(model, positive, negative, latent(), REJECTED)).abs().max() > 1e-2


def test_chained_controlnets_are_sliced_too():
    chained = controlnet()
    chained.set_previous_controlnet(controlnet(0.5))
    positive = conditioning(1, 1, control=chained)
    assert check(tiny_model("EPS"), positive, conditioning(2, 1, control=chained), latent()) <= 1e-4


@pytest.mark.parametrize("max_batch", [1, 2])
def test_a_smaller_teacher_batch_changes_nothing(max_batch):
    arguments = (tiny_model("EPS"), conditioning(1, BATCH), conditioning(2, 1), latent(), range(BATCH))
    whole, parts = refine(*arguments), refine(*arguments, max_batch=max_batch)
    assert (whole - parts).abs().max() <= 1e-4 * whole.std()


def test_one_frame_of_five_dimensions_works():
    five = {"samples": latent(8, 8)["samples"].unsqueeze(2)}
    hosted = module("host.rows.latents")
    assert hosted.check_latent(five).shape == (BATCH, 4, 1, 8, 8)
    whole = module("adaptive_diffusion.gate.rows").Rows.whole(BATCH)
    noise = hosted.row_noise(five, whole, 5)
    part = hosted.take(five, REJECTED)
    assert torch.equal(hosted.row_noise(part, whole.at(REJECTED), 5), noise[list(REJECTED)])


def test_regenerating_equals_core_ksampler_on_those_rows():
    from nodes import common_ksampler

    from .conftest import nodes

    decide = module("adaptive_diffusion.gate.decision")
    decision = decide.decide(decide.QualityScores((1.0, 0.0, 1.0, 0.0)), 0.5)
    model, positive, negative = tiny_model("EPS"), conditioning(1, BATCH), conditioning(2, 1)
    core = common_ksampler(
        model, 5, 4, 3.0, "euler", "normal", positive, negative, {"samples": torch.zeros(BATCH, 4, 9, 7)}
    )
    inputs = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "max_batch": 16}
    links = {
        "decision": [decision],
        "latent": [latent()],
        "model": [model],
        "positive": [positive],
        "negative": [negative],
    }
    ours = nodes()["AdaptiveTeacherRegenerate"].execute(**links, **{name: [value] for name, value in inputs.items()})
    expected = core[0]["samples"][list(REJECTED)]
    assert (ours.args[0][0]["samples"] - expected).abs().max() <= 1e-4 * expected.std()
