"""What makes a student the same student: tables, Calibrate and running tables go by it."""

import comfy.model_sampling
import pytest
import torch
from graphs import calibration_graph, changed, demo_prompts, node

from .conftest import nodes
from .test_sub_batches import conditioning, latent
from .tools import module, tiny_model

WEIGHT = "diffusion_model.input_blocks.0.0.weight"
LARGER = torch.full((32, 4, 3, 3), 0.1)


def student(model, **options):
    """Who Student Sample says has drawn."""
    given = {"cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0, "seed": 1, "steps": 2}
    links = {"positive": conditioning(1, 1), "latent_image": latent()}
    return nodes()["AdaptiveStudentSample"].execute(model=model, **{**links, **given, **options}).args[1]


def lora(strength: float, change: torch.Tensor = LARGER):
    model = tiny_model("EPS")
    model.add_patches({WEIGHT: (change,)}, strength)
    return model


def shifted(shift: float):
    model = tiny_model("FLOW").clone()
    sampling = type("Sampling", (comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST), {})()
    sampling.set_parameters(shift)
    model.add_object_patch("model_sampling", sampling)
    return model


def rescaled(multiplier: float):
    return nodes()["RescaleCFG"]().patch(tiny_model("EPS"), multiplier)[0]


STUDENTS = {
    "strength": (lambda: student(lora(1.0)), lambda: student(lora(0.5))),
    "LoRA": (lambda: student(lora(1.0)), lambda: student(lora(1.0, -LARGER))),
    "none": (lambda: student(lora(1.0)), lambda: student(tiny_model("EPS"))),
    "shift": (lambda: student(shifted(3.0)), lambda: student(shifted(5.0))),
    "RescaleCFG": (lambda: student(rescaled(0.7)), lambda: student(rescaled(0.5))),
    "negative": (
        lambda: student(tiny_model("EPS"), cfg=2.0, negative=conditioning(2, 1)),
        lambda: student(tiny_model("EPS"), cfg=2.0, negative=conditioning(3, 1)),
    ),
    "negative of a sampler that takes it at cfg 1": (
        lambda: student(tiny_model("EPS"), sampler_name="euler_cfg_pp", negative=conditioning(2, 1)),
        lambda: student(tiny_model("EPS"), sampler_name="euler_cfg_pp", negative=conditioning(3, 1)),
    ),
}


@pytest.mark.parametrize("case", STUDENTS)
def test_two_students_are_two_and_one_is_one(case):
    one, other = STUDENTS[case]
    assert one().differences(other())
    assert one().differences(one()) == [] and other().differences(other()) == []


def test_what_cannot_matter_makes_no_other_student():
    plain = student(tiny_model("EPS"))
    assert plain.differences(student(tiny_model("EPS"), negative=conditioning(3, 1), seed=9)) == []
    assert plain.seed == 1 and "seed" not in plain.settings


def test_steps_are_those_asked_for_and_those_that_ran_are_counted():
    drawn = student(tiny_model("EPS"), scheduler="ddim_uniform", steps=7)
    assert drawn.steps == 7 and {spent.steps for spent in drawn.spent} == {8}
    assert {spent.evaluations for spent in drawn.spent} == {8}


def test_calibrate_refuses_a_model_that_is_not_the_students(comfy_app):
    """Settings from Student Sample on model and LoRA, the bare checkpoint linked to Calibrate."""
    graph = calibration_graph("bare", demo_prompts(4))
    patched = module("host.demo").load_model("student").clone()
    patched.add_patches({"diffusion_model.time_embed.0.bias": (torch.full((256,), 0.01),)}, 0.8)
    comfy_app.give["patched"] = patched
    graph["patched"] = node("TestGive", name="patched")
    graph = changed(graph, "student", model=["patched", 0])
    error = comfy_app.fails(graph)
    assert error.startswith("Calibrate: the settings are of the student student with 1 weights patched (")
    assert error.endswith("), but the model is student; link one student")
    both = comfy_app.run(changed(graph, "calibrate", model=["patched", 0], name="both"))
    assert both.error is None


def test_the_gate_warns_of_the_same_lora_at_another_strength():
    percentiles, gate = module("adaptive_diffusion.gate.percentiles"), module("host.gate")
    table = percentiles.PercentileTable.from_scores("mine", [0.0, 1.0], {}, student(lora(1.0)))
    assert gate.warnings_of(table, [student(lora(1.0))]) == []
    [warning] = gate.warnings_of(table, [student(lora(0.5))])
    assert "patch_digest" in warning


def test_a_table_of_before_knows_no_digests_and_warns_of_none():
    gate, percentiles = module("host.gate"), module("adaptive_diffusion.gate.percentiles")
    known = student(lora(1.0)).settings_known_at_first
    content = {"format": percentiles.FORMAT, "version": 1, "percentiles": {"50": 0.5}, "student": known}
    table = percentiles.PercentileTable.parse(content, "old")
    assert gate.warnings_of(table, [student(lora(1.0))]) == []
    assert "steps 3 instead of 2" in gate.warnings_of(table, [student(lora(1.0), steps=3)])[0]
