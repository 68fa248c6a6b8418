"""Estimator files in ComfyUI's model folders, and estimators in its memory."""

import gc
import pathlib
import weakref

import comfy.model_management
import folder_paths
import pytest
import torch
import transformers
from graphs import node
from safetensors.torch import save_file

from .tools import module

PROMPT = "a red circle left of a blue square on sand"


def tiny_reward() -> dict[str, torch.Tensor]:
    """Random weights of ImageReward's layout with its heads and vocabulary, 32 px, narrow."""
    net = module("adaptive_diffusion.estimators.reward_net")
    vision = module("adaptive_diffusion.estimators.vit").VisionConfig(32, 2, 16, 40, 8, 32, 1e-6)
    text = module("adaptive_diffusion.estimators.med").TextConfig(30524, 24, 2, 12, 28, 128, 32, 1e-12)
    with torch.device("meta"):
        shapes = net.RewardNet(net.RewardConfig(vision, text, (24, 12, 10, 6, 4))).state_dict()
    noise = torch.Generator().manual_seed(1)
    return {
        key: torch.randn(value.shape, generator=noise) * 0.2 + key.endswith(("norm.weight", "Norm.weight"))
        for key, value in shapes.items()
    }


def tiny_clip() -> dict[str, torch.Tensor]:
    """Random weights of transformers' CLIP with the published vocabulary and ViT-L/14's embedding, 28 px, narrow."""
    same = {"num_hidden_layers": 1, "intermediate_size": 40, "projection_dim": 768}
    text = same | {"hidden_size": 48, "vocab_size": 49408}
    vision = same | {"hidden_size": 48, "image_size": 28, "patch_size": 14}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=768)
    with torch.device("meta"):
        shapes = transformers.CLIPModel(config).state_dict()
    noise = torch.Generator().manual_seed(2)
    return {key: torch.randn(value.shape, generator=noise) * 0.2 for key, value in shapes.items()}


def aesthetic_head() -> dict[str, torch.Tensor]:
    """Random weights of the LAION aesthetic predictor."""
    widths, noise = {0: (1024, 768), 2: (128, 1024), 4: (64, 128), 6: (16, 64), 7: (1, 16)}, torch.Generator()
    state = {f"layers.{i}.weight": torch.randn(shape, generator=noise) * 0.2 for i, shape in widths.items()}
    return state | {f"layers.{i}.bias": torch.zeros(shape[0]) for i, shape in widths.items()}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty model folders, as the pack registered them."""
    for name in ("quality_estimators", "image_reward", "clip_vision"):
        (tmp_path / name).mkdir()
        _, extensions = folder_paths.folder_names_and_paths[name]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path / name)], extensions))
    yield tmp_path
    folder_paths.filename_list_cache.clear()


@pytest.fixture
def reward(folders):
    save_file(tiny_reward(), folders / "quality_estimators" / "reward.safetensors")
    return "reward.safetensors"


@pytest.fixture
def clip(folders, monkeypatch):
    """A file of a narrow HPSv2.1, which computes in transformers' own layers."""
    kinds = module("adaptive_diffusion.estimators.clip_scores")
    monkeypatch.setattr(kinds, "SIGNS", [("HPSv2.1", {kinds.HF_VISION: (48, 3, 14, 14)})])
    save_file(tiny_clip(), folders / "quality_estimators" / "clip.safetensors")
    return "clip.safetensors"


def images(count: int, seed: int = 3) -> torch.Tensor:
    return torch.rand(count, 40, 48, 3, generator=torch.Generator().manual_seed(seed))


def scoring(estimator: str, prompt: str = PROMPT, **options) -> dict:
    return {
        "images": node("TestGive", name="images"),
        "estimator": node("AdaptiveLoadEstimator", estimator=estimator, **options),
        "scores": node("AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt=prompt),
        "gate": node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=50.0),
        "kept": node("TestKeep", value=["scores", 1], name="values"),
        "kept_gate": node("TestKeep", value=["gate", 0], name="decision"),
    }


