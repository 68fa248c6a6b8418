"""Where ComfyUI keeps what the nodes read and write."""
