"""Take a batch apart into the accepted and the rejected images."""

from collections.abc import Sequence
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..adaptive_diffusion.gate.verdicts import Verdicts
from ..host.node import AdaptiveNode, DecisionLink
from ..host.rows.latents import check_latent, take


class Split(AdaptiveNode):
    TITLE = "Adaptive Split"
    LISTS = ("decision", "batch")

    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("batch", [io.Image, io.Latent])
        return cls.schema(
            node_id="AdaptiveSplit",
            description="Takes a batch apart into the images the gate accepted and those it rejected.",
            search_aliases=["filter images", "reject"],
            inputs=[
                DecisionLink.Input("decision", tooltip="From Threshold Gate."),
                io.MatchType.Input("batch", template=template, tooltip="The scored images, or their latent."),
            ],
            outputs=[
                _output(template, "accepted", "Those the gate kept. If there are none, nothing behind this runs."),
                _output(template, "rejected", "Those it sent on. If there are none, nothing behind this runs."),
            ],
        )

    @classmethod
    def run(cls, decision, batch):
        verdicts = Verdicts(tuple(decision)).fitted([batch_size(item) for item in batch])
        pairs = list(zip(verdicts, verdicts.per_batch(batch, "batch"), strict=True))
        accepted = [part(item, judged.accepted, len(judged)) for judged, item in pairs if judged.accepted]
        rejected = [part(item, judged.rejected, len(judged)) for judged, item in pairs if judged.rejected]
        return io.NodeOutput(accepted or [ExecutionBlocker(None)], rejected or [ExecutionBlocker(None)])


def _output(template: io.MatchType.Template, name: str, tooltip: str) -> io.Output:
    return io.MatchType.Output(template=template, id=name, display_name=name, is_output_list=True, tooltip=tooltip)


def batch_size(batch: Any) -> int:
    return len(batch) if isinstance(batch, torch.Tensor) else len(batch["samples"])


def part(batch: Any, positions: Sequence[int], expected: int) -> Any:
    """The images or latent rows at `positions` of a batch that must have `expected` of them."""
    if batch_size(batch) != expected:
        raise ValueError(f"the batch has {batch_size(batch)} images, but {expected} were scored; link what was scored")
    if isinstance(batch, torch.Tensor):
        return batch[list(positions)]
    check_latent(batch)
    return take(batch, positions)
