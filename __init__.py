"""Adaptive Diffusion for ComfyUI: a student draws, an estimator scores, a teacher improves only what falls short."""

import logging

try:
    from comfyui_version import __version__ as comfyui
except ImportError:  # the first versions do not say theirs
    comfyui = "0.0"

if [int(part) for part in comfyui.split(".")[:2]] < [0, 19]:
    logging.error("Adaptive Diffusion needs ComfyUI 0.19.0 or newer, and this is %s; update ComfyUI", comfyui)
    NODE_CLASS_MAPPINGS: dict[str, type] = {}
else:
    from .nodes import AdaptiveDiffusionExtension

    WEB_DIRECTORY = "./web"

    async def comfy_entrypoint() -> AdaptiveDiffusionExtension:
        return AdaptiveDiffusionExtension()
