"""Assemble the trained parts as a diffusers folder in half precision.

The student is made of the folder's teacher, by `distill`, and so comes with a second call.

python -m training.export
"""

import argparse
import json
from pathlib import Path

from diffusers import DDIMScheduler, LCMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

from .common import RUNS
from .diffusion import SCHEDULE, new_unet
from .teacher import trained_teacher
from .text import save_text_model, save_tokenizer
from .vae import trained_vae

DEMO_MODELS = Path(__file__).parent.parent / "demo_models"
STUDENT = Path("student/student/unet/diffusion_pytorch_model.safetensors")
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


def distilled_student(runs: Path) -> UNet2DConditionModel:
    student = new_unet()
    student.load_state_dict(load_file(runs / STUDENT))
    return student


def export(runs: Path, folder: Path) -> None:
    teacher = trained_teacher(runs)
    teacher["unet"].half().save_pretrained(folder / "unet")
    save_text_model(teacher["text"], folder / "text_encoder")
    save_tokenizer(folder / "tokenizer")
    trained_vae(runs).half().save_pretrained(folder / "vae")
    if (runs / STUDENT).exists():
        distilled_student(runs).half().save_pretrained(folder / "student_unet")
    for kind, name in ((DDIMScheduler, "scheduler"), (LCMScheduler, "student_scheduler")):
        kind(**SCHEDULE).save_pretrained(folder / name)
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=Path, default=RUNS)
    options.add_argument("--out", type=Path, default=DEMO_MODELS)
    chosen = options.parse_args()
    export(chosen.runs, chosen.out)
