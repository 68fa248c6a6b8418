"""Calibrate: make a percentile table of any graph's scores."""

from collections.abc import Sequence

from comfy_api.latest import io

from ..adaptive_diffusion.gate.decision import QualityScores
from ..adaptive_diffusion.gate.percentiles import PercentileTable
from ..adaptive_diffusion.gate.student import Student, agreed
from ..host.files.outlines import about
from ..host.files.tables import new_table_path
from ..host.node import AdaptiveNode, ScoresLink, StudentInfoLink, TableLink


class TableFromScores(AdaptiveNode):
    TITLE = "Table from Scores"
    LISTS = ("scores", "student")

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveTableFromScores",
            description="Saves scores as a table for Threshold Gate. Running again adds to the table of that name.",
            search_aliases=["calibrate", "percentiles"],
            is_output_node=True,
            inputs=[
                ScoresLink.Input(
                    "scores", tooltip="Of the student's images, some hundred of them, from prompts like yours."
                ),
                io.String.Input("name", default="my student", tooltip="The table's name in Threshold Gate."),
                StudentInfoLink.Input("student", optional=True, tooltip="Recorded; the gate warns of another student."),
            ],
            outputs=[TableLink.Output(display_name="table", tooltip="For Threshold Gate, in the same run.")],
        )

    @classmethod
    def run(cls, scores, name, student=(None,)):
        path = new_table_path(name.strip())
        table = _table(path.stem, scores, student).add_to(path)
        return io.NodeOutput(table, ui={"adaptive_table": [about(table)]})


def _table(name: str, groups: Sequence[QualityScores], students: Sequence[Student | None]) -> PercentileTable:
    if any(student and student.candidates for student in students):
        raise ValueError("the student's images are the best of several; score those of Student Sample, each drawn once")
    judges = {group.judge: f"{group.judge.label} in {group.judge.dtype}" for group in groups}
    if len(judges) > 1:
        told = ", ".join(sorted(judges.values()))
        raise ValueError(f"the scores are of {len(judges)} estimators ({told}); a table holds those of one")
    values = [value for group in groups for value in group.values]
    return PercentileTable.from_scores(name, values, groups[0].judge.settings, agreed(students))