def choices() -> list[str]:
    return module("host.files.estimators").estimator_choices()


def test_both_folders_are_known_with_their_extensions():
    for name in ("quality_estimators", "image_reward"):
        paths, extensions = folder_paths.folder_names_and_paths[name]
        assert any(path.endswith(name) for path in paths)
        assert {".safetensors", ".pt", ".pth", ".bin"} <= extensions


@pytest.mark.parametrize("name", ["quality_estimators", "image_reward"])
def test_folders_of_extra_model_paths_stay_the_first(name, tmp_path, monkeypatch):
    paths, extensions = folder_paths.folder_names_and_paths[name]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, name, ([str(tmp_path)], {".ckpt"}))
    module("host.files.estimators").register_estimators()
    assert folder_paths.folder_names_and_paths[name] == ([str(tmp_path), paths[-1]], {".ckpt", *extensions})


def test_only_files_that_can_be_read_are_offered(folders):
    here, there = folders / "quality_estimators", folders / "image_reward"
    save_file(tiny_reward(), here / "any name.safetensors")
    save_file({"conv_in.weight": torch.ones(1)}, here / "unet.safetensors")
    (here / "cut.safetensors").write_bytes(b"\x10\x00")
    (here / "readme.txt").write_text("no weights")
    torch.save(tiny_reward(), there / "ImageReward.pt")
    torch.save({"w": torch.ones}, there / "code.pt")
    assert choices() == ["demo", "ImageReward.pt", "any name.safetensors"]


def test_a_file_that_went_away_since_it_was_listed_is_no_choice(folders, reward):
    assert choices() == ["demo", reward]
    remembered = folder_paths.filename_list_cache["quality_estimators"]
    (folders / "quality_estimators" / reward).unlink()
    with folder_paths.cache_helper:
        folder_paths.cache_helper.set("quality_estimators", remembered)
        assert choices() == ["demo"]


def test_a_file_that_may_not_be_read_is_no_choice(folders, reward, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "open", refuse)
    assert choices() == ["demo"]


def test_a_predictor_without_its_image_encoder_says_what_to_choose(folders, comfy_app):
    torch.save(aesthetic_head(), folders / "quality_estimators" / "aesthetic.pth")
    comfy_app.give["images"] = images(2)
    sentence = comfy_app.fails(scoring("aesthetic.pth"))
    assert sentence.startswith("Load Estimator: LAION aesthetic v2 needs the image encoder of CLIP ViT-L/14")
    with pytest.raises(ValueError, match="there is no file '../secret.safetensors' in models/clip_vision"):
        comfy_app.run(scoring("aesthetic.pth", clip_vision="../secret.safetensors"))


def test_a_predictor_scores_with_its_image_encoder_and_no_prompt(folders, comfy_app):
    head, tower = folders / "quality_estimators" / "aesthetic.pth", folders / "clip_vision" / "tower.safetensors"
    torch.save(aesthetic_head(), head)
    save_file(tiny_clip(), tower)
    comfy_app.give["images"] = images(3)
    values = comfy_app.run(scoring("aesthetic.pth", "", clip_vision="tower.safetensors")).kept["values"]
    alone = module("adaptive_diffusion.estimators").load(head, clip_vision=tower).score(images(3), "")
    assert alone.std() > 1e-3
    assert torch.allclose(torch.tensor(values), alone, atol=1e-5)


def test_clip_reads_prompts_with_comfyuis_own_tokenizer(clip, comfy_app):
    comfy_app.give["images"] = images(3)
    red, blue = (comfy_app.run(scoring(clip, text)).kept["values"] for text in ("red", "blue"))
    assert len(red) == 3 and red != blue


