"""Students as `distill` and `finetune` write them, loaded by ComfyUI's own loaders, against diffusers."""

import importlib
import json
import logging
from dataclasses import replace
from types import SimpleNamespace

import comfy.lora
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.utils
import folder_paths
import pytest
import torch
from oracle import own_student as tiny
from safetensors.torch import load_file, save_file

from .conftest import nodes
from .families import FAMILIES, SD3_MMDIT
from .test_lcm_guidance import UNET_CONFIG
from .tools import module

GOLDENS = json.loads(tiny.GOLDENS.read_text())
EXACT = 1e-5


def of_the_pack(name: str):
    package = module("adaptive_diffusion.quoting").__name__.rsplit(".", 1)[0]
    return importlib.import_module(f"{package}.distillation.{name}")


def teacher():
    return nodes()["AdaptiveLoadDemoModels"].execute(role="teacher").args[0]


def said(model, time: int) -> torch.Tensor:
    comfy.model_management.load_models_gpu([model])
    return model.model.diffusion_model(tiny.noise(tiny.DEMO_SHAPE), torch.tensor([float(time)]), tiny.states(128))


def golden(kind: str, time: int) -> torch.Tensor:
    return torch.tensor(GOLDENS["lora"]["said"][kind][str(time)]).view(tiny.DEMO_SHAPE)


def peft_weights() -> dict[str, torch.Tensor]:
    return {key: tiny.lora_weight(key, tuple(shape)) for key, shape in GOLDENS["lora"]["shapes"].items()}


@pytest.fixture
def loras(tmp_path, monkeypatch):
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(tmp_path)], {".safetensors"}))
    yield tmp_path
    folder_paths.filename_list_cache.clear()


def with_lora(name: str):
    """The teacher with a file of models/loras on it, by core's own node."""
    from nodes import NODE_CLASS_MAPPINGS

    return NODE_CLASS_MAPPINGS["LoraLoaderModelOnly"]().load_lora_model_only(teacher(), name, 1.0)[0]


@pytest.mark.parametrize("alpha", tiny.ALPHAS)
def test_a_lora_loads_whole_with_its_alpha(loras, caplog, alpha):
    save_file(of_the_pack("comfyui_keys").lora_keys("unet", peft_weights(), alpha), loras / "mine.safetensors")
    with caplog.at_level(logging.WARNING):
        student = with_lora("mine.safetensors")
    assert not [record for record in caplog.records if "not loaded" in record.message]
    assert len(student.patches) == len(GOLDENS["lora"]["shapes"]) // 2 == 79
    for time in tiny.TIMESTEPS:
        assert (said(student, time) - golden(str(alpha), time)).abs().max() <= EXACT
        assert (golden(str(alpha), time) - golden("none", time)).abs().max() > 1e-2


def test_the_teacher_alone_is_diffusers_teacher():
    for time in tiny.TIMESTEPS:
        assert (said(teacher(), time) - golden("none", time)).abs().max() <= EXACT


def test_a_whole_student_of_the_demo_loads_as_a_difference(loras, caplog):
    bundled = module("adaptive_diffusion.bundled").DEMO_MODELS
    base = {key: value.float() for key, value in load_file(bundled / "unet" / WEIGHTS).items()}
    student = {key: value.float() for key, value in load_file(bundled / "student_unet" / WEIGHTS).items()}
    save_file(of_the_pack("comfyui_keys").difference_keys(student, base), loras / "mine.safetensors")
    with caplog.at_level(logging.WARNING):
        made = with_lora("mine.safetensors")
    assert not [record for record in caplog.records if "not loaded" in record.message]
    assert len(made.patches) == len(student)
    expected = nodes()["AdaptiveLoadDemoModels"].execute(role="student").args[0]
    for time in tiny.TIMESTEPS:
        assert (said(made, time) - said(expected, time)).abs().max() <= EXACT


WEIGHTS = "diffusion_pytorch_model.safetensors"
TINY_SDXL = {
    "model_channels": 32,
    "use_linear_in_transformer": True,
    "transformer_depth": [0, 0, 1, 1, 1, 1],
    "context_dim": 2048,
    "adm_in_channels": tiny.POOLED + 6 * 256,
    "use_temporal_attention": False,
}


def network(guided: bool = False) -> SimpleNamespace:
    """What the export reads of diffusers' UNet."""
    weights = {key: tiny.weight(key, tuple(shape)) for key, shape in GOLDENS["sdxl"]["shapes"].items()}
    if guided:
        weights |= condition(32)
    config = SimpleNamespace(cross_attention_dim=2048, layers_per_block=2)
    attending, plain = SimpleNamespace(attentions=()), SimpleNamespace()
    up, down = [attending, attending, plain], [plain, attending, attending]
    return SimpleNamespace(config=config, up_blocks=up, down_blocks=down, state_dict=lambda: weights)


