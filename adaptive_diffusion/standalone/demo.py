"""The whole method on the tiny models that come with the pack, with nothing to download."""

import io
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from transformers import CLIPTextModel, PreTrainedTokenizerFast

from .. import estimators
from ..bundled import DEMO_MODELS, TABLES
from ..estimators import Estimator
from ..files import write_atomically
from ..gate.learned import LearnedGate
from ..quoting import quoted
from ..report import record
from ..sheet import ContactSheet, SheetRow, sheet_row
from ..vocabulary import check_words
from .identity import DEMO_NAME
from .pipeline import AdaptiveDiffusionPipeline, AdaptiveResult

GATE = TABLES / "Demo gate.safetensors"
TinyVae: Any = AutoencoderTiny  # diffusers loads its classes lazily, so that type checkers do not see them
NAMES = {"student_unet": DEMO_NAME, "unet": "teacher"}
K = 30
SEED = 0
PROMPTS = (
    "a small green circle on white",
    "a large red square on sand",
    "a small yellow cross on black",
    "a yellow triangle above an orange circle on black",
    "a red cross below a yellow triangle on black",
    "a blue triangle right of a purple square on sky",
    "a yellow square above an orange circle on sky",
    "a purple circle below a purple cross on white",
    "a red square left of a red cross and a yellow cross below on sand",
    "a green circle right of a purple square and a purple triangle above on white",
    "a blue circle left of a blue cross and a purple square above on sky",
    "a red square left of a red circle and a purple cross below on sky",
)
TITLE = """The student draws, the estimator scores, the gate foresees what the teacher improves
Tiny 64 px demo models: they show the mechanism, not the quality."""


def settings(models: Path | None = None) -> dict[str, Any]:
    """How the demo models are meant to be run: `size` in pixels, `student` and `teacher` with their steps and cfg.

    The teacher's `steps` are those of refining; without the student's image it needs `steps_alone`. models: the folder
    of other ones than come with the pack, here and below.
    """
    return json.loads(_file("settings.json", models).read_text("utf-8"))


def load_student(models: Path | None = None) -> StableDiffusionPipeline:
    """The demo student as a text-to-image pipeline, float32, on the CPU."""
    scheduler = LCMScheduler.from_pretrained(_file("student_scheduler", models), steps_offset=1)
    return _load(StableDiffusionPipeline, "student_unet", scheduler, models)


def load_teacher(models: Path | None = None) -> StableDiffusionImg2ImgPipeline:
    """The demo teacher as an image-to-image pipeline with UniPC, float32, on the CPU."""
    scheduler = UniPCMultistepScheduler.from_pretrained(_file("scheduler", models), steps_offset=1)
    return _load(StableDiffusionImg2ImgPipeline, "unet", scheduler, models)


class DemoVae(TinyVae):
    """The demo's autoencoder, which lets latents through as they are.

    diffusers' image-to-image of Stable Diffusion takes latents in a picture's place only where they have four channels,
    as its own models' have; the demo's have eight, and would be decoded and encoded again.
    """

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Any:
        if x.shape[1] == self.config.latent_channels:
            return AutoencoderTinyOutput(latents=x)
        return super().encode(x, return_dict)


def load_estimator(models: Path | None = None) -> Estimator:
    return estimators.load(_file("estimator", models) / "model.safetensors")


def check_prompt(prompt: str) -> None:
    """ValueError if the prompt is empty or has words that the demo models do not know, which it names."""
    if not prompt.strip():
        raise ValueError("the prompt is empty; describe a scene, such as 'a large red circle on sky'")
    check_words(prompt, _tokenizer().get_vocab())


def run(out: Path) -> str:
    """Draw the demo's captions, write their contact sheet to `out` as PNG and return what happened as text."""
    result, final_scores = _draw()
    teacher = settings()["teacher"]
    records = record(result.decision, result.seeds, final_scores)
    totals = _totals(result, teacher["steps_alone"])
    page = next(iter(ContactSheet(_rows(result, records), totals, TITLE)))
    data = io.BytesIO()
    page.save(data, "PNG")
    write_atomically(out, data.getvalue())
    return "\n".join([*_table(records), "", totals, f"The contact sheet is {out}."])


