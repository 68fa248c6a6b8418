"""Any node can be the teacher of many prompts: Adaptive Split gives what each rejected batch was drawn from."""

import pytest
import torch
from graphs import changed, keep, node

from .test_lists import PROMPTS, list_graph
from .test_node_options import execute, gate, pictures, scores, student


def any_teacher(reject: str, conditioning: str = "from prompts"):
    """Three prompts of two images; a KSampler refines the rejected, with the prompts that Split gives or with the
    conditionings that it takes apart.
    """
    graph = changed(list_graph(reject), "gate", student=["student", 1], k=50.0 if reject else 0.0)
    drop = ("teacher", "teacher_images")
    graph = {name: each for name, each in graph.items() if name not in drop}
    graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student", 0])
    graph["split_prompts"] = node("AdaptiveSplit", decision=["gate", 0], batch=["teacher_prompt", 0])
    graph["own_prompt"] = node("CLIPTextEncode", clip=["teacher_models", 1], text=["split", 2])
    positive = ["own_prompt", 0] if conditioning == "from prompts" else ["split_prompts", 1]
    graph["teacher"] = refining(positive, ["split", 1], ["split", 3])
    graph["teacher_images"] = node("VAEDecode", samples=["teacher", 0], vae=["student_models", 2])
    return keep(graph, improved=["teacher", 0], rejected=["split", 1])


def refining(positive, latent, seed):
    settings = {"steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.6}
    links = {"model": ["teacher_models", 0], "negative": ["teacher_negative", 0]}
    return node("KSampler", **links, positive=positive, latent_image=latent, seed=seed, **settings)


def alone(comfy_app, latent, prompt: str, seed: int):
    """What the teacher makes of some latents of one prompt."""
    comfy_app.give["latent"] = latent
    graph = {
        "teacher_models": node("AdaptiveLoadDemoModels", role="teacher"),
        "text": node("CLIPTextEncode", clip=["teacher_models", 1], text=prompt),
        "teacher_negative": node("CLIPTextEncode", clip=["teacher_models", 1], text=""),
        "latent": node("TestGive", name="latent"),
        "teacher": refining(["text", 0], ["latent", 0], seed),
    }
    return comfy_app.run(keep(graph, improved=["teacher", 0])).kept["improved"][0]["samples"]


@pytest.mark.parametrize("conditioning", ["from prompts", "taken apart"])
def test_a_ksampler_refines_only_the_rejected_of_every_prompt_with_its_own(conditioning, comfy_app):
    run = comfy_app.run(any_teacher("0 4 5", conditioning))
    assert run.error is None
    rejected, improved = run.kept["rejected"], run.kept["improved"]
    assert [len(latent["samples"]) for latent in improved] == [1, 2]
    for latent, drawn, (prompt, seed) in zip(rejected, improved, [(PROMPTS[0], 5), (PROMPTS[2], 7)], strict=True):
        assert torch.equal(drawn["samples"], alone(comfy_app, latent, prompt, seed))
    same = [
        torch.equal(m, s) for m, s in zip(*(torch.cat(run.kept[name]) for name in ("merged", "student")), strict=True)
    ]
    assert same == [False, True, True, True, False, False]


def test_nothing_of_any_teacher_runs_while_nothing_is_rejected(comfy_app):
    graph = {name: each for name, each in any_teacher("").items() if name not in ("keep_improved", "keep_rejected")}
    run = comfy_app.run(graph)
    assert run.error is None and not {"split", "teacher_models", "teacher"} & set(run.executed)


def sides(decision, batch=None):
    return execute("AdaptiveSplit", decision=decision, batch=batch or [pictures(len(each)) for each in decision]).args


def message(outputs) -> str:
    (blocker,) = outputs
    return blocker.message


def test_a_batch_of_several_prompts_stops_what_takes_its_prompt_and_says_so():
    decision = gate(scores(1, 2, 3, prompts=("a", "b", "c")), reject_indices="0 1")[0].args[0]
    accepted, rejected, prompts, seeds, *_ = sides(decision)
    assert (len(accepted[0]), len(rejected[0])) == (1, 2)
    assert message(prompts).startswith("Adaptive Split: a batch has rejected images of 2 prompts, but prompts")
    assert message(seeds).startswith("Adaptive Split: the seeds are not known; link Student Sample's student")


def test_one_rejected_prompt_of_a_mixed_batch_is_its_prompt():
    decision = gate(scores(1, 2, 3, prompts=("a", "b", "c")), reject_indices="1", student=student(seed=3))[0].args[0]
    assert sides(decision)[2:4] == (["b"], [3])


def test_unknown_prompts_are_never_given_as_an_empty_text():
    decision = gate(1.0, 2.0, reject_indices="1")[0].args[0]
    assert message(sides(decision)[2]).startswith("Adaptive Split: the prompts are not known; link them")


def test_what_stops_is_told_where_somebody_takes_it(comfy_app):
    graph = any_teacher("0 4 5")
    graph = changed(graph, "gate", student=None)
    assert "Adaptive Split: the seeds are not known; link Student Sample's student to" in comfy_app.fails(graph)


def test_a_batch_of_other_images_is_refused():
    decision = gate(scores(1, 2))[0].args[0]
    with pytest.raises(ValueError, match="Adaptive Split: batch holds 3 images, but 2 were scored; link the batches"):
        sides(decision, [pictures(3)])


def test_conditioning_of_several_rows_is_cut_to_the_rows():
    decision = gate(scores(1, 2, 3), reject_indices="0 2")[0].args[0]
    text = [[torch.arange(3.0).view(3, 1, 1), {"pooled_output": torch.arange(3.0).view(3, 1)}]]
    accepted, rejected, *_ = sides(decision, [text])
    assert rejected[0][0][0].flatten().tolist() == [0.0, 2.0] and accepted[0][0][0].flatten().tolist() == [1.0]
    assert rejected[0][0][1]["pooled_output"].flatten().tolist() == [0.0, 2.0]


def best_of(*groups, top: int):
    """The images at 'best', of batches whose images hold their numbers."""
    images = [torch.arange(len(group.values)).float().reshape(-1, 1, 1, 1).expand(-1, 8, 8, 3) for group in groups]
    decisions = gate(*groups)[0].args[0]
    found = execute("AdaptiveSplit", decision=decisions, batch=images, top=[top]).args[5]
    return [batch[:, 0, 0, 0].int().tolist() for batch in found]


def test_the_best_of_each_batch_come_best_first_and_the_earlier_of_equal_ones():
    groups = scores(1, 5, 3, 5, group=0, groups=2), scores(2, 0, group=1, groups=2)
    assert best_of(*groups, top=1) == [[1], [0]]
    assert best_of(*groups, top=3) == [[1, 3, 2], [0, 1]]


def test_best_is_there_whether_or_not_anything_is_rejected(uncached_app):
    for k in (0.0, 100.0):
        graph = changed(list_graph(""), "gate", k=k, reject_indices=None, table="this run")
        graph["split"] = node("AdaptiveSplit", decision=["gate", 0], batch=["student_images", 0], top=1)
        run = uncached_app.run(keep(graph, best=["split", 5], scores=["scores", 0], images=["student_images", 0]))
        assert run.error is None
        for best, group, images in zip(run.kept["best"], run.kept["scores"], run.kept["images"], strict=True):
            assert torch.equal(best[0], images[max(range(len(group.values)), key=group.values.__getitem__)])
