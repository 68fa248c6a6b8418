"""What the stand-alone pipeline does with images that are none: the teacher's never replace the student's."""

import functools
import json

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline

from adaptive_diffusion.__main__ import main
from adaptive_diffusion.report import record
from adaptive_diffusion.standalone import models, runs
from tests.pure.tiny import PROMPTS, QUICK, Judge, adaptive, new_student, new_teacher

torch.set_num_threads(1)
SENTENCE = (
    "teacher failed: some images came out black or not finite, so the student's are kept; "
    "often half precision overflows: try another dtype, guidance or sampler"
)
SCORES = (3.0, 1.0, 5.0, 2.0, 4.0)


def spoiling(kind, pixels=None, latents=None):
    """A kind of pipeline that puts these values into the image, or the latents it ends with, of prompts of 'green'."""

    class Spoiling(kind):
        @functools.wraps(kind.__call__)
        def __call__(self, prompt, callback_on_step_end, **options):
            def step(pipeline, number, timestep, tensors):
                if latents is not None:
                    for i in self.spoiled(prompt):
                        tensors["latents"][i] = latents
                callback_on_step_end(pipeline, number, timestep, tensors)
                return {}

            output = super().__call__(prompt=prompt, callback_on_step_end=step, **options)
            for i in self.spoiled(prompt) if pixels is not None else ():
                output.images[i] = pixels
            return output

        def spoiled(self, prompts):
            return [i for i, prompt in enumerate(prompts) if "green" in prompt]

    return Spoiling


def failing(**values):
    return new_teacher(kind=spoiling(StableDiffusionImg2ImgPipeline, **values))


@pytest.mark.parametrize("strategy", ["refine", "regenerate"])
@pytest.mark.parametrize(
    "values",
    [{"pixels": torch.nan}, {"pixels": torch.inf}, {"pixels": 0.0}, {"latents": torch.nan}],
    ids=["NaN", "infinite", "black", "latents"],
)
def test_the_students_image_stays_where_the_teachers_is_none(values, strategy):
    kind = StableDiffusionImg2ImgPipeline if strategy == "refine" else StableDiffusionPipeline
    teacher = new_teacher(kind=spoiling(kind, **values))
    with pytest.warns(UserWarning) as warned:
        result = adaptive(*SCORES, teacher=teacher)(PROMPTS, k=40, strategy=strategy, **QUICK)
    assert [str(each.message) for each in warned if "teacher" in str(each.message)] == [SENTENCE]
    good = adaptive(*SCORES)(PROMPTS, k=40, strategy=strategy, **QUICK)
    assert result.decision.rejected == (1, 3) and result.decision.taken == (3,)
    assert torch.equal(result.pixels[1], result.student_pixels[1])
    assert torch.equal(result.pixels[3], good.pixels[3]) and not torch.equal(good.pixels[1], good.student_pixels[1])
    assert (result.steps, result.evaluations) == (good.steps, good.evaluations)
    entries = record(result.decision)
    assert [entry["verdict"] for entry in entries] == ["accepted", "teacher failed", "accepted", "rejected", "accepted"]
    assert [entry["taken"] for entry in entries] == [False, False, False, True, False]
    assert entries[1]["final_score"] == entries[1]["score"]
    assert [entry["steps"] for entry in entries] == list(result.steps)


def test_infinite_latents_are_seen_though_the_decoder_makes_a_picture_of_them(monkeypatch):
    teacher = failing(latents=torch.inf)
    teacher.vae.decode, own = (
        (lambda latents, **options: own(latents.nan_to_num(1, 1, 1), **options)),
        teacher.vae.decode,
    )
    try:
        with pytest.warns(UserWarning, match="teacher failed"):
            result = adaptive(*SCORES, teacher=teacher)(PROMPTS, k=40, **QUICK)
    finally:
        del teacher.vae.decode
    assert torch.equal(result.pixels[1], result.student_pixels[1])


def test_a_safety_checkers_black_image_is_none():
    class Checking(StableDiffusionImg2ImgPipeline):
        def run_safety_checker(self, image, device, dtype):
            image[0] = 0
            return image, [True] + [False] * (len(image) - 1)

    with pytest.warns(UserWarning, match="teacher failed"):
        result = adaptive(*SCORES, teacher=new_teacher(kind=Checking))(PROMPTS, k=40, **QUICK)
    assert result.decision.taken == (3,)


def test_nothing_is_said_where_all_came_out(recwarn):
    result = adaptive(*SCORES)(PROMPTS, k=40, **QUICK)
    assert result.decision.taken == (1, 3)
    assert not [each for each in recwarn if "teacher" in str(each.message)]


@pytest.mark.parametrize("values", [{"pixels": torch.nan}, {"latents": torch.inf}], ids=["pixels", "latents"])
def test_a_students_image_that_is_not_finite_is_refused_by_its_prompt(values):
    student = new_student()
    student.__class__ = spoiling(StableDiffusionPipeline, **values)
    with pytest.raises(ValueError, match="^the student's image of 'green circle' holds NaN or infinite values; "):
        adaptive(*SCORES, student=student)(PROMPTS, k=40, **QUICK)


@pytest.fixture
def broken_teacher(monkeypatch):
    """The demo's teacher answers with NaN for the first image of each batch."""
    load = models.load_teacher

    def loading(*named):
        teacher = load(*named)
        teacher.unet.register_forward_hook(
            lambda _network, _given, out: (out[0].index_fill(0, torch.tensor([0]), torch.nan),)
        )
        return teacher

    monkeypatch.setattr(models, "load_teacher", loading)


def test_a_run_goes_on_tells_it_once_and_in_its_records(broken_teacher, tmp_path, capsys):
    prompts = "\n".join(
        f"a {size} {colour} circle on white" for size in ("small", "large") for colour in ("red", "blue")
    )
    (tmp_path / "prompts.txt").write_text(prompts)
    command = ["generate", "--prompts", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "run"), "--k=100"]
    main([*command, "--batch=2", "--teacher-steps=1", "--teacher-cfg=1"])
    said = capsys.readouterr()
    assert said.err.splitlines().count(f"warning: {SENTENCE}") == 1
    assert ": 4 went to the teacher (teacher failed for 2, whose student's images are kept); 2.00 steps" in said.out
    entries = runs.read(tmp_path / "run")
    assert [entry["verdict"] for entry in entries] == ["teacher failed", "rejected"] * 2
    assert [entry["evaluations"] for entry in entries] == [2] * 4
    assert json.loads((tmp_path / "run" / runs.RECORDS).read_text().splitlines()[0])["taken"] is False
    main(["evaluate", str(tmp_path / "run")])
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| run | images | to the teacher | teacher failed | steps an image |")
    assert " | 4 | 100.0% | 50.0% | 2.00 | " in table[2]


def test_the_judge_never_sees_what_is_no_image():
    class Strict(Judge):
        def score(self, images, prompts):
            assert images.isfinite().all()
            return super().score(images, prompts)

    pipeline = adaptive(*SCORES, teacher=failing(pixels=torch.nan))
    pipeline.estimator = Strict(*SCORES)
    with pytest.warns(UserWarning, match="teacher failed"):
        assert pipeline(PROMPTS, k=40, **QUICK).pixels.isfinite().all()
