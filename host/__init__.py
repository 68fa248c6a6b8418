"""The only code besides the nodes that knows ComfyUI."""