def _draw() -> tuple[AdaptiveResult, list[float]]:
    """The demo's images, and the estimator's scores of the improved ones."""
    student, teacher = settings()["student"], settings()["teacher"]
    estimator = load_estimator()
    gate = LearnedGate.load(GATE) if GATE.exists() else None
    pipeline = AdaptiveDiffusionPipeline(estimator, load_student(), load_teacher, gate)
    result = pipeline(
        PROMPTS,
        num_inference_steps_student=student["steps"],
        num_inference_steps_teacher=teacher["steps"],
        student_guidance=student["cfg"],
        teacher_guidance=teacher["cfg"],
        sigma=teacher["rollback"],
        k=K,
        seed=SEED,
        batch_size=len(PROMPTS),
    )
    decision = result.decision
    if not decision.any_rejected:
        return result, []
    prompts = [PROMPTS[i] for i in decision.rejected]
    return result, estimator.score(decision.take(result.pixels), prompts).tolist()


def _rows(result: AdaptiveResult, records: list[dict[str, Any]]) -> list[SheetRow]:
    return [
        sheet_row(entry, student, final)
        for entry, student, final in zip(records, result.student_images, result.images, strict=True)
    ]


def _table(records: list[dict[str, Any]]) -> list[str]:
    width = max(len(entry["verdict"]) for entry in records)
    lines = [f"{'student':>7}  {'risk':>4}  {'verdict':<{width}}  {'final':>7}  {'steps':>5}  prompt"]
    for entry in records:
        risk = "" if entry["risk"] is None else f"{entry['risk']:.2f}"
        cells = f"{entry['score']:7.2f}  {risk:>4}  {entry['verdict']:<{width}}  {entry['final_score']:7.2f}"
        lines.append(f"{cells}  {entry['steps']:>5}  {entry['prompt']}")
    return lines


def _totals(result: AdaptiveResult, alone: int) -> str:
    """What was improved and what it cost, beside the teacher alone in so many steps."""
    decision, evaluations = result.decision, result.evaluations
    reason = "the risk that its image is better is over" if decision.risks else "their score is below"
    return (
        f"{len(decision.rejected)} of {len(decision)} images went to the teacher: {reason} "
        f"{decision.threshold:.2f} ({decision.table}, k={K}).\n"
        f"Steps per image: {result.average_steps:.1f} on average; the teacher alone takes {alone}.\n"
        f"Network evaluations per image: {sum(evaluations) / len(evaluations):.1f} on average"
        f"{_evaluations_alone(result, alone)}."
    )


def _evaluations_alone(result: AdaptiveResult, steps: int) -> str:
    """What the teacher alone takes, by what it took for a step here; nothing where it drew all images, or none."""
    if not (result.decision.accepted and result.decision.rejected):
        return ""
    kept, improved = result.decision.accepted[0], result.decision.rejected[0]
    more = result.evaluations[improved] - result.evaluations[kept]
    rows = more / (result.steps[improved] - result.steps[kept])
    guidance = ", two a step because of its guidance" if rows == 2 else ""
    return f"; the teacher alone takes {rows * steps:g}{guidance}"


def _load(kind: Any, unet: str, scheduler: Any, models: Path | None) -> Any:
    """A pipeline of the shared text encoder and VAE with one of the UNets."""
    local: dict[str, Any] = {"local_files_only": True}
    exact = {**local, "torch_dtype": torch.float32}
    vae = DemoVae.from_pretrained(_file("vae", models), **exact).to(memory_format=torch.channels_last)
    pipeline = kind(
        vae=vae,
        text_encoder=CLIPTextModel.from_pretrained(_file("text_encoder", models), **local, dtype=torch.float32),
        tokenizer=_tokenizer(models),
        unet=UNet2DConditionModel.from_pretrained(_file(unet, models), **exact),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    sizes = {"vae_scale_factor": pipeline.vae_scale_factor, "vae_latent_channels": vae.config.latent_channels}
    pipeline.image_processor = VaeImageProcessor(**sizes)
    pipeline.register_to_config(_name_or_path=NAMES[unet])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _tokenizer(models: Path | None = None) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(_file("tokenizer", models), local_files_only=True)


def _file(name: str, models: Path | None = None) -> Path:
    path = (models or DEMO_MODELS) / name
    if not path.exists():
        raise FileNotFoundError(
            f"the demo models lack {quoted(name)}; install the pack again, with its folder demo_models"
        )
    return path
