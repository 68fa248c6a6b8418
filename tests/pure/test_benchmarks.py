"""What the benchmarks rest on: counts, the official steps, and ratios."""

import random

import numpy
import pytest
import torch
from PIL import Image

from adaptive_diffusion.comparison import clustered
from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.standalone.counting import counting
from benchmarks import sdxl
from benchmarks.learned_gate import in_part
from benchmarks.official import OfficialSteps
from benchmarks.timing import Seconds, median_ratio, table
from benchmarks.ways import AGAIN, FULL, RIVALS, STUDENT, Way
from training.evaluate import by_caption
from training.scenes import random_scene


class Answer:
    """A pipeline that paints every image grey and remembers what it was asked."""

    def __init__(self, grey: int):
        self.grey, self.calls = grey, []

    def __call__(self, prompt, generator, image=None, **settings):
        self.calls.append((list(prompt), [one.initial_seed() for one in generator], image, settings))
        size = 32 if image is None else 64
        self.images = [Image.new("RGB", (size, size), (self.grey,) * 3) for _ in prompt]
        return self


class ByPrompt:
    """Scores an image with the number that its prompt ends with."""

    def __init__(self):
        self.seen = []

    def score(self, images, prompts):
        self.seen.append((tuple(images.shape), images.unique().tolist()))
        return torch.tensor([float(text[-1]) for text in prompts])


@pytest.mark.parametrize("batch, calls", [(1, 3), (2, 2), (3, 1)])
def test_the_official_steps_draw_resize_score_and_hand_8_bit_pictures_to_the_teacher(batch, calls):
    student, teacher, judge = Answer(51), Answer(200), ByPrompt()
    official = OfficialSteps(judge, student, teacher, {"steps": 1}, {"strength": 0.7}, 64)
    images, rejected = official(["a 1", "b 5", "c 2"], [7, 8, 9], 3.0, batch)
    assert [numpy.asarray(image)[0, 0, 0] for image in images] == [200, 51, 200]
    assert rejected == 2
    assert len(student.calls) == len(judge.seen) == calls
    assert {shape[1:] for shape, _ in judge.seen} == {(64, 64, 3)}
    assert judge.seen[0][1] == pytest.approx([51 / 255])
    asked = [prompt for prompts, _, _, _ in teacher.calls for prompt in prompts]
    seeds = [seed for _, seeds, _, _ in teacher.calls for seed in seeds]
    assert asked == ["a 1", "c 2"]
    assert seeds == [derive_seed(7, "refine"), derive_seed(9, "refine")]
    assert all(image.mode == "RGB" for _, _, images, _ in teacher.calls for image in images)


def test_rows_and_calls_are_counted_while_the_block_runs():
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with counting(one, other) as counted:
        one(torch.zeros(3, 2))
        other(torch.zeros(5, 2))
    one(torch.zeros(7, 2))
    assert (counted.rows, counted.calls) == (8, 2)


def test_a_ratio_is_taken_within_each_round():
    slow = [Seconds(2.0, 4.0), Seconds(20.0, 40.0), Seconds(9.0, 9.0)]
    base = [Seconds(1.0, 1.0), Seconds(10.0, 10.0), Seconds(1.0, 1.0)]
    assert median_ratio(slow, base) == (2.0, 4.0)


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_guidance_takes_two_evaluations_a_step():
    assert [Way("ddim", 5).evaluations, Way("ddim", 5, 2.0).evaluations] == [5, 10]


@pytest.mark.parametrize(
    ("plan", "comparison"), [(plan, comparison) for plan in (FULL, AGAIN) for comparison in plan.judged]
)
def test_no_judged_teacher_is_cheaper_than_what_it_is_compared_with(plan, comparison):
    ours = STUDENT.evaluations + comparison.k / 100 * comparison.improved.evaluations
    for drawer, cfg in RIVALS:
        rival = Way(drawer, comparison.steps[cfg], cfg)
        fewer = rival._replace(steps=rival.steps - 1)
        assert rival in plan.ways and fewer.evaluations < ours <= rival.evaluations


def test_measuring_again_shares_no_noise_with_the_first_time():
    assert AGAIN.first >= max(way.replicates for way in FULL.ways)


def test_the_full_size_pipelines_have_sdxls_number_of_weights():
    student, teacher = sdxl.pipelines(torch.float16, "meta")
    counts = [sum(weight.numel() for weight in part.parameters()) for part in (student.unet, student.vae)]
    assert counts == [2_567_463_684, 83_653_863]
    assert teacher.unet is not student.unet and teacher.vae is student.vae


def test_captions_that_a_part_has_all_of_differ_by_their_noise_alone():
    draw = random.Random(1)
    one, other, *many = [random_scene(draw, 1 + (i > 1)) for i in range(42)]
    scenes = [one] * 20 + [other] * 20 + many
    of_captions = numpy.concatenate([numpy.ones(20), numpy.zeros(20), numpy.zeros(40)])
    assert by_caption(of_captions, scenes).high - 0.25 > 0.2
    assert in_part(of_captions, scenes).high == in_part(of_captions, scenes).value == 0.25
    of_noise = numpy.tile([0.0, 1.0], 40)
    within, strata = in_part(of_noise, scenes), numpy.repeat([1, 2, 3], [20, 20, 40])
    assert within == clustered(of_noise, range(80), strata.tolist())
