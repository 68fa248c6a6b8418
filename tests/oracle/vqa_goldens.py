"""Write VQAScore as t2v_metrics itself takes it of a tiny Qwen3-VL; run as

    pip install torch torchvision transformers==5.24.0 accelerate==1.15.0 qwen-vl-utils==0.0.14 av psutil
    python -m tests.oracle.vqa_goldens T2V_METRICS TOKENIZER

in an environment of its own. T2V_METRICS: a clone of github.com/linzhiqiu/t2v_metrics, made with its commit 6ecb74f;
only its Qwen3-VL model is imported, whose __init__ files would ask for much more. TOKENIZER: folder of Qwen's words,
such as ComfyUI's comfy/text_encoders/qwen25_tokenizer.
"""

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
import transformers
from PIL import Image

from tests.tiny_vlm import PROCESSOR, save_folder, tiny_model

from . import vqa
from .goldens import write

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""What the chat template of Qwen3-VL-Instruct makes of one image and one text."""


def reference(clone: Path):
    """The module of their Qwen3-VL model."""
    for name in ("t2v_metrics", "t2v_metrics.models", "t2v_metrics.models.vqascore_models"):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(clone.joinpath(*name.split(".")))]
    constants = sys.modules["t2v_metrics.constants"] = ModuleType("t2v_metrics.constants")
    constants.HF_CACHE_DIR = ""
    return import_module("t2v_metrics.models.vqascore_models.qwen3vl_model")


def folder_of_model(folder: Path, words: Path) -> Path:
    """The tiny model with all that AutoProcessor opens."""
    save_folder(tiny_model(numbers=vqa.numbers), folder, words)
    tokenizer = transformers.AutoTokenizer.from_pretrained(words)
    images = transformers.Qwen2VLImageProcessor(**{k: v for k, v in PROCESSOR.items() if "type" not in k})
    videos = transformers.Qwen3VLVideoProcessor()
    transformers.Qwen3VLProcessor(images, tokenizer, videos, chat_template=CHAT).save_pretrained(folder)
    return folder


def main() -> None:
    torch.set_num_threads(1)
    module = reference(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder_of_model(Path(temporary), Path(sys.argv[2]))
        how = {"path": str(folder), "torch_dtype": torch.float32, "attn_implementation": "sdpa"}
        module.QWEN3_VL_MODELS["tiny"] = {"tokenizer": {"path": str(folder)}, "model": how}
        judge = module.Qwen3VLModel("tiny", device="cpu")
        plain = probabilities(judge, folder)
        own = judge._compute_token_prob
        judge._compute_token_prob = lambda logits, *more: own(logits.double(), *more)
        write(vqa.GOLDENS, {"as it is": plain, "softmax in float64": probabilities(judge, folder)})


def probabilities(judge, folder: Path) -> dict[str, list[float]]:
    """What it says of every image for every prompt."""
    found = {}
    for name in vqa.SIZES:
        path = folder / f"{name}.png"
        Image.fromarray(vqa.picture(name)).save(path)
        found[name] = [judge.forward([str(path)], [prompt]).item() for prompt in vqa.PROMPTS]
    return found


if __name__ == "__main__":
    main()