def test_a_name_in_both_folders_means_the_first(folders):
    for name in ("image_reward", "quality_estimators"):
        save_file(tiny_reward(), folders / name / "same.safetensors")
    path = module("host.files.estimators").estimator_path("same.safetensors")
    assert path.parent.name == "quality_estimators"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("unet.safetensors", "'unet.safetensors' is not a quality estimator; expected"),
        ("cut.safetensors", "'cut.safetensors' is not a whole safetensors file"),
        ("code.pt", "'code.pt' holds more than weights and was not opened"),
        ("../image_reward/ImageReward.pt", "no estimator '../image_reward/ImageReward.pt'; choose one of demo"),
        ("missing.pt", "there is no estimator 'missing.pt'; choose one of demo"),
    ],
)
def test_what_is_no_estimator_is_refused_with_its_reason(folders, comfy_app, name, sentence):
    here = folders / "quality_estimators"
    save_file({"conv_in.weight": torch.ones(1)}, here / "unet.safetensors")
    (here / "cut.safetensors").write_bytes(b"\x10\x00")
    torch.save({"w": torch.ones}, here / "code.pt")
    torch.save(tiny_reward(), folders / "image_reward" / "ImageReward.pt")
    comfy_app.give["images"] = images(2)
    with pytest.raises(ValueError, match="Load Estimator: ") as caught:
        comfy_app.run(scoring(name))
    assert sentence in str(caught.value)


def test_the_published_layout_scores_in_the_graph_as_it_does_alone(reward, folders, comfy_app):
    comfy_app.give["images"] = images(3)
    values = comfy_app.run(scoring(reward)).kept["values"]
    alone = module("adaptive_diffusion.estimators").load(folders / "quality_estimators" / reward)
    assert alone.name == "ImageReward"
    assert torch.allclose(torch.tensor(values), alone.score(images(3), PROMPT), atol=1e-6)


def test_images_with_transparency_are_scored_on_white(reward, comfy_app):
    colours, alpha = images(2), images(2, 4)[..., :1]
    values = []
    for given in (torch.cat([colours, alpha], -1), colours * alpha + 1 - alpha, colours):
        comfy_app.give["images"] = given
        values.append(comfy_app.run(scoring(reward)).kept["values"])
    assert values[0] == pytest.approx(values[1], abs=1e-5)
    assert values[0] != pytest.approx(values[2], abs=1e-3)


def test_a_batch_of_one_stays_a_batch(reward, comfy_app):
    comfy_app.give["images"] = images(1)
    assert len(comfy_app.run(scoring(reward)).kept["values"]) == 1


def test_half_precision_is_on_record(reward, comfy_app):
    comfy_app.give["images"] = images(4)
    run = comfy_app.run(scoring(reward, dtype="float16"))
    assert run.kept["decision"][0].scores.dtype == "float16"
    assert run.ui["scores"]["adaptive_scores"][0]["dtype"] == "float16"
    exact = comfy_app.run(scoring(reward)).kept["values"]
    assert 0 < max(abs(a - b) for a, b in zip(run.kept["values"], exact, strict=True)) < 0.05


def test_scores_and_cut_prompts_are_said_on_the_node(reward, comfy_app):
    comfy_app.give["images"] = images(2)
    long = "red " * 40
    run = comfy_app.run(scoring(reward, long))
    first, second = run.kept["values"]
    cut = "ImageReward reads the first 35 of 42 tokens of 'red red red red red red red red red red...'"
    assert run.texts["scores"] == f"ImageReward: {first:.2f}, {second:.2f}\n{cut}"
    assert run.ui["scores"]["adaptive_scores"][0]["truncated"] == [cut]
    all_read = comfy_app.run(scoring(reward, "red " * 33))
    assert "\n" not in all_read.texts["scores"]
    assert all_read.ui["scores"]["adaptive_scores"][0]["truncated"] == []


def test_a_prompt_that_is_no_text_is_one_sentence(reward, comfy_app):
    comfy_app.give["images"] = images(2)
    for judge in (reward, "demo"):
        said = comfy_app.fails(scoring(judge, "red \ud800 circle"))
        assert said.startswith("Quality Score: the prompt 'red \\ud800 circle' holds '\\ud800', which is no character")


