"""What makes a student the same student: tables, Calibrate and running tables go by it."""

import functools
import time

import comfy.model_sampling
import numpy
import pytest
import torch
from comfy.weight_adapter import LoRAAdapter
from graphs import calibration_graph, changed, demo_prompts, keep, node

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


def node_patched(name: str, model=None, **options):
    """A model behind a node of ComfyUI's."""
    node = nodes()[name]
    made = getattr(node(), node.FUNCTION)(model=model or tiny_model("EPS"), **options)
    return made[0] if isinstance(made, tuple) else made.args[0]


def merged(other):
    return nodes()["ModelMergeSimple"]().merge(tiny_model("EPS"), other, ratio=0.5)[0]


def scaled(q, k, v, options, by=1.0):
    return q, k * by, v


class Scaling:
    """Keeps its strength as objects of other packs do."""

    def __init__(self, by: float):
        self.by = by

    def __call__(self, *given):
        return scaled(*given, by=self.by)

    def method(self, *given):
        return self(*given)


class Slotted:
    __slots__ = ("by",)

    def __init__(self, by: float):
        self.by = by

    def __call__(self, *given):
        return scaled(*given, by=self.by)


class Network(torch.nn.Module):
    def __init__(self, by: float, weight: float = 1.0):
        super().__init__()
        self.by, self.weight = by, torch.nn.Parameter(torch.tensor([weight]))

    def forward(self, *given):
        return scaled(*given, by=self.by * self.weight)


def by_default(by):
    def patch(q, k, v, options, by=by):
        return scaled(q, k, v, options, by)

    return patch


def by_keyword(by):
    def patch(*given, by=by):
        return scaled(*given, by=by)

    return patch


def closing(by, kind=lambda by: by):
    by = kind(by)

    def inner(*given):
        return scaled(*given, by=by)

    def patch(*given):
        return inner(*given)

    return patch


PATCHES = {
    "a partial": lambda by: functools.partial(scaled, by=by),
    "an object": Scaling,
    "a method": lambda by: Scaling(by).method,
    "slots": Slotted,
    "a default": by_default,
    "a keyword's default": by_keyword,
    "a function inside": closing,
    "a number of numpy": lambda by: closing(by, numpy.float32),
    "an array of numpy": lambda by: closing(by, lambda by: numpy.array([by], numpy.float32)),
    "a type": lambda by: closing(by, lambda by: torch.float16 if by == 1 else torch.bfloat16),
    "a network's setting": Network,
    "a network's weight": lambda by: Network(1.0, by),
}


def attending(patch):
    model = tiny_model("EPS").clone()
    model.set_model_attn2_patch(patch)
    return model


def sampled_as(kind: str):
    return node_patched("ModelSamplingDiscrete", sampling=kind, zsnr=False)


def of_edm(kind: str):
    return node_patched("ModelSamplingContinuousEDM", sampling=kind, sigma_max=120.0, sigma_min=0.002)


