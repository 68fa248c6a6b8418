"""An image comes out the same whichever others are rejected with it: every sampler, masks, linked samplers, caches."""

import functools
import random

import comfy.k_diffusion.sampling
import comfy.samplers
import pytest
import torch

from .conftest import nodes
from .test_sub_batches import BATCH, conditioning, latent, refine, refined
from .tools import module, tiny_model

SIZE = 8
PARTS = [sorted(random.Random(7).sample(range(BATCH), count)) for count in (1, 1, 2, 3)]


def sampler_names() -> list[str]:
    ours = ["unipc_diffusers"]
    return ours + [name for name in comfy.samplers.KSampler.SAMPLERS if name != "dpm_adaptive"]


def masked(whole: dict) -> dict:
    mask = torch.rand(BATCH, 1, SIZE * 8, SIZE * 8, generator=torch.Generator().manual_seed(3))
    return {**whole, "noise_mask": (mask > 0.4).float()}


def regenerate(model, positive, negative, whole, rejected, sampler):
    decide = module("adaptive_diffusion.gate.decision")
    scores = decide.QualityScores(tuple(0.0 if i in rejected else 1.0 for i in range(BATCH)))
    inputs = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": sampler, "scheduler": "uniform", "max_batch": 16}
    links = {"decision": decide.decide(scores, 0.5), "latent": whole, "model": model}
    given = {**links, "positive": positive, "negative": negative, **inputs}
    execute = nodes()["AdaptiveTeacherRegenerate"].execute
    return execute(**{name: [value] for name, value in given.items()}).args[0][0]["samples"]


@pytest.mark.parametrize("draw", [refine, regenerate])
@pytest.mark.parametrize("prepare", [dict, masked], ids=["no mask", "mask"])
@pytest.mark.parametrize("sampler", sampler_names())
def test_a_part_of_a_batch_is_that_part_of_the_whole(sampler, prepare, draw):
    whole = prepare(latent(SIZE, SIZE))
    given = (tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), whole)
    full = draw(*given, range(BATCH), sampler)
    assert full.isfinite().all()
    for rejected in PARTS:
        part = draw(*given, rejected, sampler)
        assert (part - full[rejected]).abs().max() <= 1e-4 * full.std(), rejected


def arguments(model=None):
    return model or tiny_model("EPS"), conditioning(1, 1), conditioning(2, 1), latent(SIZE, SIZE)


def drawn_apart(given, sampler_name="euler", **options) -> float:
    """The largest difference between a part and that part of the whole, in deviations."""
    full = refine(*given, range(BATCH), sampler_name, **options)
    parts = [(refine(*given, rejected, sampler_name, **options), full[rejected]) for rejected in PARTS]
    return max((((part - expected).abs().max() / full.std()).item()) for part, expected in parts)


def noisy(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """A sampler of another pack: it draws its step noise for the whole batch, from one generator."""
    generator = torch.Generator().manual_seed(extra_args["seed"])
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
        denoised = model(x, sigma.expand(len(x)), **extra_args)
        x = denoised + sigma_next * torch.randn(x.shape, generator=generator)
    return x


def carefree(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """The same from torch's own generator, whose state nobody sets."""
    for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
        x = model(x, sigma.expand(len(x)), **extra_args) + sigma_next * torch.randn(x.shape)
    return x


class OneNorm(comfy.samplers.Sampler):
    """No KSAMPLER, and its steps depend on the norm of the whole batch."""

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, *_, **__):
        x = noise * sigmas[0]
        for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
            denoised = model_wrap(x, sigma.expand(len(x)), **extra_args)
            x = denoised + sigma_next * (x - denoised) / (x - denoised).norm()
        return x


LINKED = {
    "noise for the whole batch": lambda: comfy.samplers.KSAMPLER(noisy),
    "torch's own generator": lambda: comfy.samplers.KSAMPLER(carefree),
    "dpm_adaptive": lambda: comfy.samplers.sampler_object("dpm_adaptive"),
    "another class": OneNorm,
    "a partial": lambda: comfy.samplers.KSAMPLER(
        functools.partial(comfy.k_diffusion.sampling.sample_euler_ancestral, eta=0.7)
    ),
    "a partial of a Brownian one": lambda: comfy.samplers.KSAMPLER(
        functools.partial(comfy.k_diffusion.sampling.sample_dpmpp_sde, eta=0.7)
    ),
}


@pytest.mark.parametrize("name", LINKED)
def test_a_linked_sampler_draws_a_part_as_that_part_of_the_whole(name):
    sampler = LINKED[name]()
    assert drawn_apart(arguments(), sampler=sampler) <= 1e-4
    assert drawn_apart(arguments(), sampler=sampler, max_batch=2) <= 1e-4


def test_a_sampler_with_noise_of_its_own_kind_keeps_it():
    def stepped(model, x, sigmas, extra_args=None, callback=None, disable=None, noise_sampler=None):
        for sigma, sigma_next in zip(sigmas[:-1], sigmas[1:], strict=True):
            x = model(x, sigma.expand(len(x)), **extra_args) + sigma_next * noise_sampler(sigma, sigma_next)
        return x

    def own(sigma, sigma_next):
        asked.append(sigma)
        return torch.ones(1)

    asked: list[torch.Tensor] = []
    for sampler in (
        comfy.samplers.KSAMPLER(stepped, {"noise_sampler": own}),
        comfy.samplers.KSAMPLER(functools.partial(stepped, noise_sampler=own)),
    ):
        asked.clear()
        assert drawn_apart(arguments(), sampler=sampler) <= 1e-4
        assert asked


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("RenormCFG", {"cfg_trunc": 100.0, "renorm_cfg": 0.5}),
        ("TemporalScoreRescaling", {"tsr_k": 0.95, "tsr_sigma": 1.0}),
    ],
)
def test_what_cannot_take_several_images_takes_one_after_the_other(name, options):
    """Both ask a number of every image in an `if`, which torch refuses for more than one."""
    model = nodes()[name].execute(tiny_model("EPS"), **options).args[0]
    assert drawn_apart(arguments(model)) <= 1e-4
    unpatched = refine(*arguments(), range(BATCH))
    assert (refine(*arguments(model), range(BATCH)) - unpatched).abs().max() > 1e-3 * unpatched.std()


