"""One checkpoint for both: a LoRA on the student's branch only, with ComfyUI's own loaders and files."""

import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.taesd.taesd
import comfy.utils
import folder_paths
import pytest
import torch
from graphs import Graph, keep, node
from safetensors.torch import save_file

from .tools import tiny_model

CHECKPOINT, LORA = "tiny.safetensors", "distilled.safetensors"
TEXT_MODEL = {
    "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2, "num_positions": 77,
    "hidden_act": "quick_gelu", "max_position_embeddings": 77, "layer_norm_eps": 1e-5, "eos_token_id": 49407,
    "projection_dim": 32,
}  # fmt: skip
TINY = {"context_dim": 32, "model_channels": 32}


class TinyClip(comfy.sd1_clip.SD1ClipModel):
    def __init__(self, device="cpu", dtype=None, model_options={}):  # noqa: B006 - core's own signature
        super().__init__(device=device, dtype=dtype, model_options={**model_options, "clip_l_model_config": TEXT_MODEL})


def random(weights: dict[str, torch.Tensor], scale: float = 0.05) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(len(weights))
    return {key: torch.randn(value.shape, generator=generator) * scale for key, value in weights.items()}


def checkpoint() -> dict[str, torch.Tensor]:
    """UNet, text model and VAE of a tiny SD1.5, named as in its checkpoints."""
    unet = tiny_model("EPS").model.diffusion_model.state_dict()
    text = TinyClip(dtype=torch.float32).clip_l.state_dict()
    vae = comfy.taesd.taesd.TAESD(latent_channels=4).state_dict()
    parts = {"model.diffusion_model.": unet, "cond_stage_model.": random(text), "first_stage_model.": random(vae, 0.2)}
    return {prefix + key: value.contiguous().clone() for prefix, part in parts.items() for key, value in part.items()}


def lora() -> dict[str, torch.Tensor]:
    """A LoRA of every attention of the UNet and of one layer of the text model, in kohya's names."""
    layers = {
        f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}": shape
        for name, shape in unet_shapes().items()
        if name.endswith("to_q.weight") or name.endswith("to_v.weight")
    }
    layers["lora_te_text_model_encoder_layers_0_mlp_fc1"] = (64, 32)
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, (out, inner) in layers.items():
        made[f"{name}.lora_down.weight"] = torch.randn(4, inner, generator=generator)
        made[f"{name}.lora_up.weight"] = torch.randn(out, 4, generator=generator)
    return made


def unet_shapes() -> dict[str, tuple[int, int]]:
    """Shapes of the UNet's weights by diffusers' names."""
    model = tiny_model("EPS").model
    names, weights = comfy.utils.unet_to_diffusers(model.model_config.unet_config), model.diffusion_model.state_dict()
    return {name: tuple(weights[key].shape) for name, key in names.items() if key in weights}


@pytest.fixture
def reads(tmp_path, monkeypatch) -> list[str]:
    """Files with the checkpoint and the LoRA where ComfyUI looks for them; the names of those it reads."""
    save_file(checkpoint(), tmp_path / CHECKPOINT)
    save_file(lora(), tmp_path / LORA)
    for folder in ("checkpoints", "loras"):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, folder, ([str(tmp_path)], {".safetensors"}))
    settings = comfy.supported_models.SD15
    monkeypatch.setattr(settings, "unet_config", {**settings.unet_config, **TINY})
    target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, TinyClip)
    monkeypatch.setattr(settings, "clip_target", lambda *_, **__: target)
    seen: list[str] = []
    read = comfy.utils.load_torch_file
    monkeypatch.setattr(
        comfy.utils, "load_torch_file", lambda path, *a, **o: seen.append(path.rsplit("/")[-1]) or read(path, *a, **o)
    )
    yield seen
    folder_paths.filename_list_cache.clear()


