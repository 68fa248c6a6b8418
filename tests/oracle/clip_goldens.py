"""Write what open_clip, hpsv2's preprocessing and transformers' tokenizer answer; run as

    pip install open_clip_torch==3.3.0 ftfy==6.3.1 transformers==4.50.3 && pip install --no-deps hpsv2==1.2.0
    python -m tests.oracle.clip_goldens FOLDER

in an environment of its own. FOLDER: with CLIP's vocab.json and merges.txt.
"""

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy
import torch
from PIL import Image

from . import clip_prompts, clip_weights, images, prompts
from .goldens import ids_digest, texts_digest
from .weights import digest

SCORES = Path(__file__).with_name("clip_scores.json")
TOKENS = Path(__file__).with_name("clip_tokens.json")
HEADS = 16


def network() -> torch.nn.Module:
    """open_clip's CLIP with the random weights."""
    from open_clip.model import CLIP

    w = clip_weights
    vision = dict(image_size=w.IMAGE, patch_size=w.PATCH, width=w.VISION, layers=w.LAYERS, head_width=w.VISION // HEADS)
    text = dict(context_length=w.LENGTH, vocab_size=w.WORDS, width=w.TEXT, layers=w.LAYERS, heads=HEADS)
    clip = CLIP(w.EMBEDDING, vision, text).train(False)
    clip.load_state_dict({key: torch.from_numpy(numpy.asarray(value)) for key, value in w.make().items()})
    return clip


def preprocessing() -> Callable[[Image.Image], torch.Tensor]:
    """hpsv2's, without the rest of the package: its wheel lacks a file that it reads when it is imported."""
    package = ModuleType("hpsv2_open_clip")
    package.__path__ = [str(Path(find_spec("hpsv2").origin).parent / "src/open_clip")]
    sys.modules[package.__name__] = package
    module = import_module("hpsv2_open_clip.transform")
    return module.image_transform(clip_weights.IMAGE, is_train=False, resize_longest_max=True)


def scores() -> dict:
    """Cosines (images, prompts), the prompts' ids, and the digest of the weights."""
    from open_clip.tokenizer import SimpleTokenizer

    clip, prepare = network(), preprocessing()
    ids = SimpleTokenizer()(list(prompts.SCORED))
    texts = clip.encode_text(ids, normalize=True)

    def cosines(pictures: Sequence[numpy.ndarray]) -> list:
        pixels = [prepare(Image.fromarray(picture))[None] for picture in pictures]
        return [(clip.encode_image(one, normalize=True) @ texts.T)[0].tolist() for one in pixels]

    tables = {"exact": cosines(images.exact()), "resized": cosines(images.resized())}
    return {"weights": digest(clip_weights.make()), "ids": ids.tolist(), **tables}


def tokens(folder: str) -> dict:
    """Digests of every prompt's ids, up to the end and at most 77, after open_clip and after transformers.

    open_clip's is null where ftfy takes the prompt for text that was decoded wrongly.
    """
    from ftfy import fix_text
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizerFast

    mine, theirs = SimpleTokenizer(), CLIPTokenizerFast.from_pretrained(folder)
    texts = clip_prompts.fuzzed()
    whole = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    cut = [row[: row.index(mine.eot_token_id) + 1] for row in mine(texts).tolist()]
    other = [theirs(text, truncation=True, max_length=clip_weights.LENGTH).input_ids for text in whole]
    guessed = [fix_text(text) != fix_text(text, fix_encoding=False) for text in texts]
    known = [None if guess else ids_digest(row) for guess, row in zip(guessed, cut, strict=True)]
    digests = {"open_clip": known, "transformers": list(map(ids_digest, other))}
    return {"prompts": texts_digest(texts), **digests}


@torch.inference_mode()
def main(folder: str) -> None:
    torch.set_num_threads(1)
    for path, content in ((SCORES, scores()), (TOKENS, tokens(folder))):
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
