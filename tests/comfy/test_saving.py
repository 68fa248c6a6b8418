"""Adaptive Save: each image once, apart by its verdict, with its record in its file; and what Save Image does alone."""

import json

import pytest
import torch
from graphs import adaptive_graph, changed, demo_prompts, holding_graph, keep, node
from PIL import Image

from .test_held import BATCH, PROMPTS, SEED, output, taking, waiting  # noqa: F401  output is a fixture
from .test_node_options import execute, gate, pictures, scores
from .tools import module


def saving(k: float = 50.0):
    graph = adaptive_graph(demo_prompts(1)[0], k)
    graph = changed(graph, "gate", student=["student", 1])
    graph["save"] = node("AdaptiveSaveImages", images=["merge", 0], decision=["merge", 1], filename_prefix="a/b")
    return keep(graph, merged=["merge", 0], decisions=["merge", 1])


def saved(run, output):  # noqa: F811
    """Path and image of every file that the node shows, in its order."""
    shown = run.ui["save"]["images"]
    paths = [output / each["subfolder"] / each["filename"] for each in shown]
    return [(path, Image.open(path)) for path in paths]


def test_accepted_and_improved_images_lie_apart_with_verdict_score_and_record(comfy_app, output):  # noqa: F811
    run = comfy_app.run(saving())
    record = module("adaptive_diffusion.report").record(run.kept["decisions"][0])
    files = saved(run, output)
    assert sum(path.is_file() for path in output.rglob("*")) == len(files) == 4
    for (path, image), pixels, entry in zip(files, run.kept["merged"][0], record, strict=True):
        word = {"accepted": "accepted", "rejected": "improved"}[entry["verdict"]]
        assert path.parent == output / "a" / "b" / word
        assert path.name == f"{word}_{entry['score']:.3f}_00001_.png"
        assert json.loads(image.text["adaptive_diffusion"]) == entry
        assert image.size == (64, 64)
        found = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(pixels.shape)
        assert torch.equal(found, (255.0 * pixels).clamp(0, 255).byte())
    assert {path.parent.name for path, _ in files} == {"accepted", "improved"}


def test_prompt_and_workflow_stand_beside_the_record_as_save_image_writes_them(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    decision = gate(scores(1.0, 2.0))[0].args[0]
    prompt, texts = {"1": {"class_type": "X", "inputs": {}}}, {"workflow": {"nodes": []}}
    shown = module("host.saving").save([pictures(2)], decision, "x", None, prompt, texts)
    with Image.open(tmp_path / shown[0]["subfolder"] / shown[0]["filename"]) as image:
        assert json.loads(image.text["prompt"]) == prompt and json.loads(image.text["workflow"]) == texts["workflow"]
        assert json.loads(image.text["adaptive_diffusion"])["verdict"] == "rejected"
    assert texts == {"workflow": {"nodes": []}}


def test_no_text_is_written_where_comfyui_writes_none(tmp_path, monkeypatch):
    import folder_paths
    from comfy.cli_args import args

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    monkeypatch.setattr(args, "disable_metadata", True)
    shown = module("host.saving").save([pictures(1)], gate(scores(1.0), k=0.0)[0].args[0], "x", None, {}, {})
    with Image.open(tmp_path / shown[0]["subfolder"] / shown[0]["filename"]) as image:
        assert image.text == {}


def test_a_students_image_that_scored_higher_is_told_as_kept(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    decision = gate(scores(1.0, 2.0), k=100.0)[0].args[0]
    better = [module("adaptive_diffusion.gate.decision").QualityScores((0.5, 3.0))]
    sizes = {"size": ["student"], "width": [64], "height": [64], "resize_method": ["area"]}
    given = {"student": [pictures(2)], "improved": [pictures(2)], "improved_scores": better}
    merged = execute("AdaptiveMerge", decision=decision, **given, **sizes).args
    shown = execute("AdaptiveSaveImages", images=merged[0], decision=merged[1], filename_prefix=["x"])
    assert [each["subfolder"] for each in shown.ui["images"]] == ["x/kept", "x/improved"]


def test_the_teachers_images_alone_are_saved_as_improved_and_end_what_was_held(comfy_app, output):  # noqa: F811
    comfy_app.run(holding_graph(PROMPTS[:2], SEED, batch=BATCH))
    graph = {name: each for name, each in taking().items() if name.startswith(("take", "teacher"))}
    links = {"images": ["teacher_images", 0], "decision": ["take", 0]}
    run = comfy_app.run(graph | {"save": node("AdaptiveSaveImages", **links, filename_prefix="night")})
    assert run.error is None
    assert len(list((output / "night" / "improved").iterdir())) == 4
    assert waiting(output / "held" / "held") == []
    assert len(list((output / "held" / "held" / "improved").glob("* improved *.png"))) == 4


def test_images_of_another_number_are_refused_before_anything_is_saved(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    decision = gate(scores(1.0, 2.0, 3.0, 4.0))[0].args[0]
    sentence = "Adaptive Save: 3 images came for 2 rejected images of 4; link those of exactly the rejected images"
    with pytest.raises(ValueError, match=sentence):
        execute("AdaptiveSaveImages", images=[pictures(3)], decision=decision, filename_prefix=["x"])
    assert list(tmp_path.iterdir()) == []


def test_bad_places_are_one_sentence(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path / "output"))
    given = {"images": [pictures(1)], "decision": gate(scores(1.0), k=0.0)[0].args[0]}
    for prefix in ("../x", "/x", "a/../../x"):
        with pytest.raises(ValueError) as refused:
            execute("AdaptiveSaveImages", **given, filename_prefix=[prefix])
        told = f"Adaptive Save: filename_prefix '{prefix}' leads out of the output folder; choose a name in it"
        assert str(refused.value) == told
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "output").write_text("no folder")
    with pytest.raises(ValueError, match="^Adaptive Save: '.*/output/x' cannot be written .*; look at its folder"):
        execute("AdaptiveSaveImages", **given, filename_prefix=["x"])


def test_without_a_prefix_the_verdicts_folders_lie_in_the_output_folder(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "get_output_directory", lambda: str(tmp_path))
    decision = gate(scores(1.0), k=0.0)[0].args[0]
    shown = execute("AdaptiveSaveImages", images=[pictures(1)], decision=decision, filename_prefix=[""])
    assert [each["subfolder"] for each in shown.ui["images"]] == ["accepted"]


def test_save_image_alone_takes_a_list_of_names_but_one_text_for_all(comfy_app, output):  # noqa: F811
    """What ComfyUI's own node can do: this is why there is one of ours."""
    graph = {
        "list": node("TestLines", text="x/one\nx/two"),
        "image": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "save": node("SaveImage", images=["image", 0], filename_prefix=["list", 0]),
    }
    assert comfy_app.run(graph).error is None
    assert sorted(path.name for path in (output / "x").iterdir()) == ["one_00001_.png", "two_00001_.png"]
