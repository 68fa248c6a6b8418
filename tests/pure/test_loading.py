"""Models as they are published: folders of full or of half precision, and single files."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.standalone import loading, models
from adaptive_diffusion.standalone.loading import open_pipeline

torch.set_num_threads(1)
PACK = str(Path(__file__).parents[2])
DEMO = Path(PACK, "demo_models")
PARTS = ("unet", "vae", "text_encoder")
COMMIT = "0" * 40
WORDS = {"[END]": 0, "red": 1, "circle": 2}
RESNET = {
    **{"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"},
    **{"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"},
}
UNET = {
    **{"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2"},
    **{"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"},
    **{"down_blocks.0.resnets.0": "input_blocks.1.0", "down_blocks.0.attentions.0": "input_blocks.1.1"},
    **{f"up_blocks.0.resnets.{i}": f"output_blocks.{i}.0" for i in range(2)},
    **{f"up_blocks.0.attentions.{i}": f"output_blocks.{i}.1" for i in range(2)},
    **{"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"},
    **{"mid_block.resnets.1": "middle_block.2"},
}
VAE = {
    **{"down_blocks.0.resnets": "down.0.block", "up_blocks.0.resnets": "up.0.block"},
    **{"mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2"},
    **{"mid_block.attentions.0": "mid.attn_1", "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut"},
    **{"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"},
}


def tiny() -> StableDiffusionPipeline:
    """Stable Diffusion with one level and random weights."""
    torch.manual_seed(0)
    words = Tokenizer(WordLevel(WORDS, unk_token="[END]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"eos_token_id": 0, "bos_token_id": 0, "max_position_embeddings": 4}
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=2,
        down_block_types=("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",),
    )
    return StableDiffusionPipeline(
        AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, sample_size=8),
        CLIPTextModel(CLIPTextConfig(vocab_size=len(WORDS), **sizes, **ends)),
        PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[END]", model_max_length=4),
        unet,
        DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def renamed(key: str, names: dict[str, str]) -> str:
    """The name of a weight with parts of it replaced."""
    parts = "|".join(map(re.escape, names))
    return re.sub(rf"(?:^|(?<=\.))(?:{parts})(?=\.)", lambda found: names[found[0]], key)


def in_the_first_authors_names(name: str, key: str) -> str:
    if name == "text_encoder":
        return f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"
    if name == "vae":
        return f"first_stage_model.{renamed(key, VAE)}"
    return f"model.diffusion_model.{renamed(renamed(key, RESNET) if '.resnets.' in key else key, UNET)}"


def as_one_file(pipeline) -> dict[str, torch.Tensor]:
    return {
        in_the_first_authors_names(name, key): value.contiguous()
        for name in PARTS
        for key, value in getattr(pipeline, name).state_dict().items()
    }


def configuration(pipeline, folder: Path) -> Path:
    """The folder of a published model without its weights."""
    pipeline.save_pretrained(folder)
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    return folder


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No connection can be opened, and nothing lies in the cache of downloads."""

    def refuse(*_, **__):
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(loading, "snapshot_download", lambda name, **options: no_cache(tmp_path, name, **options))


def no_cache(folder: Path, name: str, local_files_only: bool):
    from huggingface_hub import snapshot_download

    return snapshot_download(name, local_files_only=local_files_only, cache_dir=folder / "cache")


def same_weights(one, other, tolerance: float = 0.0) -> bool:
    return all(
        torch.allclose(value.float(), getattr(other, part).state_dict()[key].float(), atol=tolerance, rtol=0)
        for part in PARTS
        for key, value in getattr(one, part).state_dict().items()
    )


def half(folder: Path, *parts: str) -> Path:
    """A copy of the demo models in which these have their weights in half precision alone."""
    shutil.copytree(DEMO, folder)
    for part in parts:
        for path in (folder / part).glob("*.safetensors"):
            state = {key: value.half() for key, value in load_file(path).items()}
            save_file(state, path.with_name(f"{path.stem}.fp16.safetensors"), {"format": "pt"})
            path.unlink()
    return folder


@pytest.mark.parametrize("parts", [("unet", "vae", "text_encoder"), ("unet",), ()])
def test_a_folder_of_half_precision_alone_is_opened(parts, tmp_path):
    opened = open_pipeline(half(tmp_path / "half", *parts), torch.float32)
    assert same_weights(opened, open_pipeline(DEMO, torch.float32), 1e-3)
    assert opened.unet.dtype == torch.float32


