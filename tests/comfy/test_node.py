"""What every node of the pack has from its base: one sentence for anything that is wrong, whatever way it came in."""

import comfy.model_management
import pytest
import torch
from graphs import adaptive_graph, changed, node

from .conftest import nodes
from .test_best_of_n import searching
from .tools import module


def ours():
    return [found for name, found in nodes().items() if name.startswith("Adaptive")]


@pytest.fixture
def failing(monkeypatch, comfy_app):
    """The error with which a graph ends when the demo models' node fails with another one inside."""

    def fail(error: BaseException):
        def broken(*_arguments, **_options):
            raise error

        monkeypatch.setattr("comfy.model_base.BaseModel.apply_model", broken)
        run = comfy_app.run(adaptive_graph(k=100))
        types = [data["exception_type"] for event, data in comfy_app.server.events if event == "execution_error"]
        ended = {event for event, _ in comfy_app.server.events}
        return run.error, types, ended

    return fail


def linked(graph, target: str, name: str, app, value):
    """The graph with `value` coming to an input of `target` through a link."""
    app.give["linked"] = value
    return changed(graph, target, **{name: ["linked", 0]}) | {"linked": node("TestGive", name="linked")}


def test_a_node_that_takes_lists_refuses_a_list_where_it_takes_one_value():
    taking = [(found, each.id) for found in ours() if found.LISTS for each in found.define_schema().inputs]
    for found, name in taking:
        for values in ([1, 2], []) if name not in found.LISTS else ():
            with pytest.raises(ValueError) as caught:
                found.execute(**{name: values})
            sentence = f"{found.TITLE}: {name} takes one value, but {len(values)} came; link one"
            assert str(caught.value) == sentence


def test_a_list_of_sizes_is_refused_in_the_graph(comfy_app):
    graph = adaptive_graph() | {"numbers": node("TestNumbers", text="64 32")}
    error = comfy_app.fails(changed(graph, "merge", width=["numbers", 1], size="width x height"))
    assert error == "Adaptive Merge: width takes one value, but 2 came; link one"


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (KeyError("context_length"), "KeyError: 'context_length'"),
        (IndexError("index 4 is out of bounds"), "IndexError: index 4 is out of bounds"),
        (RuntimeError("no letter:\n\ud800\x1b"), r"RuntimeError: no letter:\n\ud800\x1b"),
    ],
)
def test_any_exception_is_told_with_the_nodes_name(inner, told, failing, monkeypatch, comfy_app):
    error, types, _ = failing(inner)
    assert error.startswith(f"Student Sample: sampling failed ({told}); link conditioning of the model's own")
    assert types == ["ValueError"]
    monkeypatch.undo()
    monkeypatch.setattr(module("nodes.quality_score"), "first_look", lambda *_: (_ for _ in ()).throw(inner))
    assert comfy_app.fails(adaptive_graph()) == f"Quality Score: {told}"


def test_a_sentence_of_ours_stays_as_it_is_at_sampling(comfy_app, monkeypatch):
    sampling = module("host.sampling.samplers")

    def refuse(*_arguments, **_options):
        exec("raise ValueError('steps is 51; choose less')", vars(sampling))

    monkeypatch.setattr("comfy.model_base.BaseModel.apply_model", refuse)
    assert comfy_app.fails(adaptive_graph()) == "Student Sample: steps is 51; choose less"


def test_memory_that_ran_out_and_an_interruption_stay_what_comfyui_knows(failing):
    error, types, _ = failing(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert error.startswith("CUDA out of memory") and types[0].endswith("OutOfMemoryError")
    error, _, ended = failing(comfy.model_management.InterruptProcessingException())
    assert error is None and "execution_interrupted" in ended


@pytest.mark.parametrize(
    ("target", "name", "good", "bad"),
    [
        ("gate", "table", "Demo", "no such table"),
        ("gate", "table", "this run", "Demo "),
        ("estimator", "estimator", "demo", "demo2"),
        ("student", "sampler_name", "lcm", "lcm2"),
        ("student", "scheduler", "lcm", "lcm2"),
        ("teacher", "rollback_scale", "variance", "Variance"),
        ("merge", "size", "student", "teacher"),
        ("teacher_models", "role", "teacher", "tutor"),
    ],
)
def test_a_linked_choice_works_and_is_checked_when_the_node_runs(target, name, good, bad, comfy_app):
    graph = adaptive_graph(k=60)
    assert comfy_app.run(linked(graph, target, name, comfy_app, good)).error is None
    error = comfy_app.fails(linked(graph, target, name, comfy_app, bad))
    assert f": there is no {'table or gate' if name == 'table' else name} '{bad}'; choose one of " in error
    assert error.startswith(f"{nodes()[graph[target]['class_type']].TITLE}: ")


def test_a_table_linked_to_best_of_n_works_and_is_checked_when_it_runs(comfy_app):
    graph = searching(k=0, limit=1)
    assert comfy_app.run(linked(graph, "best", "table", comfy_app, "Demo")).error is None
    error = comfy_app.fails(linked(graph, "best", "table", comfy_app, "this run"))
    assert error.startswith("Best of N: 'this run' has no scores before anything is drawn")


@pytest.mark.parametrize(("target", "name", "bad"), [("teacher", "steps", 0), ("student", "denoise", 1.5)])
def test_a_linked_number_is_held_to_the_bounds_of_its_input(target, name, bad, comfy_app):
    error = comfy_app.fails(linked(adaptive_graph(k=100), target, name, comfy_app, bad))
    assert f": {name} is {bad}; choose from " in error


def test_nothing_runs_again_because_a_table_is_linked(comfy_app, monkeypatch):
    monkeypatch.setattr(nodes()["TestGive"], "IS_CHANGED", classmethod(lambda cls, name: name))
    graph = linked(adaptive_graph(), "gate", "table", comfy_app, "Demo")
    assert "gate" in comfy_app.run(graph).executed
    assert "gate" not in comfy_app.run(graph).executed


def test_all_share_category_and_the_words_by_which_they_are_searched():
    for found in ours():
        schema = found.define_schema()
        assert schema.category == "adaptive diffusion" and {"adaptive", "quality gate"} < set(schema.search_aliases)
        assert schema.is_input_list == bool(found.LISTS)
