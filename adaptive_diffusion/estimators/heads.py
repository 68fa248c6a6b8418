"""Files of vision-language models, and of reward heads on them: told by their keys, and why they cannot be loaded."""

from ..quoting import quoted
from .weights import Shapes

HEAD, CONDITION, LANGUAGE = "rm_head.", "film_gen.", "layers.0.self_attn.q_proj.weight"
DEEPSTACK = "visual.deepstack_merger_list.0.norm.weight"
CURE = "link a Qwen3-VL text encoder to Judge from Text Encoder, or choose another estimator"


def refuse_heads(name: str, shapes: Shapes) -> None:
    """ValueError that says what is missing where a file of these tensors is or rests on a vision-language model."""
    if any(HEAD in key for key in shapes):
        raise ValueError(f"{quoted(name)} {_of_head(shapes)}; {CURE}")
    if any(key.endswith(DEEPSTACK) for key in shapes):
        raise ValueError(
            f"{quoted(name)} is a Qwen3-VL, which is a text encoder; move it to models/text_encoders, "
            "load it with Load CLIP and link that to Judge from Text Encoder"
        )


def _of_head(shapes: Shapes) -> str:
    """Which reward model it is, and what of it cannot be had."""
    if not any(LANGUAGE in key for key in shapes):
        return "holds the head of HPSv3 alone, without the Qwen-VL that it reads"
    if any(CONDITION in key for key in shapes):
        return "is HPSv3++, whose conditioned head on a Qwen3-VL 8B this pack does not have"
    return "is HPSv3, a head on Qwen2-VL 7B, which ComfyUI does not have"