def condition(channels: int) -> dict[str, torch.Tensor]:
    """The weight that a guidance goes through."""
    key = "time_embedding.cond_proj.weight"
    return {key: tiny.weight(key, (channels, 256))}


def levels(kind: str, zero_snr: bool):
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    root = torch.cumprod(1 - betas, 0).sqrt()
    if zero_snr:
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return of_the_pack("levels").Levels.of_alphabar(root.square(), kind)


def loaded(tmp_path, kind: str, zero_snr: bool, guided: bool = False):
    """The model as core's Load Diffusion Model has it, with nothing set by hand."""
    file = tmp_path / "mine.safetensors"
    save_file(of_the_pack("comfyui_keys").unet_keys(network(guided), levels(kind, zero_snr)), file)
    return comfy.sd.load_diffusion_model(str(file), model_options={"dtype": torch.float32})


@pytest.fixture
def sdxl_is_tiny(monkeypatch):
    monkeypatch.setattr(comfy.supported_models.SDXL, "unet_config", TINY_SDXL)


def seen_clean(model, time: int, **text: torch.Tensor) -> torch.Tensor:
    """What the model takes for the clean latents in the oracle's noise."""
    comfy.model_management.load_models_gpu([model])
    sigma = model.get_model_object("model_sampling").sigmas[time].view(1)
    x = tiny.noise(tiny.SDXL_SHAPE) * (sigma**2 + 1).sqrt()
    return model.model.apply_model(x, sigma, **text)


def of_sdxl(model) -> dict[str, torch.Tensor]:
    size = {"width": tiny.SIZE, "height": tiny.SIZE, "crop_w": 0, "crop_h": 0}
    size |= {"target_width": tiny.SIZE, "target_height": tiny.SIZE}
    added = model.model.encode_adm(pooled_output=tiny.pooled(), device=torch.device("cpu"), **size)
    return {"c_crossattn": tiny.states(2048), "y": added}


def golden_clean(name: str, time: int) -> torch.Tensor:
    return torch.tensor(GOLDENS[name]["clean"][str(time)]).view(tiny.SDXL_SHAPE)


def test_core_draws_v_at_zero_snr_as_diffusers(tmp_path, sdxl_is_tiny):
    model = loaded(tmp_path, "v_prediction", True)
    assert model.model.model_type.name == "V_PREDICTION"
    assert model.get_model_object("model_sampling").sigma_max > 1000
    for time in tiny.TIMESTEPS:
        assert (seen_clean(model, time, **of_sdxl(model)) - golden_clean("sdxl", time)).abs().max() <= EXACT


def test_a_guided_student_is_diffusers_with_its_guidance(tmp_path, sdxl_is_tiny, monkeypatch):
    """Marked as v at zero SNR too: the guidance is read from the same file, beside the original's keys."""
    model = loaded(tmp_path, "v_prediction", True, guided=True)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "diffusion_models", ([str(tmp_path)], {".safetensors"}))
    folder_paths.filename_list_cache.clear()
    node = nodes()["AdaptiveLCMGuidance"]
    student = node.execute(model=model, unet_name="mine.safetensors", guidance=tiny.GUIDANCE).args[0]
    for time in tiny.TIMESTEPS:
        expected = golden_clean("guided", time)
        assert (seen_clean(student, time, **of_sdxl(student)) - expected).abs().max() <= EXACT
        assert (seen_clean(model, time, **of_sdxl(model)) - expected).abs().max() > 1e-3
    folder_paths.filename_list_cache.clear()


def test_a_guided_student_of_the_demo_has_its_guidance_for_good(loras):
    bundled, keys = module("adaptive_diffusion.bundled").DEMO_MODELS, of_the_pack("comfyui_keys")
    base = {key: value.float() for key, value in load_file(bundled / "unet" / WEIGHTS).items()}
    save_file(
        keys.difference_keys(keys.with_guidance({**base, **condition(64)}, tiny.GUIDANCE), base),
        loras / "a.safetensors",
    )
    student = with_lora("a.safetensors")
    for time in tiny.TIMESTEPS:
        expected = torch.tensor(GOLDENS["guided"]["said"][str(time)]).view(tiny.DEMO_SHAPE)
        assert (said(student, time) - expected).abs().max() <= EXACT
        assert (golden("none", time) - expected).abs().max() > 1e-3


