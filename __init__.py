"""Adaptive Diffusion for ComfyUI: a student draws, an estimator scores, a teacher improves only what falls short."""

from .nodes import AdaptiveDiffusionExtension

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> AdaptiveDiffusionExtension:
    return AdaptiveDiffusionExtension()
