"""What holding is for: where memory has room for one model, a hundred prompts cost one load of the teacher."""

from collections import Counter

import pytest
from graphs import adaptive_graph, changed, demo_prompts, holding_graph, keep, taking_graph

from .test_held import improved, output, waiting  # noqa: F401  output is a fixture

QUEUED, BEFORE = 100, 12


@pytest.fixture
def loads(evaluations, monkeypatch) -> Counter:
    """How often each UNet came into a memory that holds one model at a time: UNet, text encoder or decoder."""
    import comfy.model_management as management

    resident: list[int] = []
    counted: Counter[str] = Counter()
    load = management.load_models_gpu

    def one_at_a_time(models, *arguments, **options):
        for model in models:
            if id(model.model) not in resident:
                resident[:] = [id(model.model)]
                counted[getattr(model.model, "role", "another")] += 1
        return load(models, *arguments, **options)

    monkeypatch.setattr(management, "load_models_gpu", one_at_a_time)
    return counted


def quick(graph, prompt: int):
    """The graph of one prompt and one image, judged by a table."""
    graph = changed(graph, "gate", table="Demo", k=50.0, student=["student", 1])
    return changed(changed(graph, "student", steps=1, seed=prompt), "empty", batch_size=1)


def test_a_hundred_prompts_that_are_held_cost_one_load_of_the_teacher(comfy_app, output, loads):  # noqa: F811
    prompts = demo_prompts(QUEUED)
    for number, prompt in enumerate(prompts):
        graph = quick(holding_graph([prompt], number), number)
        assert comfy_app.run({name: each for name, each in graph.items() if name != "save"}).error is None
    held = len(waiting(output / "held" / "held"))
    assert loads["teacher"] == 0 and held > QUEUED / 4
    assert comfy_app.run(taking_graph(most=QUEUED, steps=2)).texts["take"] == f"{held} images taken, 0 more wait"
    assert loads["teacher"] == 1
    assert len(improved(output / "held" / "held")) == held


def test_without_holding_each_prompt_with_rejects_costs_one(comfy_app, loads):
    rejecting = 0
    for number, prompt in enumerate(demo_prompts(BEFORE)):
        run = comfy_app.run(keep(quick(adaptive_graph(prompt, steps=2), number), decision=["gate", 0]))
        rejecting += run.kept["decision"][0].any_rejected
    assert loads["teacher"] == rejecting > 0
