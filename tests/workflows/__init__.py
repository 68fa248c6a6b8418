"""The example workflows and blueprints that come with the pack: what they are, and how their files are made."""

from . import demo, flow, gates, judged, later, sdxl
from .blueprints import BLUEPRINTS

__all__ = ["BLUEPRINTS", "WORKFLOWS"]
WORKFLOWS = (*demo.WORKFLOWS, *sdxl.WORKFLOWS, *flow.WORKFLOWS, *judged.WORKFLOWS, *gates.WORKFLOWS, *later.WORKFLOWS)
