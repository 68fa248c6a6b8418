"""A tiny Qwen3-VL from a file, as Load CLIP would load it if ComfyUI took its sizes from the file."""

import gc
import weakref

import comfy.model_management
import comfy.sd
import comfy.text_encoders.qwen3vl as qwen3vl
import folder_paths

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
VISION = {"hidden_size": 64, "intermediate_size": 96, "depth": 4, "deepstack_visual_indexes": [0, 1, 2]}
HEADS = 4


class TinyVision:
    """Load CLIP with the sizes of tests/tiny_vlm.py; the file lies in models/text_encoders."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "run"
    CATEGORY = "tests"
    made: list = []

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {})}}

    def run(self, name):
        qwen3vl.QWEN3VL_VISION["qwen3vl_8b"] = VISION
        qwen3vl.QWEN3VL_VISION_COMMON["num_heads"] = HEADS
        path = folder_paths.get_full_path_or_raise("text_encoders", name)
        options = {"qwen3vl_8b_model_config": TEXT}
        clip = comfy.sd.load_clip([path], clip_type=comfy.sd.CLIPType.QWEN_IMAGE, model_options=options)
        self.made.append(weakref.ref(clip.cond_stage_model))
        return (clip,)


class Loaded:
    """Which networks ComfyUI's memory manager holds, and how many text encoders of TinyVision were made and live."""

    RETURN_TYPES = ()
    FUNCTION = "run"
    CATEGORY = "tests"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"optional": {"after": ("*", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    @classmethod
    def IS_CHANGED(cls, **_):
        return float("nan")

    def run(self, after=None):
        gc.collect()
        held = [type(each.model.model).__name__ for each in comfy.model_management.current_loaded_models]
        alive = sum(made() is not None for made in TinyVision.made)
        return {"ui": {"held": held, "made": [len(TinyVision.made)], "alive": [alive]}}
