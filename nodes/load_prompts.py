"""Read prompts from a file, with a seed for each."""

from comfy_api.latest import io

from ..adaptive_diffusion.prompts import CAPTION, MOST_PROMPTS, prompt_seeds, read_prompts, repeated
from ..host.files.prompts import prompt_choices, prompt_path, prompt_states
from ..host.node import AdaptiveNode
from .sampling_inputs import seed_input


class LoadPrompts(AdaptiveNode):
    TITLE = "Load Prompts"

    @classmethod
    def define_schema(cls):
        return cls.schema(
            node_id="AdaptiveLoadPrompts",
            description="A list of prompts from a file, each different one once, with a seed for each.",
            search_aliases=["csv", "tsv", "jsonl", "text file", "prompt list", "batch prompts"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=prompt_choices(),
                    default="bundled",
                    tooltip="'bundled' is a varied set that comes with the pack, 'demo' is for its demo models. "
                    "Others are CSV, TSV, TXT (one a line) and JSONL files in ComfyUI's input folder.",
                ),
                io.String.Input(
                    "column",
                    default=CAPTION,
                    tooltip="The column of a CSV or TSV, key of a JSONL file; not used for TXT.",
                ),
                io.Int.Input(
                    "count",
                    default=0,
                    min=0,
                    max=MOST_PROMPTS,
                    tooltip="How many to draw by the seed; more adds to the same ones. 0: all, in the file's order.",
                ),
                seed_input("The first image's seed; the next gets seed + 1 and so on. Also draws the prompts."),
                io.Int.Input(
                    "pictures",
                    default=1,
                    min=1,
                    max=1000,
                    optional=True,
                    tooltip="Images of each prompt, which then comes as many times in a row, each with its own seed.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="prompts", is_output_list=True, tooltip="For CLIP Text Encode and Quality Score."
                ),
                io.Int.Output(display_name="seeds", is_output_list=True, tooltip="For the samplers: one per prompt."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file=None):
        return cls.answer(prompt_path, [file])

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        return prompt_states([file])

    @classmethod
    def run(cls, file, column, count, seed, pictures=1):
        prompts = repeated(read_prompts(prompt_path(file), column, count, seed), pictures)
        return io.NodeOutput(prompts, prompt_seeds(seed, len(prompts)))
