"""What is to be drawn, and how ComfyUI draws it."""
