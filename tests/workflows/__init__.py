"""The example workflows and blueprints that come with the pack: what they are, and how their files are made."""

from . import demo, flow, gates, judged, later, own, sdxl
from .blueprints import BLUEPRINTS

__all__ = ["BLUEPRINTS", "WORKFLOWS"]
KINDS = (demo, sdxl, flow, judged, gates, later, own)
WORKFLOWS = tuple(workflow for kind in KINDS for workflow in kind.WORKFLOWS)