def test_what_core_cannot_know_is_set_as_the_graph_says():
    """A Stable Diffusion 1 that predicts v at zero SNR, behind ModelSamplingDiscrete."""
    state = {key: tiny.weight(key, tuple(shape)) for key, shape in GOLDENS["sd"]["shapes"].items()}
    own = SimpleNamespace(config=SimpleNamespace(cross_attention_dim=768), state_dict=lambda: state)
    truth = levels("v_prediction", True)
    needed = of_the_pack("comfyui_keys").sampling_to_set(own, truth)
    node = of_the_pack("workflow").model_sampling(*needed)
    config = {**UNET_CONFIG, "context_dim": 768}
    made = comfy.supported_models.SD15(config).get_model({}, "", device="cpu")
    names = comfy.utils.unet_to_diffusers(config)
    written = of_the_pack("comfyui_keys").unet_keys(own, truth)
    made.diffusion_model.load_state_dict({names[key]: value for key, value in written.items()})
    model = comfy.model_patcher.CoreModelPatcher(made, torch.device("cpu"), torch.device("cpu"))
    from nodes import NODE_CLASS_MAPPINGS

    right = NODE_CLASS_MAPPINGS[node["class_type"]]().patch(model, **node["inputs"])[0]
    for time in tiny.TIMESTEPS:
        expected = golden_clean("sd", time)
        assert (seen_clean(right, time, c_crossattn=tiny.states(768)) - expected).abs().max() <= EXACT
        assert (seen_clean(model, time, c_crossattn=tiny.states(768)) - expected).abs().max() > 1e-2


def test_core_takes_plain_v_for_what_it_is(tmp_path, sdxl_is_tiny):
    model = loaded(tmp_path, "v_prediction", False)
    assert model.model.model_type.name == "V_PREDICTION"
    assert model.get_model_object("model_sampling").sigma_max < 100


@pytest.fixture
def written_graph(loras):
    """Of a student of the demo's teacher, whose difference is in the LoRAs, by its own table, made without ComfyUI."""
    bundled = module("adaptive_diffusion.bundled")
    read = {role: load_file(bundled.DEMO_MODELS / role / WEIGHTS) for role in ("unet", "student_unet")}
    difference = of_the_pack("comfyui_keys").difference_keys(read["student_unet"], read["unet"])
    save_file(difference, loras / "mine.safetensors")
    table = json.loads((bundled.TABLES / "Demo.json").read_text())
    table["student"] = {"name": "mine", "lora": True, "steps": 1, "cfg": 1.0, "width": 64, "height": 64}
    file = module("host.files.tables").user_tables() / "mine.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(table))
    workflow = of_the_pack("workflow")
    teacher_settings = {"steps": 5, "cfg": 2.0, "rollback": 0.7}
    made = workflow.load_lora("mine.safetensors")
    yield workflow.graph("mine", {"steps": 1}, teacher_settings, (64, 64), "mine", "demo", None, [made])
    file.unlink()


def test_the_written_graph_runs(comfy_app, written_graph):
    run = comfy_app.run(written_graph)
    assert run.error is None
    assert len(run.ui["14"]["images"]) == 4
    assert run.ui["10"]["adaptive_gate"][0]["warnings"] == []


def test_the_table_of_a_lora_is_that_of_no_other_student(comfy_app, written_graph):
    written_graph["6"]["inputs"]["steps"] = 2
    written_graph["20"]["inputs"]["strength_model"] = 0.0
    [told] = comfy_app.run(written_graph).ui["10"]["adaptive_gate"][0]["warnings"]
    assert "table 'mine' was made with another student: name teacher instead of mine, steps 2 instead of 1" in told


def test_the_written_graph_of_a_guided_unet_links_its_loader_to_its_guidance():
    workflow = of_the_pack("workflow")
    made = [workflow.load_unet("mine.safetensors"), workflow.lcm_guidance("mine.safetensors", 4.5)]
    teacher_settings = {"steps": 12, "cfg": 8.0, "rollback": 0.7}
    graph = workflow.graph("mine", {"steps": 4}, teacher_settings, (512, 512), "mine", "a.pt", "a", made)
    assert graph["21"]["inputs"]["model"] == ["20", 0]
    assert graph["6"]["inputs"]["model"] == ["21", 0]
    assert graph["11"]["inputs"]["model"] == ["1", 0]
    assert "model" not in graph["20"]["inputs"]


def test_core_knows_every_layer_of_an_sd3_lora():
    model = replace(FAMILIES["SD3"], config={**SD3_MMDIT, "depth": 2}).model()
    known = comfy.lora.model_lora_keys_unet(model.model, {})
    targets = of_the_pack("layouts").StableDiffusion3.targets
    layers = [name if "ff" in name else f"attn.{name}" for name in targets]
    names = [f"transformer_blocks.{block}.{name}" for block in (0, 1) for name in layers]
    last_has_none = ("transformer_blocks.1.attn.to_add_out", "transformer_blocks.1.ff_context")
    names = [name for name in names if not name.startswith(last_has_none)]
    weights = {f"{name}.lora_{side}.weight": torch.zeros(1, 1) for name in names for side in "AB"}
    found = of_the_pack("comfyui_keys").lora_keys("transformer", weights, 4)
    assert {key.split(".")[0] for key in found} <= known.keys()
    assert len(names) == 21