MODELS = {
    "eps and v": (lambda: sampled_as("eps"), lambda: sampled_as("v_prediction")),
    "eps and x0": (lambda: sampled_as("eps"), lambda: sampled_as("x0")),
    "EDM's eps and v": (lambda: of_edm("eps"), lambda: of_edm("v_prediction")),
    "two multipliers of time": (
        lambda: node_patched("ModelSamplingSD3", tiny_model("FLOW"), shift=3.0),
        lambda: node_patched("ModelSamplingAuraFlow", tiny_model("FLOW"), shift=3.0),
    ),
    "a merged LoRA": (lambda: merged(lora(1.0)), lambda: merged(lora(1.0, -LARGER))),
    "a LoRA in a merge of a merge": (lambda: merged(merged(lora(1.0))), lambda: merged(merged(lora(0.5)))),
    "FreeU": (
        lambda: node_patched("FreeU_V2", b1=1.3, b2=1.4, s1=0.9, s2=0.2),
        lambda: node_patched("FreeU_V2", b1=1.3, b2=1.4, s1=0.9, s2=0.3),
    ),
    **{
        name: (lambda make=make: attending(make(1.0)), lambda make=make: attending(make(2.0)))
        for name, make in PATCHES.items()
    },
}


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
    "the guidance that Flux takes": (
        lambda: student(tiny_model("EPS"), positive=conditioning(1, 1, guidance=1.0)),
        lambda: student(tiny_model("EPS"), positive=conditioning(1, 1, guidance=3.5)),
    ),
    "the size that SDXL takes": (
        lambda: student(tiny_model("EPS")),
        lambda: student(tiny_model("EPS"), positive=conditioning(1, 1, width=1024, height=512)),
    ),
    "a mask": (
        lambda: student(tiny_model("EPS")),
        lambda: student(tiny_model("EPS"), positive=conditioning(1, 1, mask=torch.ones(1, 72, 56), mask_strength=1.0)),
    ),
    "two prompts at once": (
        lambda: student(tiny_model("EPS")),
        lambda: student(tiny_model("EPS"), positive=conditioning(1, 1) + conditioning(2, 1)),
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


@pytest.mark.parametrize("case", MODELS)
def test_two_ways_to_patch_are_two_students_in_any_order_of_building(case):
    one, other = (module("host.sampling.identity").patch_digest(make()) for make in MODELS[case])
    assert one != other
    assert one == module("host.sampling.identity").patch_digest(MODELS[case][0]())


def test_what_leads_back_to_itself_or_to_very_much_is_told_in_time():
    def attached(by: float):
        holder = Scaling(by)
        holder.back, holder.method_of_its_own = holder, holder.method
        holder.much = [Scaling(number) for number in range(100_000)]
        return attending(holder)

    begun = time.perf_counter()
    one, same, other = (module("host.sampling.identity").patch_digest(attached(by)) for by in (1.0, 1.0, 2.0))
    assert one == same != other
    assert time.perf_counter() - begun < 60


def test_a_lora_is_the_same_in_every_process():
    """Sets of names come in another order in each; numbers that collide, in the order in which they were put in."""
    digests = set()
    for keys in ({0, 8}, {8, 0}):
        model = tiny_model("EPS")
        factors = (torch.full((32, 2), 0.1), torch.full((2, 36), 0.1), 2.0, None, None, None)
        model.add_patches({WEIGHT: LoRAAdapter(keys, factors)}, 0.8)
        digests.add(module("host.sampling.identity").patch_digest(model))
    assert list({0, 8}) != list({8, 0}) and len(digests) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
        ("APG", {"eta": 1.0, "norm_threshold": 5.0, "momentum": -0.5}),
    ],
)
def test_what_a_patch_keeps_from_its_last_drawing_makes_no_other_student(name, options):
    model = node_patched(name, **options)
    given = {"cfg": 2.0, "negative": conditioning(2, 1), "latent_image": {"samples": torch.zeros(1, 4, 8, 8)}}
    again = [student(each, **given).patch_digest for each in (model, model, node_patched(name, **options))]
    assert len({*again}) == 1


def test_what_cannot_matter_makes_no_other_student():
    plain = student(tiny_model("EPS"))
    assert plain.differences(student(tiny_model("EPS"), negative=conditioning(3, 1), seed=9)) == []
    assert plain.seed == 1 and "seed" not in plain.settings


def test_a_prompt_and_what_its_text_encoder_tells_makes_no_other_student():
    texts = [conditioning(number, 1, pooled_output=torch.ones(1, 8), attention_mask=None) for number in (1, 2)]
    texts += [
        conditioning(3, 1, pooled_output=None, attention_mask=torch.ones(1, 5), conditioning_llama3=torch.ones(1))
    ]
    one, *others = (student(tiny_model("EPS"), positive=text) for text in texts)
    assert [one.differences(other) for other in others] == [[], []]
    assert one.conditioning == "none"


def test_a_controlnet_makes_another_student():
    prompting = module("host.sampling.identity").prompting
    assert prompting(conditioning(1, 1, control=object())) not in (prompting(conditioning(1, 1)), "none")


def test_calibrate_repeats_the_guidance_that_came_with_the_prompt(comfy_app, monkeypatch):
    calibration, given = module("host.sampling.calibration"), []
    draw_all = calibration.draw_all

    def kept(drawings, *rest):
        given.extend(options["guidance"] for drawing in drawings for _, options in drawing.positive)
        return draw_all(drawings, *rest)

    monkeypatch.setattr(calibration, "draw_all", kept)
    graph = calibration_graph("guided", demo_prompts(3))
    graph["guidance"] = node("FluxGuidance", conditioning=["text", 0], guidance=2.5)
    run = comfy_app.run(keep(changed(graph, "student", positive=["guidance", 0]), table=["calibrate", 0]))
    assert run.error is None
    assert given == [2.5] * 3
    assert run.kept["table"][0].student["guidance"] == 2.5


def test_calibrate_refuses_a_prompt_that_comes_with_more_than_its_text(comfy_app):
    graph = calibration_graph("areas", demo_prompts(3))
    graph["area"] = node("ConditioningSetArea", conditioning=["text", 0], width=64, height=64, x=0, y=0, strength=1.0)
    assert comfy_app.fails(changed(graph, "student", positive=["area", 0])) == (
        "Calibrate: the student's prompt comes with more than its text, such as a ControlNet, an area or a size, which "
        "is not repeated; calibrate with Table from Scores instead"
    )


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
