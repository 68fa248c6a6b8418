"""What a network predicts of x = a x0 + s e, and what follows from it: the clean x0 and the noise e.

On diffusion models a = sqrt(alphabar) and s = sqrt(1 - alphabar); on flow models a = 1 - t and s = t.
"""

import torch

EPSILON, V, SAMPLE, FLOW = "epsilon", "v_prediction", "sample", "flow_prediction"
DIFFUSION = (EPSILON, V, SAMPLE)


def clean_and_noise(
    kind: str, prediction: torch.Tensor, x: torch.Tensor, a: torch.Tensor, s: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 and e, of x's shape, in a prediction of the given kind; a, s: broadcast to x.

    epsilon: x0 = (x - s e) / a (arXiv 2006.11239, equation 15), which no image has at a = 0. v = a e - s x0, hence
    x0 = a x - s v and e = s x + a v (arXiv 2202.00512, appendix D). flow: v = e - x0 (arXiv 2403.03206, section 3).
    """
    if kind == EPSILON:
        return (x - s * prediction) / a, prediction
    if kind == V:
        return a * x - s * prediction, s * x + a * prediction
    if kind == FLOW:
        return x - s * prediction, x + a * prediction
    return prediction, (x - a * prediction) / s


def prediction_of(kind: str, clean: torch.Tensor, noise: torch.Tensor, a: torch.Tensor, s: torch.Tensor):
    """What a network of the given kind should predict of a clean x0 and a noise e of its shape."""
    if kind == EPSILON:
        return noise
    if kind == V:
        return a * noise - s * clean
    if kind == FLOW:
        return noise - clean
    return clean


def error_of_clean(kind: str, a: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """How far off x0 is where the prediction is off by 1: the factor between both errors."""
    if kind == EPSILON:
        return s / a
    return torch.ones_like(s) if kind == SAMPLE else s
