"""Assemble the trained parts as a diffusers folder in half precision.

python -m training.export
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, DDIMScheduler, LCMScheduler, UNet2DConditionModel

from .common import RUNS
from .diffusion import SCHEDULE, new_unet
from .student import averaged_teacher
from .text import save_text_model, save_tokenizer

DEMO_MODELS = Path(__file__).parent.parent / "demo_models"
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderTiny"],
}


def averaged_student(run: Path) -> UNet2DConditionModel:
    averaged = torch.optim.swa_utils.AveragedModel(new_unet())
    averaged.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["averaged"])
    return averaged.module


def export(runs: Path, folder: Path) -> None:
    tuned = runs / "tuned"
    teacher = averaged_teacher(tuned if tuned.exists() else runs / "teacher")
    teacher["unet"].half().save_pretrained(folder / "unet")
    save_text_model(teacher["text"], folder / "text_encoder")
    save_tokenizer(folder / "tokenizer")
    AutoencoderTiny.from_pretrained(runs / "vae/vae").half().save_pretrained(folder / "vae")
    DDIMScheduler(**SCHEDULE).save_pretrained(folder / "scheduler")
    if (runs / "student/checkpoint.pt").exists():
        averaged_student(runs / "student").half().save_pretrained(folder / "student_unet")
        LCMScheduler(**SCHEDULE).save_pretrained(folder / "student_scheduler")
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=Path, default=RUNS)
    options.add_argument("--out", type=Path, default=DEMO_MODELS)
    chosen = options.parse_args()
    export(chosen.runs, chosen.out)
