"""The estimate of memory, against what training really keeps."""

import pytest
import torch

from adaptive_diffusion.distillation import building, memory
from adaptive_diffusion.distillation.recipe import Recipe
from tests.pure import teachers


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    torch.set_num_threads(1)
    path = teachers.folder("SD1.5", tmp_path_factory.mktemp("teachers"))
    return building.open_teacher(path, (32, 32), "float32", "cpu")


def recipe(method: str, **more) -> Recipe:
    return Recipe(method, (2.0, 2.0), (32, 32), 0, rank=4, **more)


def kept_by_autograd(layout, network) -> int:
    """Bytes of all different storages that autograd keeps of one real evaluation, but for the weights."""
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = (storage.nbytes(), storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layout.call(network, torch.randn(1, 4, 16, 16), torch.zeros(1), layout.blank())
    return sum(size for size, _ in found.values())


@pytest.mark.parametrize("method", ["add", "lcm-lora"])
def test_activations_are_what_autograd_keeps(layout, method):
    needs = memory.estimate(layout, recipe(method), 1, "float32", layout.blank())
    if method == "lcm-lora":
        network = building.with_lora(building.trained_copy(layout.network).requires_grad_(False), layout.targets, 4, 4)
    else:
        network = building.trained_copy(layout.network)
    expected = kept_by_autograd(layout, network) / memory.GIB
    assert needs["activations"] == pytest.approx(expected, rel=0.1)
    learned = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    assert needs["optimiser"] == 2 * needs["gradients"] == pytest.approx(8 * learned / memory.GIB)


def test_less_is_kept_where_it_is_computed_again_and_more_of_more_images(layout):
    def activations(batch: int, **more) -> float:
        return memory.estimate(layout, recipe("add", **more), batch, "float32", layout.blank())["activations"]

    assert activations(1, checkpointing=True) < 0.7 * activations(1)
    assert activations(3) == pytest.approx(3 * activations(1))


def test_a_lora_has_no_average_and_half_precision_needs_less_for_the_teacher(layout):
    lora = memory.estimate(layout, recipe("lcm-lora"), 1, "bfloat16", layout.blank())
    full = memory.estimate(layout, recipe("add"), 1, "float32", layout.blank())
    assert "average" not in lora
    assert lora["teacher"] == full["teacher"] / 2
    assert lora["trained weights"] < full["trained weights"]
