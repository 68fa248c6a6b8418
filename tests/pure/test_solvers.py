"""UniPC against diffusers on a model known in closed form: a mixture of two Gaussians."""

from collections.abc import Callable

import diffusers
import pytest
import torch

from adaptive_diffusion.diffusion.rollback import rollback_sigmas
from adaptive_diffusion.diffusion.schedules import from_diffusers
from adaptive_diffusion.diffusion.unipc import sample_unipc

torch.set_num_threads(1)

SHAPE = (2, 3, 4, 4)
TOLERANCE = 1e-5
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULERS = {
    "eps": {**BETAS, "timestep_spacing": "leading"},
    "v": {**BETAS, "timestep_spacing": "linspace", "prediction_type": "v_prediction"},
    "zero-terminal-SNR v": {
        **BETAS, "timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True,
    },
    "flow": {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"},
}  # fmt: skip
CENTRES, WEIGHTS, SPREAD = (-1.0, 0.8), (0.3, 0.7), 0.3


def clean_mean(x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """E[clean | x = alpha clean + sigma noise] for the mixture, value by value."""
    variance = (alpha * SPREAD) ** 2 + sigma**2
    odds = [w * torch.exp(-((x - alpha * c) ** 2) / (2 * variance)) for c, w in zip(CENTRES, WEIGHTS, strict=True)]
    means = [c + alpha * SPREAD**2 / variance * (x - alpha * c) for c in CENTRES]
    return sum(o * m for o, m in zip(odds, means, strict=True)) / sum(odds)


def levels_of(sigma: float, flow: bool) -> tuple[float, float]:
    return (1 - sigma, sigma) if flow else (1.0, sigma)


def denoiser(flow: bool = False) -> Callable[..., torch.Tensor]:
    return lambda x, sigma: clean_mean(x, *levels_of(float(sigma[0]), flow))


def diffusers_unipc(scheduler, x: torch.Tensor, first: int) -> torch.Tensor:
    """diffusers' own loop over its timesteps from number `first` on; x in diffusers' variance-preserving form."""
    kind = scheduler.config.prediction_type
    scheduler.set_begin_index(first)
    for i in range(first, len(scheduler.timesteps)):
        alpha, sigma = (s.item() for s in scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[i].double()))
        clean = clean_mean(x, alpha, sigma)
        noise = (x - alpha * clean) / sigma
        outputs = {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "flow_prediction": noise - clean}
        x = scheduler.step(outputs[kind], scheduler.timesteps[i], x, return_dict=False)[0]
    return x


def compare(kind: str, steps: int, first: int, final: str = "zero") -> float:
    scheduler = diffusers.UniPCMultistepScheduler(**SCHEDULERS[kind], final_sigmas_type=final)
    scheduler.set_timesteps(steps)
    sigmas, flow = scheduler.sigmas[first:].double(), kind == "flow"
    generator = torch.Generator().manual_seed(1)
    clean, noise = (torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    alpha, sigma = levels_of(sigmas[0].item(), flow)
    x = alpha * clean + sigma * noise
    scale = [1.0, 1.0] if flow else [(1 + sigmas[i].item() ** 2) ** -0.5 for i in (0, -1)]
    expected = diffusers_unipc(scheduler, x * scale[0], first)
    return float((sample_unipc(denoiser(flow), x, sigmas, flow=flow) * scale[1] - expected).abs().max())


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize(("steps", "first"), [(1, 0), (2, 0), (3, 0), (18, 6), (14, 10), (12, 0), (50, 0)])
def test_unipc_is_diffusers_unipc(kind, steps, first):
    assert compare(kind, steps, first) < TOLERANCE


@pytest.mark.parametrize("kind", ["eps", "v", "zero-terminal-SNR v"])
def test_unipc_is_diffusers_unipc_where_the_last_sigma_is_not_zero(kind):
    assert compare(kind, 18, 6, final="sigma_min") < TOLERANCE


def noised(sigmas: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return sigmas[0] * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


SIGMAS = torch.tensor([3.0, 1.5, 0.7, 0.2, 0.0])


def test_one_step_returns_the_denoised():
    sigmas = torch.tensor([2.5, 0.0])
    x = noised(sigmas)
    assert torch.equal(sample_unipc(denoiser(), x, sigmas), denoiser()(x, sigmas[:1]))


def test_the_last_result_is_the_last_denoised():
    seen = []
    result = sample_unipc(denoiser(), noised(SIGMAS), SIGMAS, callback=seen.append)
    assert torch.equal(result, seen[-1]["denoised"])


def test_the_callback_is_k_diffusions():
    seen = []
    sample_unipc(denoiser(), noised(SIGMAS), SIGMAS, callback=seen.append)
    assert [set(entry) for entry in seen] == [{"x", "i", "sigma", "sigma_hat", "denoised"}] * 4
    assert [entry["i"] for entry in seen] == [0, 1, 2, 3]
    assert torch.equal(torch.stack([entry["sigma"] for entry in seen]), SIGMAS[:-1])
    assert torch.equal(torch.stack([entry["sigma_hat"] for entry in seen]), SIGMAS[:-1])
    assert torch.equal(seen[0]["x"], noised(SIGMAS))
    assert torch.equal(seen[2]["denoised"], denoiser()(seen[2]["x"], SIGMAS[2:3]))


def test_the_model_is_called_once_a_step_in_k_diffusions_way():
    calls = []

    def model(x, sigma, **extra):
        calls.append((sigma, extra))
        return denoiser()(x, sigma)

    sample_unipc(model, noised(SIGMAS), SIGMAS, extra_args={"seed": 7})
    assert [extra for _, extra in calls] == [{"seed": 7}] * 4
    assert torch.equal(torch.stack([sigma for sigma, _ in calls]), SIGMAS[:-1, None].expand(-1, SHAPE[0]))


def test_nothing_given_is_changed():
    x, sigmas = noised(SIGMAS), SIGMAS.clone()
    before = x.clone()
    sample_unipc(denoiser(), x, sigmas)
    assert torch.equal(sigmas, SIGMAS)
    assert torch.equal(x, before)


def test_rows_do_not_touch_each_other():
    x = noised(SIGMAS)
    assert torch.equal(sample_unipc(denoiser(), x, SIGMAS)[1:], sample_unipc(denoiser(), x[1:], SIGMAS))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_stepped_in_single(dtype):
    def model(x, sigma):
        assert (x.dtype, sigma.dtype) == (dtype, torch.float32)
        return clean_mean(x.float(), 1.0, float(sigma[0])).to(dtype)

    x = noised(SIGMAS).to(dtype)
    seen = []
    result = sample_unipc(model, x, SIGMAS, callback=seen.append)
    assert result.dtype == dtype
    assert all(entry["x"].dtype == entry["denoised"].dtype == torch.float32 for entry in seen)
    assert (result.float() - sample_unipc(denoiser(), x.float(), SIGMAS)).abs().max() < 20 * torch.finfo(dtype).eps


def test_the_loop_never_waits_for_the_device():
    """A meta tensor holds no values, so reading one back, as a GPU would have to be waited for, raises."""
    result = sample_unipc(lambda x, sigma: x * sigma.view(-1, 1, 1, 1), torch.empty(SHAPE, device="meta"), SIGMAS)
    assert (result.shape, result.device.type) == (SHAPE, "meta")


@pytest.mark.parametrize("flow", [False, True])
def test_a_start_at_the_highest_noise_stays_finite(flow):
    sigmas = torch.tensor([1.0, 0.9, 0.5, 0.1, 0.0]) if flow else torch.tensor([4518.8, 18.0, 2.0, 0.3, 0.0])
    assert torch.isfinite(sample_unipc(denoiser(flow), noised(sigmas), sigmas, flow=flow)).all()


@pytest.mark.parametrize(
    ("sigmas", "pair"),
    [
        ([2.0, 2.0, 0.0], "2 is followed by 2"),
        ([1.0, 2.0, 0.0], "1 is followed by 2"),
        ([1.0, -0.5], "1 is followed by -0.5"),
        ([1.0, 0.0, 0.0], "0 is followed by 0"),
        ([float("nan"), 0.0], "nan is followed by 0"),
    ],
)
def test_sigmas_that_do_not_fall_are_refused(sigmas, pair):
    with pytest.raises(ValueError, match=f"sigmas must fall at every step, never below 0, but {pair}; choose"):
        sample_unipc(denoiser(), torch.zeros(SHAPE), torch.tensor(sigmas))


def test_more_steps_come_closer_to_the_exact_solution():
    """Second order: half the step, about a quarter of the error."""
    x = noised(torch.tensor([2.5])).double()

    def solve(steps: int) -> torch.Tensor:
        sigmas = 2.5 * (0.3 / 2.5) ** torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        return sample_unipc(denoiser(), x, sigmas)

    exact = solve(3000)
    errors = [float((solve(steps) - exact).abs().mean()) for steps in (20, 40, 80)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


def test_a_rollback_list_runs_as_it_is():
    schedule = from_diffusers(diffusers.EulerDiscreteScheduler(**BETAS))
    sigmas = torch.tensor(rollback_sigmas("schedule", 0.7, 12, schedule))
    seen = []
    sample_unipc(denoiser(), noised(sigmas), sigmas, callback=seen.append)
    assert len(seen) == 12