def test_many_scores_are_not_all_written_on_the_node(reward, comfy_app):
    comfy_app.give["images"] = images(18)
    text = comfy_app.run(scoring(reward)).texts["scores"]
    assert text.count(", ") == 15 and text.endswith(" and 2 more")


def count(monkeypatch, owner, name) -> list:
    """The first arguments with which owner.name is called from now on."""
    calls, original = [], getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_the_file_is_read_once_for_many_runs(reward, comfy_app, monkeypatch):
    loads = count(monkeypatch, module("host.estimator").estimators, "load")
    for seed in (1, 2, 3):
        comfy_app.give["images"] = images(2, seed)
        comfy_app.run(scoring(reward))
    assert len(loads) == 1


def test_another_prompt_for_the_same_images_encodes_nothing_again(reward, comfy_app, monkeypatch):
    blip = module("adaptive_diffusion.estimators.blip_reward").BlipReward
    encoded = count(monkeypatch, blip, "encode")
    given = images(3)
    comfy_app.give["images"] = given
    graph = scoring(reward)
    graph["again"] = node("AdaptiveQualityScore", estimator=["estimator", 0], images=["images", 0], prompt="a cat")
    graph["kept_again"] = node("TestKeep", value=["again", 1], name="again")
    kept = comfy_app.run(graph).kept
    assert [len(pixels) for _, pixels in encoded] == [3]
    assert kept["again"] != kept["values"]
    comfy_app.give["images"] = given.flip(0)
    assert comfy_app.run(graph).kept["again"] == pytest.approx(kept["again"][::-1], abs=1e-6)
    assert len(encoded) == 2


def test_features_come_with_the_scores_from_one_pass(reward, folders, comfy_app, monkeypatch):
    blip = module("adaptive_diffusion.estimators.blip_reward")
    encoded, judged = count(monkeypatch, blip.BlipReward, "encode"), count(monkeypatch, blip.RewardNet, "judge")
    comfy_app.give["images"] = images(3)
    scores = comfy_app.run(scoring(reward)).kept["decision"][0].scores
    assert len(encoded) == len(judged) == 1
    alone = module("adaptive_diffusion.estimators").load(folders / "quality_estimators" / reward)
    expected = alone.read(images(3), PROMPT).features
    assert scores.feature_names == alone.feature_names == "joint state 24, mean word embedding 24"
    assert torch.allclose(torch.from_numpy(scores.features), expected, atol=1e-5)


def hosted(folders, name):
    return module("host.estimator").HostedEstimator(folders / "quality_estimators" / name)


def test_what_was_seen_goes_with_the_images(reward, folders):
    judge = hosted(folders, reward)
    given = images(3)
    judge.score(given, [PROMPT])
    features = weakref.ref(judge.seen._kept[given][0])
    assert features() is not None
    del given
    gc.collect()
    assert features() is None


def test_what_was_seen_is_kept_up_to_a_limit_that_images_which_are_gone_do_not_count_for(monkeypatch):
    seen, looks = module("host.seen"), []

    def look(pixels):
        looks.append(len(pixels))
        return pixels

    monkeypatch.setattr(seen, "MOST_KEPT", 2 * images(1).nbytes)
    kept, given = seen.Seen(), [images(1), images(1, 8), images(1, 9)]
    for expected in ([1, 1, 1], [1, 1, 1, 1]):
        assert all(torch.equal(kept.of(each, range(1), look), each) for each in given) and looks == expected
    del given[0]
    gc.collect()
    for expected in ([1] * 5, [1] * 5):
        assert all(torch.equal(kept.of(each, range(1), look), each) for each in given) and looks == expected


def free_memory(monkeypatch, size: float) -> None:
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_: size)


