"""When latents are handed over, and when pixels."""

import copy
from types import SimpleNamespace

import pytest
import torch

from adaptive_diffusion.standalone import handover
from adaptive_diffusion.standalone.drawing import Drawn
from adaptive_diffusion.standalone.handover import start_of
from tests.pure.tiny import new_teacher, vae, wide_vae

DRAWN = Drawn(torch.zeros(1, 3, 16, 16), torch.zeros(1, 4, 8, 8), 1, (1.0,))


def handed(student_vae, teacher_vae, drawn: Drawn = DRAWN) -> str:
    teacher = SimpleNamespace(vae=teacher_vae, image_processor=new_teacher().image_processor)
    start = start_of(drawn, SimpleNamespace(vae=student_vae), teacher)
    return "latents" if start is drawn.latents else "pixels" if start is drawn.pixels else "nothing"


def changed(name: str) -> torch.nn.Module:
    """A copy of the VAE with one number of this tensor changed, its last."""
    other = copy.deepcopy(vae())
    with torch.no_grad():
        other.state_dict()[name].view(-1)[-1] += 1e-3
    return other


def test_one_module_and_equal_weights_are_one_vae():
    assert handed(vae(), vae()) == "latents"
    assert handed(vae(), copy.deepcopy(vae())) == "latents"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_rounded_copy_is_the_same_vae(kind):
    assert handed(vae(), copy.deepcopy(vae()).to(kind)) == "latents"
    assert handed(copy.deepcopy(vae()).to(kind), vae()) == "latents"
    assert handed(copy.deepcopy(vae(seed=6)).to(kind), vae()) == "pixels"


@pytest.mark.parametrize("name", ["encoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_norm_out.bias"])
def test_a_single_other_number_makes_another_vae(name):
    assert handed(vae(), changed(name)) == "pixels"


def test_equal_weights_are_compared_once_and_again_when_one_changes(monkeypatch):
    compared: list[bool] = []
    compare = handover._same_weights

    def counted(*weights):
        compared.append(compare(*weights))
        return compared[-1]

    monkeypatch.setattr(handover, "_same_weights", counted)
    other = copy.deepcopy(vae())
    assert [handed(vae(), other) for _ in range(3)] == ["latents"] * 3
    assert compared == [True]
    with torch.no_grad():
        other.decoder.conv_out.weight[0, 0, 0, 0] += 1e-3
    assert [handed(vae(), other) for _ in range(2)] == ["pixels"] * 2
    other.load_state_dict(vae().state_dict())
    assert handed(vae(), other) == "latents"
    assert handed(vae(), copy.deepcopy(vae())) == "latents"
    assert compared == [True, False, True, True]


def test_weights_that_only_one_of_them_has_make_another_vae():
    more = copy.deepcopy(vae())
    more.register_buffer("more", torch.zeros(1))
    assert handed(vae(), more) == handed(more, vae()) == "pixels"


def test_weights_that_are_not_in_memory_are_not_taken_for_the_same():
    assert handed(copy.deepcopy(vae()).to("meta"), copy.deepcopy(vae()).to("meta")) == "pixels"


@pytest.mark.parametrize("other", [None, wide_vae, lambda: vae(0.5)])
def test_no_vae_and_another_kind_or_scale_take_pixels(other):
    assert handed(vae(), other and other()) == handed(other and other(), vae()) == "pixels"


@pytest.mark.parametrize("latents", [None, torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 16)])
def test_latents_the_teacher_cannot_take_are_not_handed_over(latents):
    assert handed(vae(), vae(), Drawn(DRAWN.pixels, latents, 1, (1.0,))) == "pixels"
