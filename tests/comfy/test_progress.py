"""Progress, previews and interruption work as in KSampler."""

import comfy.model_management
import comfy.utils
import latent_preview
import pytest
from graphs import adaptive_graph, changed


@pytest.fixture
def progress():
    seen: list[tuple[int, int]] = []
    comfy.utils.set_progress_bar_global_hook(lambda value, total, preview, **_: seen.append((value, total)))
    yield seen
    comfy.utils.set_progress_bar_global_hook(None)


def test_the_bar_counts_all_teacher_batches_as_one(comfy_app, progress):
    comfy_app.run(adaptive_graph(k=0))
    progress.clear()
    run = comfy_app.run(changed(adaptive_graph(k=100, steps=4), "teacher", max_batch=3))
    assert run.error is None
    assert progress[-1] == (8, 8)
    assert [value for value, _ in progress] == sorted(value for value, _ in progress)


def test_previews_see_every_step(comfy_app, monkeypatch):
    steps: list[int] = []
    original = latent_preview.prepare_callback

    def watched(model, total, *arguments):
        show = original(model, total, *arguments)
        return lambda step, x0, x, n: (steps.append(step), show(step, x0, x, n))

    monkeypatch.setattr(latent_preview, "prepare_callback", watched)
    comfy_app.run(adaptive_graph(k=100, steps=3))
    assert steps == [0, 1, 0, 1, 2]


def test_interrupting_stops_the_teacher(comfy_app, monkeypatch, evaluations):
    original = latent_preview.prepare_callback

    def interrupting(model, total, *arguments):
        show = original(model, total, *arguments)

        def callback(step, x0, x, n):
            if total == 50 and step == 1:
                comfy.model_management.interrupt_current_processing()
            show(step, x0, x, n)

        return callback

    monkeypatch.setattr(latent_preview, "prepare_callback", interrupting)
    run = comfy_app.run(adaptive_graph(k=100, steps=50))
    assert "save" not in run.executed
    assert 2 <= len(evaluations["teacher"]) < 10
