"""Load a quality estimator."""

from comfy_api.latest import io

from ..host.estimator import HostedEstimator
from ..host.folders import DEMO_ESTIMATOR, estimator_choices, estimator_path
from ..host.types import ALIASES, CATEGORY, EstimatorLink, speaking_for

TITLE = "Load Estimator"


class LoadEstimator(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="AdaptiveLoadEstimator",
            display_name=TITLE,
            category=CATEGORY,
            description="Loads the model that scores how good an image is for its prompt.",
            search_aliases=[*ALIASES, "image reward", "aesthetic score"],
            inputs=[
                io.Combo.Input(
                    "estimator",
                    options=estimator_choices(),
                    default=DEMO_ESTIMATOR,
                    tooltip="'demo' comes with the pack and knows only its scenes; others: models/quality_estimators.",
                ),
            ],
            outputs=[EstimatorLink.Output(display_name="estimator")],
        )

    @classmethod
    def validate_inputs(cls, estimator):
        if estimator in estimator_choices():
            return True
        return f"{TITLE}: there is no estimator '{estimator}'; choose one of {', '.join(estimator_choices())}"

    @classmethod
    def execute(cls, estimator):
        with speaking_for(TITLE):
            return io.NodeOutput(HostedEstimator(estimator_path(estimator)))
