"""Steps as asked and steps as run: a teacher runs exactly so many; a student runs what KSampler runs, and says it."""

import comfy.samplers
import pytest
import torch
from graphs import Graph, keep, node

from .conftest import nodes
from .test_best_of_n import searching
from .test_counts import calls as calls
from .test_counts import teacher_graph
from .tools import module, tiny_model

STEPS = range(1, 31)
SAMPLERS = ("euler", "dpm_2")  # the latter is among those for which KSampler leaves out the last sigma but one
FAMILIES = ["EPS", "ZSNR", "FLOW"]


def assert_exact(sigmas: torch.Tensor, steps: int) -> None:
    assert len(sigmas) == steps + 1
    assert sigmas.isfinite().all() and (sigmas[1:] < sigmas[:-1]).all() and sigmas[-1] == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scheduler", ["uniform", "leading", *comfy.samplers.KSampler.SCHEDULERS])
def test_a_teacher_has_a_list_of_exactly_the_steps_asked(scheduler, family):
    if (scheduler, family) == ("leading", "FLOW"):
        pytest.skip("refused: it has timesteps of eps and v models only")
    schedules, model = module("host.sampling.schedules"), tiny_model(family)
    for sampler in SAMPLERS:
        for steps in STEPS:
            assert_exact(schedules.full_sigmas(model, scheduler, steps, sampler), steps)
            if scheduler != "leading":
                assert_exact(schedules.entered_sigmas(model, scheduler, steps, "schedule", 0.7, sampler), steps)


@pytest.mark.parametrize(("scheduler", "steps"), [("ddim_uniform", 12), ("kl_optimal", 1)])
def test_regenerating_runs_the_steps_asked_where_core_has_no_such_list(comfy_app, calls, scheduler, steps):
    graph = teacher_graph(
        comfy_app, tiny_model("EPS"), "AdaptiveTeacherRegenerate", steps=steps, scheduler=scheduler, cfg=1.0
    )
    run = comfy_app.run(graph)
    assert run.error is None
    assert len(calls) == steps
    assert run.kept["improved"][0]["samples"].isfinite().all()


