"""The package with its data, which lies beside it in the repository and in it once it is installed."""

from setuptools import find_packages, setup

DATA = {f"adaptive_diffusion.data.{folder}": folder for folder in ("demo_models", "percentiles", "prompts")}

setup(
    packages=[*find_packages(include=["adaptive_diffusion*"]), *DATA],
    package_dir=DATA,
    package_data={"": ["*"], "adaptive_diffusion.data.demo_models": ["**/*"], "adaptive_diffusion.sheet": ["fonts/*"]},
)