def test_chunks_follow_the_free_memory(reward, folders, monkeypatch):
    judge, prompts = hosted(folders, reward), [f"{colour} {PROMPT}" for colour in ("red", "sand", "a", "square", "on")]
    whole = judge.score(images(5), prompts)
    encoded = count(monkeypatch, type(judge.estimator), "encode")
    free_memory(monkeypatch, 4.5 * module("host.estimator").BYTES_PER_IMAGE)
    assert judge.score(images(5), prompts) == pytest.approx(whole, abs=1e-6)
    assert [len(pixels) for _, pixels in encoded] == [2, 2, 1]
    free_memory(monkeypatch, 0)
    judge.score(images(2, 8), [PROMPT])
    assert [len(pixels) for _, pixels in encoded[3:]] == [1, 1]


def test_large_images_come_in_smaller_chunks(reward, folders, monkeypatch):
    judge, given = hosted(folders, reward), images(3)
    monkeypatch.setattr(module("host.estimator"), "BYTES_PER_IMAGE", 0)
    encoded = count(monkeypatch, type(judge.estimator), "encode")
    free_memory(monkeypatch, 8 * given.numel() * given.element_size())
    for batch in (given, given.repeat(1, 2, 2, 1)):
        judge.score(batch, [PROMPT])
    assert [len(pixels) for _, pixels in encoded] == [3, 1, 1, 1]


def test_memory_for_the_images_is_asked_for_beside_the_weights(reward, folders, monkeypatch):
    asked, load = [], comfy.model_management.load_models_gpu

    def noted(models, memory_required):
        asked.append(memory_required)
        load(models, memory_required=memory_required)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", noted)
    hosted(folders, reward).score(images(5), [PROMPT])
    assert asked[0] > 5 * module("host.estimator").BYTES_PER_IMAGE


def test_no_chunk_is_larger_than_the_largest(reward, folders, monkeypatch):
    monkeypatch.setattr(module("host.estimator"), "LARGEST_CHUNK", 3)
    judge = hosted(folders, reward)
    encoded = count(monkeypatch, type(judge.estimator), "encode")
    judge.score(images(5), [PROMPT])
    assert [len(pixels) for _, pixels in encoded] == [3, 2]


@pytest.mark.parametrize("step", ["encode", "look"])
def test_interrupting_stops_after_the_chunk_at_work(step, clip, folders, monkeypatch):
    judge, given, chunks = hosted(folders, clip), images(3), []
    original = getattr(judge.estimator, step)

    def interrupting(*arguments):
        chunks.append(arguments)
        comfy.model_management.interrupt_current_processing()
        return original(*arguments)

    monkeypatch.setattr(judge.estimator, step, interrupting)
    free_memory(monkeypatch, 0)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        judge.score(given, [PROMPT])
    assert len(chunks) == 1


def loaded(judge) -> bool:
    return any(model.model is judge.patcher for model in comfy.model_management.current_loaded_models)


def test_the_weights_are_comfyuis_to_load_and_to_evict(reward, folders):
    judge = hosted(folders, reward)
    assert not loaded(judge)
    first = judge.score(images(2), [PROMPT])
    assert loaded(judge)
    comfy.model_management.unload_all_models()
    assert not loaded(judge)
    assert judge.score(images(2), [PROMPT]) == first


def test_images_that_cannot_be_scored_load_no_weights(reward, folders):
    judge, given = hosted(folders, reward), images(2)
    given[1, 5, 6, 2] = torch.nan
    with pytest.raises(ValueError, match="image 1 has pixels that are not finite"):
        judge.score(given, [PROMPT])
    assert not loaded(judge)


def test_freeing_gives_all_of_it_back(reward, comfy_app, monkeypatch):
    made = []
    host = module("host.estimator").HostedEstimator
    load = host.__init__

    def remembered(self, *args):
        load(self, *args)
        made.append(weakref.ref(self.estimator.module))

    monkeypatch.setattr(host, "__init__", remembered)
    comfy_app.give["images"] = images(2)
    run = comfy_app.run(scoring(reward))
    assert made[0]() is not None
    del run
    comfy.model_management.unload_all_models()
    comfy_app.executor.reset()
    gc.collect()
    assert made[0]() is None