def student_graph(comfy_app, model, **settings) -> Graph:
    """Student Sample and KSampler on the same inputs."""
    comfy_app.give["model"], comfy_app.give["text"] = model, [[torch.ones(1, 5, 32), {}]]
    how = {"seed": 1, "steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    graph = {name: node("TestGive", name=name) for name in ("model", "text")}
    graph["empty"] = node("EmptyLatentImage", width=64, height=64, batch_size=2)
    links = {"model": ["model", 0], "positive": ["text", 0], "latent_image": ["empty", 0]}
    graph["student"] = node("AdaptiveStudentSample", **links, **{**how, **settings})
    graph["core"] = node("KSampler", **links, negative=["text", 0], **{**how, **settings})
    return keep(graph, student=["student", 0], settings=["student", 1], core=["core", 0])


@pytest.mark.parametrize(("steps", "ran"), [(7, 8), (11, 12), (8, 8)])
def test_a_student_runs_what_ksampler_runs_and_says_where_that_is_not_what_was_asked(comfy_app, steps, ran):
    run = comfy_app.run(student_graph(comfy_app, tiny_model("EPS"), scheduler="ddim_uniform", steps=steps))
    assert torch.equal(run.kept["student"][0]["samples"], run.kept["core"][0]["samples"])
    [student] = run.kept["settings"]
    assert (student.steps, [spent.steps for spent in student.spent]) == (steps, [ran, ran])
    told = f"ran {ran} steps; scheduler ddim_uniform has no list of {steps}"
    assert run.texts.get("student") == (told if ran != steps else None)


def test_a_student_runs_linked_sigmas_as_they_are(comfy_app, calls):
    graph = student_graph(comfy_app, tiny_model("EPS"), sigmas=["sigmas", 0])
    comfy_app.give["sigmas"] = torch.tensor([14.0, 3.0, 1.0, 0.0])
    graph = {name: graph[name] for name in ("model", "text", "empty", "student", "keep_settings")}
    run = comfy_app.run({**graph, "sigmas": node("TestGive", name="sigmas")})
    assert run.error is None
    assert [sigma for _, sigma in calls] == pytest.approx([14.0, 3.0, 1.0], rel=1e-3)
    assert [spent.steps for spent in run.kept["settings"][0].spent] == [3, 3]
    assert "student" not in run.texts


def test_best_of_n_says_it_too(comfy_app):
    settings = {"scheduler": "ddim_uniform", "sampler_name": "euler", "steps": 7}
    run = comfy_app.run(searching(limit=1, **settings))
    first, *others = run.texts["best"].split("\n")
    assert first.startswith("3 candidates for 3 images")
    assert others[-1:] == ["ran 8 steps; scheduler ddim_uniform has no list of 7"]
    assert "has no list" not in comfy_app.run(searching(limit=1)).texts["best"]


DISTILLED = {"lcm": [14.6146, 4.2606, 1.6129, 0.7194], "trailing": [14.6146, 4.0817, 1.6129, 0.6932]}


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("scheduler", DISTILLED)
def test_a_model_whose_table_holds_50_timesteps_runs_the_sigmas_of_the_whole_table(
    comfy_app, calls, scheduler, zero_snr
):
    """Between the 50, core interpolates; zero terminal signal makes another table of them."""
    model = nodes()["ModelSamplingDiscrete"]().patch(tiny_model("EPS"), "lcm", zero_snr)[0]
    graph = student_graph(comfy_app, model, scheduler=scheduler, sampler_name="lcm")
    run = comfy_app.run({name: graph[name] for name in ("model", "text", "empty", "student", "keep_student")})
    assert run.error is None
    assert run.kept["student"][0]["samples"].isfinite().all()
    assert len(calls) == 4
    if not zero_snr:
        within = {"lcm": 5e-5, "trailing": 5e-4}[scheduler]
        assert [sigma for _, sigma in calls] == pytest.approx(DISTILLED[scheduler], rel=within)


def cascade():
    return nodes()["ModelSamplingStableCascade"]().patch(tiny_model("EPS"), shift=2.0)[0]


@pytest.mark.parametrize("scheduler", ["lcm", "trailing", "leading"])
def test_a_model_whose_time_runs_from_0_to_1_has_the_sigmas_of_those_fractions(scheduler):
    schedules, model = module("host.sampling.schedules"), cascade()
    own = schedules.full_sigmas if scheduler == "leading" else schedules.student_sigmas
    sigmas = own(model, scheduler, 4, "euler")
    assert_exact(sigmas, 4)
    timesteps = getattr(module("adaptive_diffusion.diffusion.schedules"), f"{scheduler}_timesteps")(4)
    sigma_at = model.get_model_object("model_sampling").sigma
    expected = [sigma_at(torch.tensor((t + 1) / 1000)).item() for t in timesteps]
    assert sigmas[:-1].tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("steps", "denoise"), [(30, 0.3), (150, 1.0)])
def test_a_model_with_fewer_noise_levels_than_steps_is_one_sentence(comfy_app, steps, denoise):
    model = nodes()["ModelSamplingDiscrete"]().patch(tiny_model("EPS"), "lcm", False)[0]
    graph = student_graph(comfy_app, model, scheduler="trailing", sampler_name="dpmpp_2m", steps=steps, denoise=denoise)
    assert comfy_app.fails({name: graph[name] for name in ("model", "text", "empty", "student", "keep_student")}) == (
        f"Student Sample: the model has fewer noise levels than the {steps} steps of scheduler 'trailing'; "
        "choose fewer steps or another scheduler"
    )


@pytest.mark.parametrize(
    ("make", "scheduler"),
    [
        (lambda: nodes()["ModelSamplingDiscrete"]().patch(tiny_model("EPS"), "lcm", False)[0], "simple"),
        (cascade, "simple"),
        (cascade, "beta"),
    ],
)
def test_a_teacher_has_no_sigma_twice(make, scheduler):
    assert_exact(module("host.sampling.schedules").full_sigmas(make(), scheduler, 150, "euler"), 150)


@pytest.mark.parametrize("denoise", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("scheduler", ["lcm", "trailing"])
def test_a_student_below_denoise_1_runs_the_exact_timesteps_of_that_strength(scheduler, denoise):
    schedules, model = module("host.sampling.schedules"), tiny_model("EPS")
    timesteps = getattr(module("adaptive_diffusion.diffusion.schedules"), f"{scheduler}_timesteps")(4, denoise)
    sigmas = schedules.student_sigmas(model, scheduler, 4, "lcm", denoise)
    table = model.get_model_object("model_sampling").sigmas
    assert sigmas.tolist() == [*table[timesteps].tolist(), 0.0]
