"""Noise schedules, rollback, solvers and noise: what denoising takes, whoever runs it."""
