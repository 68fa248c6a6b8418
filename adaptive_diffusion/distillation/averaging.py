"""The moving average of a network's weights, as a network that can be asked."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.training_utils import EMAModel

DECAY = 0.95


class Averaged(EMAModel):
    """diffusers' moving average, whose averages are the weights of `network`, a copy of the one that is averaged."""

    def __init__(self, trained: torch.nn.Module, decay: float = DECAY):
        self.network: Any = copy.deepcopy(trained).requires_grad_(False)
        super().__init__(self.network.parameters(), decay)
        self.shadow_params = list(self.network.parameters())

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(dict(state_dict))
        self.copy_to(self.network.parameters())
        self.shadow_params = list(self.network.parameters())