def test_where_both_are_there_full_precision_is_taken(tmp_path):
    folder = half(tmp_path / "both", "unet")
    [path] = (folder / "unet").glob("*.fp16.safetensors")
    save_file({key: value * 2 for key, value in load_file(path).items()}, path, {"format": "pt"})
    shutil.copy(DEMO / "unet" / "diffusion_pytorch_model.safetensors", folder / "unet")
    assert same_weights(open_pipeline(folder, torch.float32), open_pipeline(DEMO, torch.float32))


def test_a_single_file_is_the_model_of_the_folder_of_its_name(tmp_path, offline):
    pipeline = tiny()
    configuration(pipeline, tmp_path / "tiny")
    save_file(as_one_file(pipeline), tmp_path / "tiny.safetensors")
    assert models.check(str(tmp_path / "tiny.safetensors")) is None
    opened = models.load_student(str(tmp_path / "tiny.safetensors"), "cpu", "float32")
    assert type(opened) is StableDiffusionPipeline and same_weights(pipeline, opened)
    settings = {"num_inference_steps": 2, "output_type": "pt", "height": 8, "width": 8}
    pipeline.set_progress_bar_config(disable=True)
    drawn = [each("red circle", generator=torch.manual_seed(1), **settings).images for each in (pipeline, opened)]
    assert torch.equal(*drawn)


def test_without_its_configuration_a_single_file_says_what_is_missing_and_downloads_nothing(tmp_path, offline):
    path = tmp_path / "tiny.safetensors"
    save_file(as_one_file(tiny()), path)
    with pytest.raises(
        ValueError, match="a checkpoint does not hold its configuration; put the .json and .txt"
    ) as said:
        open_pipeline(path, torch.float32)
    assert f"into the folder '{tmp_path / 'tiny'}'" in str(said.value) and "stable-diffusion-v1-5" in str(said.value)


def test_a_configuration_in_the_cache_of_downloads_serves(tmp_path, offline):
    pipeline = tiny()
    save_file(as_one_file(pipeline), tmp_path / "tiny.safetensors")
    repository = tmp_path / "cache" / "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    configuration(pipeline, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    assert same_weights(pipeline, open_pipeline(tmp_path / "tiny.safetensors", torch.float32))


def damaged(tmp_path, what: str) -> Path:
    folder = half(tmp_path / "model")
    if what == "no weights":
        (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    if what == "cut weights":
        path = folder / "unet" / "diffusion_pytorch_model.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
    if what == "unknown class":
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "NothingPipeline"}))
    if what == "no json":
        (folder / "model_index.json").write_text("{")
    if what == "only the UNet":
        configuration(tiny(), folder)
        state = {key: value for key, value in as_one_file(tiny()).items() if key.startswith("model.")}
        save_file(state, folder.with_suffix(".safetensors"))
        return folder.with_suffix(".safetensors")
    if what == "no checkpoint":
        configuration(tiny(), folder)
        folder.with_suffix(".safetensors").write_bytes(b"x")
        return folder.with_suffix(".safetensors")
    return folder


@pytest.mark.parametrize(
    "what", ["no weights", "cut weights", "unknown class", "no json", "only the UNet", "no checkpoint"]
)
def test_what_cannot_be_opened_is_one_sentence(what, tmp_path, offline, capsys):
    path = damaged(tmp_path, what)
    own = ["--student", str(path), "--estimator=demo", "--k=0", "--size=64"]
    with pytest.raises(SystemExit, match="^2$"):
        main(["generate", "a red circle on sky", "--out", str(tmp_path / "out"), *own])
    said = capsys.readouterr().err
    assert said.startswith(f"error: '{path}' cannot be loaded: ") and said.count("\n") == 1


def test_the_libraries_add_no_line_of_their_own(tmp_path):
    own = ["--student", str(damaged(tmp_path, "no weights")), "--estimator=demo", "--k=0", "--size=64"]
    command = [sys.executable, "-m", "adaptive_diffusion", "generate", "a red circle on sky", "--out", "out", *own]
    environment = {**os.environ, "PYTHONPATH": PACK}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr


def test_what_is_no_model_is_told_before_anything_is_loaded(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"x")
    for path in (tmp_path, tmp_path / "model.ckpt", tmp_path / "none.safetensors"):
        with pytest.raises(
            FileNotFoundError, match="there is no model in .*; name a folder with .*, or a .safetensors"
        ):
            models.check(str(path))
