"""IPAdapter_plus: pictures that guide the teacher, one for all images or one for each."""

from typing import Any

from graphs import Graph, node
from measure import on_teacher
from teacher import Teacher

PACK = "IPAdapter_plus"
COMMON = {"weight": 1.0, "weight_type": "linear", "start_at": 0.0, "end_at": 1.0, "embeds_scaling": "V only"}


def nodes(class_type: str, pictures: int, **inputs: Any) -> Graph:
    """The nodes that let `pictures` pictures guide the teacher; the last is "adapted"."""
    links = {"model": ["teacher_model", 0], "ipadapter": ["teacher_adapter", 0], "clip_vision": ["teacher_vision", 0]}
    return {
        "pictures": node("PacksRandom", rows=pictures, seed=2),
        "others": node("PacksRandom", rows=4, seed=3),
        "adapter": node("IPAdapterModelLoader", ipadapter_file="random.safetensors"),
        "vision": node("PacksClipVision"),
        "adapted": node(class_type, image=["teacher_pictures", 1], **links, **{**COMMON, **inputs}),
    }


def advanced(pictures: int, **inputs: Any) -> Teacher:
    own = {"combine_embeds": "concat", **inputs}
    return Teacher(nodes("IPAdapterAdvanced", pictures, **own), model=["teacher_adapted", 0])


def batch(pictures: int, max_batch: int = 16, **inputs: Any) -> Teacher:
    own = {"encode_batch_size": 0, **inputs}
    adapted = nodes("IPAdapterBatch", pictures, **own)
    return Teacher(adapted, model=["teacher_adapted", 0], inputs={"max_batch": max_batch})


CASES = [
    on_teacher(PACK, "Advanced, concat", advanced(2)),
    on_teacher(PACK, "Advanced, average", advanced(2, combine_embeds="average")),
    on_teacher(PACK, "Batch, 4 pictures", batch(4)),
    on_teacher(PACK, "Batch, 2 pictures for 4 images", batch(2)),
    on_teacher(PACK, "Batch, a mask for each image", batch(4, attn_mask=["teacher_others", 2])),
    on_teacher(PACK, "Batch, a negative picture for each", batch(4, image_negative=["teacher_others", 1])),
    on_teacher(PACK, "Batch, ease in", batch(4, weight_type="ease in")),
    on_teacher(PACK, "Batch, max_batch 1", batch(4, max_batch=1)),
]
