"""ComfyUI servers as workers: a saved workflow is queued for each unit of a run."""
