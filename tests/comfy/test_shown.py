"""What stands on a node goes to the client that queued it, and to no other."""

from graphs import adaptive_graph, calibration_graph, demo_prompts

OURS = ("text", "adaptive_diffusion.")


def receivers(app) -> list[str | None]:
    return [client for event, client in app.server.receivers if str(event).startswith(OURS)]


def test_texts_and_progress_go_to_the_client_that_queued_them(comfy_app):
    comfy_app.run(adaptive_graph(), client="mine")
    run = comfy_app.run(calibration_graph("whose", demo_prompts(3)), client="mine")
    assert run.error is None
    assert len(receivers(comfy_app)) >= 3
    assert set(receivers(comfy_app)) == {"mine"}


def test_what_no_client_queued_is_told_to_none(comfy_app):
    run = comfy_app.run(adaptive_graph(), client=None)
    assert "adaptive_gate" in run.ui["gate"]
    assert receivers(comfy_app) == []