def graph(comfy_app, student_seed: int = 1, teacher_seed: int = 5, **student) -> Graph:
    """Student with a LoRA on model and CLIP, teacher without; what the teacher refines is given, not drawn.

    Both encode and draw in every run, because what TestGive gives is never cached.
    """
    comfy_app.give["drawn"] = {"samples": torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))}
    comfy_app.give.update(empty={"samples": torch.zeros(2, 4, 8, 8)}, prompt="a red circle")
    parts = {name: node("TestGive", name=name) for name in ("drawn", "empty", "prompt")}
    parts["checkpoint"] = node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    parts["lora"] = node(
        "LoraLoader", model=["checkpoint", 0], clip=["checkpoint", 1], lora_name=LORA, strength_model=1.0,
        strength_clip=1.0,
    )  # fmt: skip
    model, clip = student.get("model", ["lora", 0]), student.get("clip", ["lora", 1])
    parts["student_text"] = node("CLIPTextEncode", clip=clip, text=["prompt", 0])
    parts["student"] = node(
        "AdaptiveStudentSample", model=model, positive=["student_text", 0], latent_image=["empty", 0],
        seed=student_seed, steps=2, cfg=1.0, sampler_name="lcm", scheduler="lcm", denoise=1.0,
    )  # fmt: skip
    parts["scores"] = node("TestNumbers", text="1 2")
    parts["gate"] = node("AdaptiveThresholdGate", scores=["scores", 0], table="this run", k=100.0)
    parts["text"] = node("CLIPTextEncode", clip=["checkpoint", 1], text=["prompt", 0])
    parts["negative"] = node("CLIPTextEncode", clip=["checkpoint", 1], text="")
    teacher = {
        "decision": ["gate", 0], "model": ["checkpoint", 0], "positive": ["text", 0], "negative": ["negative", 0],
        "seed": teacher_seed, "steps": 2, "cfg": 3.0, "sampler_name": "unipc_diffusers", "scheduler": "uniform",
        "max_batch": 16,
    }  # fmt: skip
    refining = {"rollback": 0.7, "rollback_scale": "schedule", "latent": ["drawn", 0]}
    parts["refine"] = node("AdaptiveTeacherRefine", **teacher, **refining)
    parts["regenerate"] = node("AdaptiveTeacherRegenerate", **teacher, latent=["student", 0])
    return parts


def run(comfy_app, parts: Graph, *names: str) -> dict:
    done = comfy_app.run(keep(parts, **{name: [name, 0] for name in names}))
    assert done.error is None
    return {name: value[0] for name, value in done.kept.items()}


def same(first: dict, second: dict) -> bool:
    return torch.equal(first["samples"], second["samples"])


def tokens(conditioning: list) -> torch.Tensor:
    return conditioning[0][0]


def test_the_teacher_never_sees_the_students_lora(reads, comfy_app):
    unpatched = {"model": ["checkpoint", 0], "clip": ["checkpoint", 1]}
    plain = {
        seed: run(comfy_app, graph(comfy_app, 1, seed, **unpatched), "student", "text", "refine", "regenerate")
        for seed in (5, 6)
    }
    before = run(comfy_app, graph(comfy_app, 1, 5), "refine")
    during = run(comfy_app, graph(comfy_app, 1, 6), "student", "student_text", "text", "refine", "regenerate")
    after = run(comfy_app, graph(comfy_app, 2, 5), "student", "refine", "regenerate")
    again = run(comfy_app, graph(comfy_app, 1, 6), "student", "refine", "regenerate")
    assert reads.count(CHECKPOINT) == reads.count(LORA) == 1
    for seed, made in ((5, before), (6, during), (5, after), (6, again)):
        assert same(made["refine"], plain[seed]["refine"])
    assert same(during["regenerate"], plain[6]["regenerate"])
    assert same(after["regenerate"], plain[5]["regenerate"])
    assert same(again["student"], during["student"])
    assert not same(during["student"], plain[6]["student"])
    assert torch.equal(tokens(during["text"]), tokens(plain[6]["text"]))
    assert not torch.equal(tokens(during["text"]), tokens(during["student_text"]))


def test_the_checkpoint_is_read_once_when_student_and_teacher_run_in_one_queue(reads, comfy_app):
    run(comfy_app, graph(comfy_app), "student", "refine", "regenerate")
    assert reads.count(CHECKPOINT) == 1
