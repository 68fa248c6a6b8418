import pytest
import torch

from adaptive_diffusion.diffusion.noise import PerSampleNoise, derive_seed

torch.set_num_threads(1)

SHAPE = (3, 5, 7)


def draws(seeds: list[int], shape: tuple[int, ...] = SHAPE, calls: int = 3) -> torch.Tensor:
    noise = PerSampleNoise(torch.empty(len(seeds), *shape), seeds)
    return torch.stack([noise(2.0, 1.0) for _ in range(calls)], dim=1)


@pytest.mark.parametrize("shape", [SHAPE, (4, 4, 4), (3,), (1, 17)])
def test_a_row_depends_on_its_seed_alone(shape):
    full = draws([11, 22, 33], shape)
    assert torch.equal(draws([22], shape)[0], full[1])
    assert torch.equal(draws([33, 5, 11, 22], shape)[[2, 3, 0]], full)


def test_every_call_and_every_seed_is_fresh():
    full = draws([11, 22])
    assert not torch.equal(full[0], full[1])
    assert not torch.equal(full[:, 0], full[:, 1])
    assert torch.equal(full, draws([11, 22]))


def test_noise_is_standard_normal():
    noise = draws([1, 2], (4, 64, 64))
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_noise_has_the_dtype_and_device_of_x(dtype):
    exact = PerSampleNoise(torch.empty(1, *SHAPE), [3])(1.0, 0.5)
    assert torch.equal(PerSampleNoise(torch.empty(1, *SHAPE, dtype=dtype), [3])(1.0, 0.5), exact.to(dtype))
    assert PerSampleNoise(torch.empty(1, *SHAPE, device="meta"), [3])(1.0, 0.5).device.type == "meta"


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    draws([1, 2])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_number_of_seeds_must_be_the_batch():
    with pytest.raises(ValueError, match="2 seeds came for a batch of 3"):
        PerSampleNoise(torch.empty(3, *SHAPE), [1, 2])


def test_a_derived_seed_is_the_same_in_every_process():
    assert derive_seed(42, "refine", 3) == 9204789209614136599


def test_derived_seeds_differ_and_fit_63_bits():
    tags = [(), ("refine",), ("steps", 0), ("steps", 1), ("steps", 10), ("steps", 1, 0), ("steps/1", 0)]
    seeds = [derive_seed(seed, *tag) for seed in (0, 1, -1, 2**64 - 1) for tag in tags]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    PerSampleNoise(torch.empty(len(seeds), 2), seeds)
