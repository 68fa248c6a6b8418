"""The files that the examples need, with the links of ComfyUI's own templates or of their authors' pages."""

from .parts import ModelFile

HUB = "https://huggingface.co"


def _file(name: str, repository: str, directory: str, path: str | None = None) -> ModelFile:
    return ModelFile(name, f"{HUB}/{repository}/resolve/main/{path or name}", directory)


IMAGE_REWARD = _file("ImageReward.pt", "zai-org/ImageReward", "quality_estimators")

SDXL = _file("sd_xl_base_1.0.safetensors", "stabilityai/stable-diffusion-xl-base-1.0", "checkpoints")
SDXL_REFINER = _file("sd_xl_refiner_1.0.safetensors", "stabilityai/stable-diffusion-xl-refiner-1.0", "checkpoints")
SDXL_TURBO = _file("sd_xl_turbo_1.0_fp16.safetensors", "stabilityai/sdxl-turbo", "checkpoints")
LIGHTNING = _file("sdxl_lightning_4step_lora.safetensors", "ByteDance/SDXL-Lightning", "loras")
LCM_LORA = _file(
    "lcm_lora_sdxl.safetensors", "latent-consistency/lcm-lora-sdxl", "loras", "pytorch_lora_weights.safetensors"
)
LCM_SDXL = _file(
    "lcm_sdxl_fp16.safetensors",
    "latent-consistency/lcm-sdxl",
    "diffusion_models",
    "diffusion_pytorch_model.fp16.safetensors",
)
QWEN3_VL = _file(
    "qwen3vl_4b_fp8_scaled.safetensors",
    "Comfy-Org/Krea-2",
    "text_encoders",
    "text_encoders/qwen3vl_4b_fp8_scaled.safetensors",
)
CANNY = _file("diffusers_xl_canny_full.safetensors", "lllyasviel/sd_control_collection", "controlnet")


def _split(name: str, repository: str, directory: str) -> ModelFile:
    return _file(name, f"Comfy-Org/{repository}", directory, f"split_files/{directory}/{name}")


Z_IMAGE_TURBO = _split("z_image_turbo_bf16.safetensors", "z_image_turbo", "diffusion_models")
Z_IMAGE = _split("z_image_bf16.safetensors", "z_image", "diffusion_models")
Z_IMAGE_TEXT = _split("qwen_3_4b.safetensors", "z_image_turbo", "text_encoders")
Z_IMAGE_VAE = _split("ae.safetensors", "z_image_turbo", "vae")

KLEIN = _split("flux-2-klein-4b.safetensors", "flux2-klein", "diffusion_models")
KLEIN_BASE = _split("flux-2-klein-base-4b.safetensors", "flux2-klein", "diffusion_models")
KLEIN_TEXT = _split("qwen_3_4b.safetensors", "flux2-klein", "text_encoders")
KLEIN_VAE = _split("flux2-vae.safetensors", "flux2-dev", "vae")
