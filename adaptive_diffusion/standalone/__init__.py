"""The method without ComfyUI, on diffusers' pipelines (extra `standalone`)."""
