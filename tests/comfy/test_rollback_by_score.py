"""Every rejected image may have its own rollback."""

import torch
from graphs import PROMPT, adaptive_graph, changed, keep, node

BATCH, STEPS = 4, 3


def rolled_back(rollbacks: str, reject: str, batches: int = 1):
    """`batches` batches of which the images `reject` are refined from `rollbacks`, numbers, or one number for all."""
    graph = changed(adaptive_graph(prompt=["prompts", 0], batch=BATCH, steps=STEPS), "gate", reject_indices=reject)
    graph["prompts"] = node("TestLines", text="\n".join([PROMPT] * batches))
    graph["rollbacks"] = node("TestNumbers", text=rollbacks)
    return keep(changed(graph, "teacher", rollback=["rollbacks", 0]), refined=["teacher", 0])


def refined(app, rollbacks: str, reject: str, batches: int = 1) -> list[torch.Tensor]:
    """The latents of the rejected images of every batch."""
    run = app.run(rolled_back(rollbacks, reject, batches))
    assert run.error is None
    return [latent["samples"] for latent in run.kept["refined"]]


def test_every_row_is_that_of_a_run_with_its_rollback_alone(comfy_app):
    (mixed,) = refined(comfy_app, "0.4 0.8 0 0.4", "0 1 3")
    for rollback, reject, rows in (("0.4", "0 3", [0, 2]), ("0.8", "1", [1])):
        (alone,) = refined(comfy_app, rollback, reject)
        assert (mixed[rows] - alone).abs().max() == 0
        (all_alike,) = refined(comfy_app, rollback, "0 1 3")
        same = [(one - other).abs().max() <= 1e-4 for one, other in zip(mixed, all_alike, strict=True)]
        assert same == [row in rows for row in range(3)]


def test_each_level_is_its_own_batch_over_all_prompts(comfy_app, evaluations):
    refined(comfy_app, "0.4 0.8 0 0.4 0.8 0 0 0.8", "0 1 3 4 7", batches=2)
    assert evaluations["teacher"] == [2 * 2] * STEPS + [3 * 2] * STEPS


def test_a_rejected_image_with_rollback_0_stays_the_students(comfy_app, evaluations):
    run = comfy_app.run(keep(rolled_back("0.4 0 0 0.4", "0 1 3"), student=["student", 0]))
    (mixed,), (student,) = ([latent["samples"] for latent in run.kept[name]] for name in ("refined", "student"))
    assert torch.equal(mixed[1], student[1])
    assert not torch.equal(mixed[0], student[0])
    assert evaluations["teacher"] == [2 * 2] * STEPS


def test_one_number_for_each_batch_still_serves_all_its_images(comfy_app):
    first, second = refined(comfy_app, "0.4 0.8", "0 1 4", batches=2)
    assert (first - refined(comfy_app, "0.4", "0 1")[0]).abs().max() == 0
    assert (second - refined(comfy_app, "0.8", "0")[0]).abs().max() == 0


def test_another_count_is_refused(comfy_app):
    sentence = "Teacher Refine: 3 values of rollback do not fit 1 batches; link one for all or one for each batch"
    assert sentence in comfy_app.fails(rolled_back("0.4 0.8 0.1", "0"))
