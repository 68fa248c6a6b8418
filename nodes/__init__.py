"""The pack's nodes, in the order in which a picture passes through them."""

from comfy_api.latest import ComfyExtension, io

from ..host.files.estimators import register_estimators
from ..host.files.gates import sweep_made
from ..host.files.tables import sweep_tables
from .best_of_n import BestOfN
from .budget import Budget
from .calibrate import Calibrate
from .calibrate_gate import CalibrateGate
from .combine_estimators import CombineEstimators
from .gate_from_scores import GateFromScores
from .hold_rejected import HoldRejected
from .lcm_guidance import LCMGuidance
from .load_demo_models import LoadDemoModels
from .load_estimator import LoadEstimator
from .load_prompts import LoadPrompts
from .merge import Merge
from .preset import SamplingPreset
from .quality_score import QualityScore
from .report import Report
from .rollback_by_score import RollbackByScore
from .save_images import SaveImages
from .split import Split
from .student_sample import StudentSample
from .table_from_scores import TableFromScores
from .take_held import TakeHeld
from .teacher_refine import TeacherRefine
from .teacher_regenerate import TeacherRegenerate
from .threshold_gate import ThresholdGate
from .tune import Tune
from .until_enough import UntilEnough
from .vision_judge import VisionJudge

NODES: list[type[io.ComfyNode]] = [
    LoadDemoModels,
    LoadEstimator,
    VisionJudge,
    CombineEstimators,
    LoadPrompts,
    SamplingPreset,
    LCMGuidance,
    StudentSample,
    BestOfN,
    UntilEnough,
    QualityScore,
    ThresholdGate,
    RollbackByScore,
    TeacherRefine,
    TeacherRegenerate,
    HoldRejected,
    TakeHeld,
    Split,
    Merge,
    SaveImages,
    TableFromScores,
    Calibrate,
    GateFromScores,
    CalibrateGate,
    Tune,
    Budget,
    Report,
]


class AdaptiveDiffusionExtension(ComfyExtension):
    async def on_load(self) -> None:
        register_estimators()
        sweep_tables()
        sweep_made()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
