"""Whether a network does what judging by it rests on, found by trying it once on two small pictures."""

import torch

from .network import Network, ask

SIDE, APART = 256, 0.05
TRIED = ("Is this picture red?", "Does this picture show a cat, or anything else that lives?")


def check_answering(network: Network) -> None:
    """ValueError where pictures do not matter, or questions of one pass do: numbers would come out all the same."""
    slope = torch.arange(SIDE, dtype=torch.uint8).expand(3, SIDE, SIDE)
    slopes, plain = network.look(slope), network.look(torch.full_like(slope, 200))
    together = ask(network, slopes, TRIED).odds
    if torch.equal(together, ask(network, plain, TRIED).odds):
        raise ValueError(
            f"{network.name} answers the same whatever it is shown, so it does not see the images; "
            "load its file with Load CLIP again, or a whole file"
        )
    alone = torch.cat([ask(network, slopes, [question]).odds for question in TRIED])
    if (apart := (together - alone).abs().max().item()) > APART:
        raise ValueError(
            f"{network.name} answers otherwise, by {apart:.2g}, when it is asked several questions at once; "
            "this version of ComfyUI or transformers is not known to the pack: update the pack"
        )
