"""Adaptive student/teacher diffusion (CVPR 2024, arXiv 2312.10835), free of any host application."""

from typing import Any

from .quoting import quoted


def __getattr__(name: str) -> Any:
    """`AdaptiveDiffusionPipeline`, loaded on first use because it needs diffusers (extra `standalone`)."""
    if name != "AdaptiveDiffusionPipeline":
        raise AttributeError(f"module {quoted(__name__)} has no attribute {quoted(name)}")
    from .standalone.pipeline import AdaptiveDiffusionPipeline

    return AdaptiveDiffusionPipeline
