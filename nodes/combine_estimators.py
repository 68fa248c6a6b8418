"""Combine Estimators: one score of several, the cheap ones first."""

from typing import Any

from comfy_api.latest import io

from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..host.combined import CombinedEstimator, Part
from ..host.files.tables import gauge_states, table_choices, table_path
from ..host.node import AdaptiveNode, EstimatorLink

PLACES = (1, 2, 3, 4)


class CombineEstimators(AdaptiveNode):
    TITLE = "Combine Estimators"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveCombineEstimators",
            description="Makes one estimator of up to four: each score becomes a percentile of its own table, and "
            "these are added by weight. The costly ones need to be asked only where the cheap ones leave it open.",
            search_aliases=["ensemble", "mixture", "two-stage", "cascade", "weighted"],
            inputs=[each for place in PLACES for each in _inputs(place)] + _band(),
            outputs=[
                EstimatorLink.Output(
                    display_name="estimator",
                    tooltip="For Quality Score, Calibrate, and all that take an estimator. Its scores are percentiles.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, table_1=None, table_2=None, table_3=None, table_4=None):
        return cls.answer(table_path, [table_1, table_2, table_3, table_4])

    @classmethod
    def fingerprint_inputs(cls, table_1, table_2, table_3=None, table_4=None, **_others):
        return gauge_states([table for table in (table_1, table_2, table_3, table_4) if table])

    @classmethod
    def run(cls, open_from=0.0, open_to=100.0, **given):
        if not open_from < open_to:
            raise ValueError(f"open_from is {open_from:g} and open_to {open_to:g}; let them leave a range between them")
        parts = [_part(given, place) for place in PLACES if given.get(f"estimator_{place}") is not None]
        return io.NodeOutput(CombinedEstimator(parts, open_from, open_to))


def _part(given: dict[str, Any], place: int) -> Part:
    name = given.get(f"table_{place}")
    if name is None:
        raise ValueError(f"estimator_{place} has no table; choose one as table_{place}")
    return Part(given[f"estimator_{place}"], PercentileTable.load(table_path(name)), given.get(f"weight_{place}", 1.0))


def _inputs(place: int) -> list[io.Input]:
    """An estimator with its table and its weight."""
    further = place > 2
    asked = "The cheapest: it is asked about every image." if place == 1 else "Asked about the images left open so far."
    return [
        EstimatorLink.Input(f"estimator_{place}", optional=further, tooltip=asked),
        io.Combo.Input(
            f"table_{place}",
            options=table_choices()[1:],
            optional=further,
            tooltip="A table that was calibrated with this estimator, for its percentiles.",
        ),
        io.Float.Input(
            f"weight_{place}",
            default=1.0,
            min=0.01,
            max=100.0,
            step=0.1,
            optional=further,
            tooltip="Its part in the mean; a bigger value lets it decide more.",
        ),
    ]


def _band() -> list[io.Input]:
    return [
        io.Float.Input(
            "open_from",
            display_name="Open from %",
            default=0.0,
            min=0.0,
            max=100.0,
            step=1.0,
            optional=True,
            tooltip="An image whose mean percentile so far lies below is bad enough: no further estimator is asked. A "
            "bigger value spares more; keep it well under k.",
        ),
        io.Float.Input(
            "open_to",
            display_name="Open to %",
            default=100.0,
            min=0.0,
            max=100.0,
            step=1.0,
            optional=True,
            tooltip="An image whose mean percentile so far lies above is good enough. A smaller value spares more; "
            "keep it well over k.",
        ),
    ]
