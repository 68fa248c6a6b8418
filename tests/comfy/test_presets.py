"""The Preset node gives the sampling nodes values that they take."""

from dataclasses import replace

import pytest
from graphs import adaptive_graph, changed, keep, node
from presets_in_graphs import unlike

from .conftest import nodes
from .tools import module

STUDENT = {"steps": 0, "cfg": 1, "sampler_name": 2, "scheduler": 3}
TEACHER = {"steps": 5, "cfg": 6, "sampler_name": 7, "scheduler": 8, "rollback": 9, "rollback_scale": 10}


def presets():
    return module("adaptive_diffusion.presets").PRESETS


def linked(name: str):
    """The demo graph with every setting from a Preset node."""
    graph = {**adaptive_graph(), "preset": node("AdaptivePreset", preset=name)}
    graph = changed(graph, "student", **{key: ["preset", slot] for key, slot in STUDENT.items()})
    graph = changed(graph, "empty", width=["preset", 4], height=["preset", 4])
    return changed(graph, "teacher", **{key: ["preset", slot] for key, slot in TEACHER.items()})


def test_the_demo_preset_runs_as_its_values_written_out_do(comfy_app, evaluations):
    run = comfy_app.run(keep(linked("Demo"), latent=["student", 0], info=["student", 1], refined=["teacher", 0]))
    assert run.error is None
    demo, info = presets()["Demo"], run.kept["info"][0]
    assert (info.steps, info.sampler, info.scheduler, info.width) == (1, "lcm", "lcm", 64)
    graph = changed(adaptive_graph(), "student", steps=1)
    graph = changed(graph, "teacher", steps=demo.teacher.steps, cfg=demo.teacher.cfg)
    written = comfy_app.run(keep(graph, refined=["teacher", 0])).kept["refined"][0]["samples"]
    assert (run.kept["refined"][0]["samples"] - written).abs().max() == 0
    assert run.texts["preset"].endswith("rollback: 0.4 to 0.9\ndocs/results.md")


def options(node_id: str, name: str) -> list[str]:
    return next(each.options for each in nodes()[node_id].GET_SCHEMA().inputs if each.id == name)


def test_every_preset_names_samplers_and_schedules_that_its_nodes_have():
    for preset in presets().values():
        for node_id, role in (("AdaptiveStudentSample", preset.student), ("AdaptiveTeacherRefine", preset.teacher)):
            assert role.sampler in options(node_id, "sampler_name"), preset
            assert role.scheduler in options(node_id, "scheduler"), preset
        assert preset.scale in options("AdaptiveTeacherRefine", "rollback_scale")


def test_the_nodes_own_defaults_are_those_of_the_methods_first_pair():
    first = presets()["LCM-SDXL + SDXL"]
    for node_id, role in (("AdaptiveStudentSample", first.student), ("AdaptiveTeacherRefine", first.teacher)):
        defaults = {each.id: getattr(each, "default", None) for each in nodes()[node_id].GET_SCHEMA().inputs}
        own = tuple(defaults[name] for name in ("steps", "cfg", "sampler_name", "scheduler"))
        assert own == (role.steps, role.cfg, role.sampler, role.scheduler)
    assert defaults["rollback"] == first.rollback


def written(preset):
    """A graph with the preset's values."""
    student, teacher = (
        {"steps": role.steps, "cfg": role.cfg, "sampler_name": role.sampler, "scheduler": role.scheduler}
        for role in (preset.student, preset.teacher)
    )
    graph = changed(adaptive_graph(), "student", **student)
    graph = changed(graph, "empty", width=preset.size, height=preset.size)
    graph["shift"] = node("ModelSamplingAuraFlow", model=["student_models", 0], shift=preset.student.shift)
    return changed(graph, "teacher", **teacher, rollback=preset.rollback, rollback_scale=preset.scale)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("student", {"steps": 5}),
        ("teacher", {"rollback": 0.1}),
        ("teacher", {"scheduler": "karras"}),
        ("empty", {"width": 8}),
        ("shift", {"shift": 1.0}),
    ],
)
def test_a_graph_that_differs_from_a_preset_is_told_apart(name, wrong):
    preset = presets()["Z-Image-Turbo + Z-Image"]
    graph = written(preset)
    assert unlike(graph, preset) == []
    (key, value), *_ = wrong.items()
    (told,) = unlike(changed(graph, name, **wrong), preset)
    assert told.startswith(f"{graph[name]['class_type']} {name}: {key} is {value!r}, not ")
    assert unlike(graph, replace(preset, size=8)) != []


def test_sigmas_from_a_link_take_the_place_of_steps_and_scheduler():
    preset = presets()["FLUX.2 klein + base"]
    graph = changed(written(preset), "student", sigmas=["sigmas", 0], scheduler="karras", steps=9)
    assert unlike({name: each for name, each in graph.items() if name != "shift"}, preset) == []


@pytest.fixture
def own(monkeypatch, tmp_path):
    """A preset of the user's own, called `mine`."""
    monkeypatch.setattr(module("host.files.presets"), "user_tables", lambda: tmp_path / "percentiles")
    demo = presets()["Demo"]
    preset = replace(demo, student=replace(demo.student, steps=2), source="found here")
    module("adaptive_diffusion.preset_files").save_preset(tmp_path / "presets" / "mine.json", preset)
    return tmp_path / "presets" / "mine.json"


def test_a_preset_of_the_users_own_is_offered_and_runs(comfy_app, own):
    assert options("AdaptivePreset", "preset") == [*presets(), "mine"]
    run = comfy_app.run(keep(linked("mine"), info=["student", 1]))
    assert run.error is None and run.kept["info"][0].steps == 2
    assert run.texts["preset"].endswith("found here")


def test_a_changed_preset_is_read_again(comfy_app, own):
    assert comfy_app.run(keep(linked("mine"), info=["student", 1])).kept["info"][0].steps == 2
    own.write_text(own.read_text().replace('"steps": 2', '"steps": 3'))
    assert comfy_app.run(keep(linked("mine"), info=["student", 1])).kept["info"][0].steps == 3


def test_a_damaged_preset_is_not_offered_and_says_so_where_it_is_asked_for(comfy_app, own):
    own.write_text("{")
    assert options("AdaptivePreset", "preset") == [*presets()]
    with pytest.raises(ValueError, match="Preset: preset 'mine' is damaged; make it again"):
        comfy_app.run(linked("mine"))


def test_a_preset_of_the_packs_own_name_is_the_packs(own):
    own.rename(own.with_name("Demo.json"))
    assert module("host.files.presets").presets() == presets()
    assert module("host.files.presets").preset_named("Demo") == presets()["Demo"]


def test_a_preset_that_is_not_there_is_one_sentence(comfy_app, own):
    with pytest.raises(ValueError, match="Preset: there is no preset 'other'; choose one of LCM-SDXL"):
        comfy_app.run(linked("other"))
