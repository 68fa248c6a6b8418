"""Adaptive student/teacher diffusion (CVPR 2024, arXiv 2312.10835), free of any host application."""