def test_only_what_mixes_up_a_batch_is_drawn_one_by_one(sampling_calls):
    refine(*arguments(), range(BATCH), sampler=comfy.samplers.sampler_object("euler"))
    assert sampling_calls[-1] == BATCH
    refine(*arguments(), range(BATCH), sampler=comfy.samplers.KSAMPLER(noisy))
    assert sampling_calls[-BATCH:] == [1] * BATCH


def test_a_sampler_that_another_pack_adds_later_is_offered_and_draws_one_by_one(monkeypatch):
    name = "of_another_pack"
    monkeypatch.setattr(comfy.k_diffusion.sampling, f"sample_{name}", noisy, raising=False)
    monkeypatch.setattr(comfy.samplers.KSampler, "SAMPLERS", [*comfy.samplers.KSampler.SAMPLERS, name])
    for node in ("AdaptiveTeacherRefine", "AdaptiveTeacherRegenerate", "AdaptiveStudentSample", "AdaptiveBestOfN"):
        assert name in nodes()[node].INPUT_TYPES()["required"]["sampler_name"][1]["options"], node
    assert drawn_apart(arguments(), name) <= 1e-4


def test_a_scheduler_that_another_pack_adds_later_is_offered(monkeypatch):
    monkeypatch.setattr(comfy.samplers.KSampler, "SCHEDULERS", [*comfy.samplers.KSampler.SCHEDULERS, "bong"])
    for node in ("AdaptiveTeacherRefine", "AdaptiveTeacherRegenerate", "AdaptiveStudentSample", "AdaptiveBestOfN"):
        assert "bong" in nodes()[node].INPUT_TYPES()["required"]["scheduler"][1]["options"], node


@pytest.fixture
def sampling_calls(monkeypatch) -> list[int]:
    """How many images each sampling call of the test draws."""
    calls: list[int] = []
    call = module("host.sampling.drawing")
    original = call.sample

    def counted(model, positive, negative, cfg, noise, *rest):
        calls.append(len(noise))
        return original(model, positive, negative, cfg, noise, *rest)

    monkeypatch.setattr(call, "sample", counted)
    return calls


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("EasyCache", {"start_percent": 0.0, "end_percent": 1.0, "reuse_threshold": 0.6}),
        ("LazyCache", {"start_percent": 0.0, "end_percent": 1.0, "reuse_threshold": 0.1}),
    ],
)
def test_what_decides_for_a_batch_as_a_whole_draws_one_by_one_and_what_ran_is_counted(name, options):
    model = nodes()[name].execute(tiny_model("EPS"), verbose=False, **options).args[0]
    assert drawn_apart(arguments(model), steps=12) <= 1e-4
    drawn = bills(model, 12)
    assert max(spent.evaluations for spent in drawn) < 24
    assert {spent.evaluations for spent in bills(tiny_model("EPS"), 12)} == {24}


def bills(model, steps):
    """What each image took at cfg 3."""
    decide = module("adaptive_diffusion.gate.decision")
    decision = decide.decide(decide.QualityScores((0.0,) * BATCH), 0.5)
    refined(*arguments(model), decision, steps=steps)
    return [spent for bill in decision.bills for spent in bill.values()]


def test_rows_taken_from_a_batch_keep_their_step_noise():
    """Latent From Batch hands a row's number on as batch_index."""
    model, positive, negative, whole = arguments()
    every = {**whole, "batch_index": [3, 4, 5, 6]}
    full = refine(model, positive, negative, every, range(BATCH), "euler_ancestral")
    decide = module("adaptive_diffusion.gate.decision")
    for row in range(BATCH):
        alone = {"samples": whole["samples"][row : row + 1], "batch_index": [3 + row]}
        decision = decide.decide(decide.QualityScores((0.0,)), 0.5)
        part = refined(model, positive, negative, alone, decision, sampler_name="euler_ancestral")
        assert (part - full[row : row + 1]).abs().max() <= 1e-4 * full.std()
