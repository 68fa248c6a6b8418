"""Load a quality estimator."""

from comfy_api.latest import io

from ..adaptive_diffusion.estimators import DTYPES
from ..host.estimator import HostedEstimator
from ..host.files.estimators import (
    DEMO,
    NO_CLIP_VISION,
    clip_vision_choices,
    clip_vision_path,
    estimator_choices,
    estimator_path,
)
from ..host.node import AdaptiveNode, EstimatorLink


class LoadEstimator(AdaptiveNode):
    TITLE = "Load Estimator"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveLoadEstimator",
            description="Loads the model that scores how good an image is for its prompt.",
            search_aliases=["image reward", "hps", "pickscore", "clip score", "aesthetic score"],
            inputs=[
                io.Combo.Input(
                    "estimator",
                    options=estimator_choices(),
                    default=DEMO,
                    tooltip="'demo' comes with the pack and knows only its scenes. Others lie in "
                    "models/quality_estimators or models/image_reward; this node's help links to them.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(DTYPES),
                    default="float32",
                    optional=True,
                    advanced=True,
                    tooltip="float16 halves the memory and changes scores in the third digit; tables record it.",
                ),
                io.Combo.Input(
                    "clip_vision",
                    options=clip_vision_choices(),
                    default=NO_CLIP_VISION,
                    optional=True,
                    advanced=True,
                    tooltip="Only for the LAION aesthetic predictor: CLIP ViT-L/14's image encoder.",
                ),
            ],
            outputs=[EstimatorLink.Output(display_name="estimator", tooltip="For Quality Score and Calibrate.")],
        )

    @classmethod
    def validate_inputs(cls, estimator=None, clip_vision=NO_CLIP_VISION):
        found = cls.answer(estimator_path, [estimator])
        return cls.answer(clip_vision_path, [clip_vision]) if found is True else found

    @classmethod
    def run(cls, estimator, dtype="float32", clip_vision=NO_CLIP_VISION):
        return io.NodeOutput(HostedEstimator(estimator_path(estimator), dtype, clip_vision_path(clip_vision)))
