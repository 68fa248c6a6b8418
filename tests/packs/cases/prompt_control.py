"""prompt-control: LoRA hooks, schedules and masks written into the prompt."""

from typing import Any

from graphs import Graph, node
from measure import on_teacher
from teacher import Teacher

PACK = "prompt-control"
LORA = "<lora:random:1.0>"
SCENE = "a red circle left of a blue square"


def encoded(prompt: str, class_type: str = "PCTextEncode", clip: str = "teacher_model") -> dict[str, Any]:
    return node(class_type, clip=[clip, 1 if clip == "teacher_model" else 0], text=prompt)


def prompted(prompt: str, class_type: str = "PCTextEncode") -> Teacher:
    return Teacher({"text": encoded(prompt, class_type)}, positive=["teacher_text", 0])


def masked(prompt: str) -> Teacher:
    """A prompt that may speak of a mask for each image as IMASK(0)."""
    nodes = {
        "masks": node("PacksRandom", rows=4, seed=5),
        "clip": node("PCAddMaskToCLIP", clip=["teacher_model", 1], mask=["teacher_masks", 2]),
        "text": encoded(prompt, clip="teacher_clip"),
    }
    return Teacher(nodes, positive=["teacher_text", 0])


def hooked(prompt: str, mask: bool = False) -> Teacher:
    """The hooks of a prompt's LoRAs on a part of the conditioning, perhaps with a mask for each image."""
    nodes: Graph = {
        "hooks": node("PCLoraHooksFromText", text=prompt),
        "masks": node("PacksRandom", rows=4, seed=5),
        "part": encoded("a green cross"),
    }
    more = {"hooks": ["teacher_hooks", 0], **({"mask": ["teacher_masks", 2]} if mask else {})}
    whole = {"cond": ["teacher_positive", 0], "cond_NEW": ["teacher_part", 0], "set_cond_area": "default"}
    nodes["joined"] = node("ConditioningSetPropertiesAndCombine", strength=1.0, **whole, **more)
    return Teacher(nodes, positive=["teacher_joined", 0])


def lazy_lora(prompt: str) -> Teacher:
    nodes = {
        "lora": node("PCLazyLoraLoader", model=["teacher_model", 0], clip=["teacher_model", 1], text=prompt),
        "text": node("PCLazyTextEncode", clip=["teacher_lora", 1], text=prompt),
    }
    return Teacher(nodes, model=["teacher_lora", 0], positive=["teacher_text", 0])


CASES = [
    on_teacher(PACK, "LoRA hooks", hooked(LORA)),
    on_teacher(PACK, "LoRA hooks, scheduled", hooked(f"[{LORA}::0.5]")),
    on_teacher(PACK, "LoRA hooks and a mask for each image", hooked(f"[{LORA}::0.5]", mask=True)),
    on_teacher(PACK, "PCTextEncode, weights", prompted("a (red:1.4) circle BREAK a blue square")),
    on_teacher(PACK, "PCTextEncode, AND", prompted(f"{SCENE} AND a green cross :0.5")),
    on_teacher(PACK, "a mask for each image", masked(f"{SCENE} AND IMASK(0) a green cross")),
    on_teacher(PACK, "PCTextEncode, COUPLE", prompted(f"{SCENE} FILL() COUPLE(0.5 1) a green cross")),
    on_teacher(PACK, "PCLazyTextEncode, scheduled", prompted("a [red:green:0.5] circle", "PCLazyTextEncode")),
    on_teacher(PACK, "PCLazyLoraLoader", lazy_lora(f"{SCENE} {LORA}")),
    on_teacher(PACK, "PCLazyLoraLoader, scheduled", lazy_lora(f"{SCENE} [{LORA}::0.5]")),
]
