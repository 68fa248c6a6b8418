"""Every example workflow and blueprint that comes with the pack, as ComfyUI reads it today.

After a change of nodes: python tests/workflows/make.py
"""

import asyncio
import json
from typing import Any

import folder_paths
import pytest
from presets_in_graphs import unlike
from workflows import BLUEPRINTS, WORKFLOWS
from workflows.numbered import ids, notes, numbered, places
from workflows.saved import FROM_OUTSIDE, differences, named_values, nodes_of, queued, subgraph_of
from workflows.stand_ins import make_input, make_models, make_student

from .conftest import PACK, nodes
from .tools import module

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
EXAMPLES, SUBGRAPHS = PACK / "example_workflows", PACK / "subgraphs"
EVERY = [*WORKFLOWS, *BLUEPRINTS]
BOTH = {"AdaptiveTune", "AdaptiveCalibrateGate", "AdaptiveGateFromScores"}
AFTER = {"Adaptive teacher later": "Adaptive hold rejected"}
FEWEST = {"Adaptive tuning": 50, "Adaptive learned gate": 80, "Adaptive gate of any graph": 80}
named = pytest.mark.parametrize("made", EVERY, ids=lambda made: made.name)


def saved(made) -> dict[str, Any]:
    """The file's graph, or a blueprint's insides."""
    if made in WORKFLOWS:
        return json.loads((EXAMPLES / f"{made.name}.json").read_text())
    return subgraph_of(json.loads((SUBGRAPHS / f"{made.name}.json").read_text()))


@pytest.fixture(scope="module", autouse=True)
def stand_ins(booted):
    """Files with the names of the models the workflows link to, where ComfyUI looks, until the last test here."""
    files = {file for made in EVERY for file in made.models}
    make_models(booted / "models", files)
    make_input(booted / "input")
    own = make_student(booted)
    listings = folder_paths.folder_names_and_paths
    with pytest.MonkeyPatch.context() as patch:
        for folder in {file.directory for file in files}:
            paths, extensions = listings[folder]
            patch.setitem(listings, folder, ([*paths, str(booted / "models" / folder)], extensions))
        yield
    for file in own:
        file.unlink()
    folder_paths.filename_list_cache.clear()


def inputs_of(class_type: str) -> dict[str, list[Any]]:
    """Every input of a node by name, as its definition lists it: type, then options."""
    spec = nodes()[class_type].INPUT_TYPES()
    return {**spec["required"], **spec.get("optional", {})}


