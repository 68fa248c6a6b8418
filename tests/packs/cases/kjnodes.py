"""KJNodes: lazy switches, picked images, lists of numbers; and a node of ComfyUI that makes a list of a batch.

No graph holds the pack's Set and Get: the browser replaces them before it queues one.
"""

from graphs import Graph, changed, node

from .demo import TEACHERS, at_the_end, before_scores, before_teacher, plain, way

PACK = "KJNodes"
NUMBERS = "0.3, 0.1, 0.4, 0.2"
ONE_BY_ONE = node("RebatchImages", images=["student_images", 0], batch_size=1)
PICKED = node("GetImagesFromBatchIndexed", images=["student_images", 0], indexes="0, 1, 2")
END = node("LazySwitchKJ", switch=["gate", 1], on_true=["merge", 0], on_false=["student_images", 0])
MODEL = node("LazySwitchKJ", switch=True, on_true=TEACHERS["model"], on_false=["student_models", 0])


def listed(graph: Graph) -> Graph:
    return judged(graph, node("StringToFloatList", string=NUMBERS))


def judged(graph: Graph, judge: dict) -> Graph:
    return changed({**graph, "numbers": judge}, "gate", scores=["numbers", 0])


def usually_judged(k: float) -> Graph:
    return judged(plain(k), node("TestNumbers", text=NUMBERS.replace(",", "")))


CASES = [
    at_the_end(PACK, "LazySwitchKJ by any_rejected", END),
    before_teacher(PACK, "LazySwitchKJ, model", MODEL, model=0),
    before_scores(PACK, "3 of 4 images scored", PICKED),
    way(PACK, "StringToFloatList as scores", listed, usually_judged),
    before_scores(
        "core", "RebatchImages(1) before the scores", node("RebatchImages", images=["student_images", 0], batch_size=1)
    ),
]
