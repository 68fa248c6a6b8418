"""What is said of a gate that was fitted."""

from ..comparison import spelled
from .learned import LearnedGate


def summary(gate: LearnedGate) -> str:
    """How many pairs it rests on, and how well it tells them apart."""
    share, told = gate.improved.mean(), spelled(gate.auc)
    return (
        f"fitted to {gate.count} pairs, in {share:.1%} of which the teacher's image is better; it tells these from the "
        f"others with an AUC of {told} on prompts that were left out"
    )
