"""The cases of each pack."""

from . import (
    advanced_controlnet,
    easy_use,
    ipadapter,
    kjnodes,
    perturbed_attention,
    prompt_control,
    res4lyf,
    rgthree,
)

PACKS = (ipadapter, advanced_controlnet, res4lyf, prompt_control, perturbed_attention, kjnodes, rgthree, easy_use)
CASES = [case for pack in PACKS for case in pack.CASES]
