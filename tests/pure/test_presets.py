from dataclasses import astuple

import numpy
import pytest

from adaptive_diffusion.diffusion.rollback import SCALES
from adaptive_diffusion.presets import PRESETS

presets = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))


@presets
def test_every_value_is_one_that_the_nodes_take(preset):
    for role in (preset.student, preset.teacher):
        assert role.model and role.sampler and role.scheduler
        assert 1 <= role.steps <= 50 and 1 <= role.cfg <= 8
    assert preset.size % 16 == 0
    assert preset.scale in SCALES
    assert 0 < preset.low <= preset.rollback <= preset.high < 1


@presets
def test_a_student_is_cheaper_than_its_teacher_and_a_teacher_refines_in_fewer_steps_than_it_draws(preset):
    cost = {role: role.steps * (1 if role.cfg == 1 else 2) for role in (preset.student, preset.teacher)}
    assert cost[preset.student] < cost[preset.teacher]
    assert preset.teacher.alone is None or preset.teacher.steps <= preset.teacher.alone


@presets
def test_every_row_names_its_source(preset):
    assert preset.source.startswith(("https://", "ComfyUI template ", "docs/"))


def test_no_two_rows_are_the_same():
    assert len({astuple(preset) for preset in PRESETS.values()}) == len(PRESETS)


def test_flow_models_go_back_to_the_noise_that_the_methods_own_values_are_on_sdxl():
    alphabar = numpy.cumprod(1 - numpy.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    variance = {fraction: 1 - alphabar[round(999 * fraction)] for fraction in (0.5, 0.7, 0.8)}
    for preset in PRESETS.values():
        if preset.scale == "variance":
            assert preset.low == pytest.approx(variance[0.5], abs=0.01)
            assert preset.rollback == pytest.approx(variance[0.7], abs=0.02)
            assert preset.high == pytest.approx(variance[0.8], abs=0.01)
