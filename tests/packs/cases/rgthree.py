"""rgthree: switches, contexts, a comparer and a loader of LoRAs."""

from graphs import Graph, node
from measure import on_teacher
from teacher import Teacher

from .demo import TEACHERS, at_the_end, before_teacher, way

PACK = "rgthree"
LORA = {"on": True, "lora": "random.safetensors", "strength": 1.0}
CONTEXT = node("Context (rgthree)", **TEACHERS)
END = node("Any Switch (rgthree)", any_01=["merge", 0], any_02=["student_images", 0])


def power_lora() -> Teacher:
    links = {"model": ["teacher_model", 0], "clip": ["teacher_model", 1]}
    return Teacher({"lora": node("Power Lora Loader (rgthree)", lora_1=LORA, **links)}, model=["teacher_lora", 0])


def compared(graph: Graph) -> Graph:
    comparer = node("Image Comparer (rgthree)", image_a=["student_images", 0], image_b=["merge", 0])
    return {**graph, "comparer": comparer}


CASES = [
    on_teacher(PACK, "Power Lora Loader", power_lora()),
    before_teacher(PACK, "Any Switch, model", node("Any Switch (rgthree)", any_01=TEACHERS["model"]), model=0),
    at_the_end(PACK, "Any Switch, end", END),
    before_teacher(PACK, "Context", CONTEXT, model=1, positive=4, negative=5),
    way(PACK, "Image Comparer", compared),
]
