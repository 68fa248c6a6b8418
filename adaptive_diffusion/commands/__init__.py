"""What python -m adaptive_diffusion can do, a command a file; each says what it needs and imports it when it runs."""