def widgets_of(class_type: str) -> dict[str, Any]:
    """The values a new node has, in the order of its widgets."""
    values: dict[str, Any] = {}
    for name, (kind, *rest) in inputs_of(class_type).items():
        options = rest[0] if rest else {}
        if (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput"):
            values[name] = _default(kind, options)
            if options.get("control_after_generate", name in ("seed", "noise_seed")):
                values["control_after_generate"] = "fixed"
            if options.get("image_upload"):
                values["upload"] = "image"
    return values


def _default(kind: Any, options: dict[str, Any]) -> Any:
    choices = kind if isinstance(kind, list) else options.get("options")
    nothing = {"STRING": "", "BOOLEAN": False}.get(kind if isinstance(kind, str) else "", 0)
    return options.get("default", choices[0] if choices else nothing)


def stated(made) -> dict[str, Any]:
    """The graph as it is written, its unstated inputs at their defaults, by the numbers of the file."""
    graph = numbered(made.graph, ids(made.groups))
    unqueued = ("control_after_generate", "upload")
    defaults = {
        number: {k: v for k, v in widgets_of(node["class_type"]).items() if k not in unqueued}
        for number, node in graph.items()
    }
    return {number: {**node, "inputs": {**defaults[number], **node["inputs"]}} for number, node in graph.items()}


@named
def test_a_file_holds_the_graph_it_is_made_of_with_the_defaults_of_today(made):
    inside = queued(saved(made))
    for node in inside.values():
        for name in [name for name, value in node["inputs"].items() if _from_outside(value)]:
            del node["inputs"][name]
    expected = stated(made)
    for inlet in getattr(made, "inlets", ()):
        for name, slot in inlet.feeds:
            expected[ids(made.groups)[name]]["inputs"].pop(slot, None)
    assert differences(inside, expected) == []


def _from_outside(value: Any) -> bool:
    return isinstance(value, list) and value[0] == FROM_OUTSIDE


@named
def test_a_file_lists_the_widgets_of_every_node_in_the_order_they_have_today(made):
    for node in nodes_of(saved(made)):
        assert [name for name, _ in named_values(node)] == list(widgets_of(node["type"])), node["type"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda made: made.name)
def test_comfyui_accepts_an_example_once_its_linked_models_are_there(workflow):
    valid, error, _, node_errors = asyncio.run(refused(queued(saved(workflow))))
    assert (valid, error, node_errors) == (True, None, {})


async def refused(graph: dict[str, Any]) -> tuple:
    import execution

    return await execution.validate_prompt("p", graph, None)


@pytest.mark.parametrize("workflow", [each for each in WORKFLOWS if each.preset], ids=lambda made: made.name)
def test_an_example_has_the_settings_of_its_preset(workflow):
    assert unlike(queued(saved(workflow)), module("adaptive_diffusion.presets").PRESETS[workflow.preset]) == []


@named
def test_every_file_a_workflow_names_has_a_download_link_in_its_node(made):
    linked = {node["type"]: node["properties"].get("models") for node in saved(made)["nodes"]}
    found = {file["name"] for node in saved(made)["nodes"] for file in node["properties"].get("models", [])}
    assert found == {file.name for file in made.models}, linked


@named
def test_links_run_from_left_to_right(made):
    order = places(made.groups)
    for name, node in made.graph.items():
        for value in node["inputs"].values():
            assert not isinstance(value, list) or order.index(value[0]) < order.index(name), (value, name)
    assert all(notes(ids(made.groups)).values())


@named
def test_while_nothing_is_rejected_nothing_of_the_teacher_runs(made):
    teacher = {name for group in made.groups if group.title.startswith("Teacher") for name in places([group])}
    teacher |= {name for name in made.graph if name.startswith("teacher")}
    tuned = bool(BOTH & {node["class_type"] for node in made.graph.values()})
    assert tuned == bool(eager(made) & teacher), "what tunes or calibrates a gate draws with both models"


def eager(made) -> set[str]:
    """What runs before any lazy input is asked for: all that output nodes, or a blueprint's outlets, need."""
    wanted = [name for name, node in made.graph.items() if getattr(nodes()[node["class_type"]], "OUTPUT_NODE", False)]
    wanted += [outlet.source[0] for outlet in getattr(made, "outlets", ())]
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        reached.add(name)
        wanted += [value[0] for value in _eager_links(made.graph[name]) if value[0] not in reached]
    return reached


def _eager_links(node: dict[str, Any]) -> list[list[Any]]:
    options = {name: (rest[0] if rest else {}) for name, (_, *rest) in inputs_of(node["class_type"]).items()}
    return [v for k, v in node["inputs"].items() if isinstance(v, list) and not options[k].get("lazy")]


def test_every_node_of_the_pack_is_shown_in_an_example():
    shown = {node["class_type"] for workflow in WORKFLOWS for node in workflow.graph.values()}
    assert {name for name in nodes() if name.startswith("Adaptive")} <= shown


def test_every_example_has_its_small_thumbnail():
    for workflow in WORKFLOWS:
        assert 0 < (EXAMPLES / f"{workflow.name}.jpg").stat().st_size < 100_000


def test_no_file_is_left_of_a_workflow_that_is_gone():
    assert {path.stem for path in EXAMPLES.iterdir()} == {workflow.name for workflow in WORKFLOWS}
    assert {path.stem for path in SUBGRAPHS.iterdir()} == {blueprint.name for blueprint in BLUEPRINTS}


@pytest.mark.parametrize("workflow", [w for w in WORKFLOWS if w.runs], ids=lambda made: made.name)
def test_an_example_on_the_demo_models_runs_to_its_end(workflow, comfy_app):
    for name in [each for each in (AFTER.get(workflow.name), workflow.name) if each]:
        graph = queued(saved(next(each for each in WORKFLOWS if each.name == name)))
        for node in graph.values():
            if "count" in node["inputs"]:
                node["inputs"]["count"] = FEWEST.get(name, 4)
        assert comfy_app.run(graph).error is None


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda made: made.name)
def test_a_blueprint_feeds_every_input_inside_that_it_promotes(blueprint):
    inside = queued(saved(blueprint))
    numbers = ids(blueprint.groups)
    for slot, inlet in enumerate(blueprint.inlets):
        for name, fed in inlet.feeds:
            assert inside[numbers[name]]["inputs"][fed] == [FROM_OUTSIDE, slot]


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda made: made.name)
def test_a_blueprint_is_one_node_whose_values_are_those_inside(blueprint):
    file = json.loads((SUBGRAPHS / f"{blueprint.name}.json").read_text())
    (host,) = file["nodes"]
    assert host["type"] == subgraph_of(file)["id"]
    assert file["extra"]["BlueprintDescription"] == blueprint.about
    inside = stated(blueprint)
    numbers = ids(blueprint.groups)
    for inlet in blueprint.inlets:
        name, fed = inlet.feeds[0]
        if fed in inside[numbers[name]]["inputs"]:
            assert host["widgets_values_named"][inlet.name] == inside[numbers[name]]["inputs"][fed]
