"""The stand-alone pipeline, on tiny Stable Diffusion pipelines with random weights and a judge of known scores."""

import functools
import json
import math
from types import SimpleNamespace

import diffusers
import numpy
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)

from adaptive_diffusion.diffusion.noise import derive_seed
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.report import record
from adaptive_diffusion.standalone.pipeline import AdaptiveDiffusionPipeline
from adaptive_diffusion.standalone.teaching import in_mode
from tests.pure.tiny import (
    PROMPTS,
    QUICK,
    SIZE,
    Judge,
    adaptive,
    build,
    new_flux_teacher,
    new_sd3_teacher,
    new_student,
    new_teacher,
    unet,
    vae,
    wide_vae,
)

torch.set_num_threads(1)
diffusers.utils.logging.set_verbosity_error()

DDIM = functools.partial(DDIMScheduler, clip_sample=False)
CLOSE = {"atol": 1e-4, "rtol": 0.0}


@pytest.fixture
def forwards():
    """The shape of what the teacher's network is given, call by call."""
    shapes: list[torch.Size] = []
    hook = unet(seed=5).register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape))
    yield shapes
    hook.remove()


@pytest.fixture
def encoded():
    """Every image that a VAE encodes."""
    images: list[torch.Tensor] = []
    parts = (vae(), vae(0.5), vae(seed=6), wide_vae())
    hooks = [part.encoder.register_forward_pre_hook(lambda _, inputs: images.append(inputs[0])) for part in parts]
    yield images
    for hook in hooks:
        hook.remove()


@pytest.fixture
def noised(monkeypatch):
    """(clean, noise) of every call that puts noise on a start image."""
    calls: list[tuple[torch.Tensor, torch.Tensor]] = []
    original = UniPCMultistepScheduler.add_noise

    def add_noise(self, clean, noise, timesteps):
        calls.append((clean, noise))
        return original(self, clean, noise, timesteps)

    monkeypatch.setattr(UniPCMultistepScheduler, "add_noise", add_noise)
    return calls


def test_mixed_verdicts_keep_the_prompts_order_and_the_accepted_images_bits():
    mixed = adaptive(3.0, 1.0, 5.0, 2.0, 4.0)(PROMPTS, k=40, **QUICK)
    every = adaptive(3.0, 1.0, 5.0, 2.0, 4.0)(PROMPTS, k=100, **QUICK)
    assert mixed.decision.rejected == (1, 3)
    assert mixed.decision.scores.values == (3.0, 1.0, 5.0, 2.0, 4.0)
    assert mixed.decision.scores.prompts == tuple(PROMPTS)
    for i in range(5):
        if i in (1, 3):
            assert torch.allclose(mixed.pixels[i], every.pixels[i], **CLOSE)
            assert (mixed.pixels[i] - mixed.student_pixels[i]).abs().max() > 0.01
        else:
            assert torch.equal(mixed.pixels[i], mixed.student_pixels[i])
    assert torch.equal(mixed.student_pixels, every.student_pixels)
    assert mixed.steps == (2, 5, 2, 5, 2)
    assert mixed.average_steps == pytest.approx(3.2)


def test_images_are_the_pixels_rounded():
    result = adaptive(1.0, 2.0)(PROMPTS[:2], k=50, **QUICK)
    for images, pixels in ((result.images, result.pixels), (result.student_images, result.student_pixels)):
        assert [image.size for image in images] == [(SIZE, SIZE)] * 2
        for image, picture in zip(images, pixels, strict=True):
            shown = torch.tensor(list(image.tobytes())).view(SIZE, SIZE, 3) / 255
            assert (shown - picture).abs().max() <= 0.5 / 255 + 1e-6


def test_the_teacher_sees_only_rejected_rows_in_batches_of_the_given_size(forwards):
    pipeline = adaptive(1.0, 9.0, 2.0, 8.0, 3.0)
    pipeline(PROMPTS, k=50, teacher_guidance=1.0, **QUICK)
    assert [shape[0] for shape in forwards] == [2, 2, 2]
    forwards.clear()
    pipeline(PROMPTS, k=100, teacher_guidance=3.0, batch_size=4, **QUICK)
    assert [shape[0] for shape in forwards] == [8, 8, 8, 2, 2, 2]


@pytest.mark.parametrize("scheduler", [UniPCMultistepScheduler, DDIM, EulerDiscreteScheduler])
@pytest.mark.parametrize(("steps", "sigma"), [(12, 0.7), (4, 0.3), (1, 0.5), (8, 0.9), (3, 0.05), (5, 0.99), (6, 0.29)])
def test_exactly_the_asked_teacher_steps_run(forwards, scheduler, steps, sigma):
    pipeline = adaptive(0.0, teacher=new_teacher(scheduler))
    options = {**QUICK, "num_inference_steps_teacher": steps}
    result = pipeline(PROMPTS[0], k=100, sigma=sigma, teacher_guidance=1.0, **options)
    assert len(forwards) == steps
    assert result.steps == (2 + steps,)


@pytest.mark.parametrize(("student", "teacher"), [(1.0, 1.0), (0.5, 0.0), (3.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
def test_evaluations_are_counted_and_guidance_of_1_or_less_takes_one_a_step(forwards, student, teacher):
    drawn = []
    hook = unet().register_forward_pre_hook(lambda _, given: drawn.append(len(given[0])))
    options = {**QUICK, "student_guidance": student, "teacher_guidance": teacher, "batch_size": 2}
    result = adaptive(1.0, 9.0, 2.0, 8.0, 3.0)(PROMPTS, k=50, **options)
    hook.remove()
    each, more = 2 * (2 if student > 1 else 1), 3 * (2 if teacher > 1 else 1)
    assert result.evaluations == (each + more, each, each + more, each, each)
    assert sum(result.evaluations) == sum(drawn) + sum(shape[0] for shape in forwards)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize(("teacher", "twice"), [(new_sd3_teacher, True), (new_flux_teacher, False)])
def test_transformers_are_counted_too(teacher, twice, guidance):
    options = {**QUICK, "teacher_guidance": guidance, "rollback_scale": "schedule"}
    result = adaptive(1.0, 2.0, teacher=teacher())(PROMPTS[:2], k=50, **options)
    assert result.evaluations == (2 + (6 if twice and guidance > 1 else 3), 2)


def test_steps_are_counted_not_assumed():
    class RoundingUp(StableDiffusionImg2ImgPipeline):
        def get_timesteps(self, num_inference_steps, strength, device):
            start = int(num_inference_steps - num_inference_steps * strength)
            return self.scheduler.timesteps[start:], num_inference_steps - start

    pipeline = adaptive(1.0, 2.0, teacher=new_teacher(DDIM, kind=RoundingUp))
    assert pipeline(PROMPTS[:2], sigma=0.7, **QUICK).steps == (2 + 4, 2)


def test_an_unused_teacher_is_not_even_loaded():
    loads = []
    pipeline = adaptive(1.0, 2.0, 3.0, teacher=lambda: loads.append(1) or new_teacher())
    pipeline(PROMPTS[:3], k=0, **QUICK)
    pipeline(PROMPTS[:3], k=50, table=PercentileTable.parse({"50": 1.0}, "low"), **QUICK)
    assert loads == []
    pipeline(PROMPTS[:3], k=50, **QUICK)
    pipeline(PROMPTS[:3], k=100, **QUICK)
    assert loads == [1]
    assert isinstance(pipeline.teacher, StableDiffusionImg2ImgPipeline)


def test_no_teacher_serves_where_k_is_zero():
    pipeline = AdaptiveDiffusionPipeline(Judge(1.0), new_student(), None)
    assert pipeline(PROMPTS[0], k=0, **QUICK).steps == (2,)
    with pytest.raises(ValueError, match="k is 50, but there is no teacher"):
        pipeline(PROMPTS[:2], **QUICK)


@pytest.mark.parametrize("strategy", ["refine", "regenerate"])
def test_an_image_depends_on_its_prompt_and_seed_not_on_its_neighbours(strategy):
    pipeline = adaptive(1.0, 2.0, 3.0)
    options = {**QUICK, "k": 100, "strategy": strategy}
    seeds = [11, 7, 23]
    together = pipeline(PROMPTS[:3], seed=seeds, **options).pixels
    split = pipeline(PROMPTS[:3], seed=seeds, batch_size=2, **options).pixels
    backwards = pipeline(PROMPTS[2::-1], seed=seeds[::-1], **options).pixels.flip(0)
    alone = torch.cat([pipeline(PROMPTS[i], seed=seeds[i], **options).pixels for i in range(3)])
    for other in (split, backwards, alone):
        assert torch.allclose(together, other, **CLOSE)
    moved = pipeline(PROMPTS[:3], seed=[11, 8, 23], **options).pixels
    assert torch.allclose(together[[0, 2]], moved[[0, 2]], **CLOSE)
    assert (together[1] - moved[1]).abs().max() > 0.01


def test_one_seed_counts_up_along_the_prompts():
    pipeline = adaptive(1.0, 2.0, 3.0)
    result = pipeline(PROMPTS[:3], seed=5, k=0, **QUICK)
    assert result.seeds == (5, 6, 7)
    assert torch.equal(result.pixels, pipeline(PROMPTS[:3], seed=[5, 6, 7], k=0, **QUICK).pixels)


def test_refining_starts_from_fresh_noise_of_each_rejected_seed(noised):
    adaptive(2.0, 1.0, 3.0)(PROMPTS[:3], seed=[4, 5, 6], k=50, **QUICK)
    [(_, noise)] = noised
    expected = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(derive_seed(5, "refine")))
    assert torch.equal(noise, expected)


def test_regenerating_starts_from_the_students_own_noise():
    student = new_student(DDIM)
    teacher = build(StableDiffusionImg2ImgPipeline, DDIM, unet())
    pipeline = adaptive(1.0, 2.0, student=student, teacher=teacher)
    options = {**QUICK, "num_inference_steps_teacher": 2, "teacher_guidance": 1.0}
    result = pipeline(PROMPTS[:2], k=100, strategy="regenerate", **options)
    assert torch.allclose(result.pixels, result.student_pixels, **CLOSE)
    assert result.steps == (4, 4)


def test_latents_are_handed_over_where_both_have_the_same_autoencoder(encoded, noised):
    result = adaptive(1.0)(PROMPTS[0], k=100, **QUICK)
    assert encoded == []
    [(latents, _)] = noised
    with torch.no_grad():
        decoded = vae().decode(latents / vae().config.scaling_factor).sample / 2 + 0.5
    assert torch.allclose(decoded.clamp(0, 1).movedim(1, -1), result.student_pixels, **CLOSE)


@pytest.mark.parametrize("parts", ["another scaling", "eight channels", "other weights"])
def test_otherwise_float_pixels_are_handed_over(encoded, parts):
    student = new_student()
    teacher = new_teacher(autoencoder=vae(seed=6) if parts == "other weights" else vae(0.5))
    if parts == "eight channels":
        student = build(StableDiffusionPipeline, LCMScheduler, unet(channels=8), wide_vae())
        teacher = build(StableDiffusionImg2ImgPipeline, UniPCMultistepScheduler, unet(channels=8), wide_vae())
    result = adaptive(1.0, student=student, teacher=teacher)(PROMPTS[0], k=100, **QUICK)
    [image] = encoded
    pixels = ((image + 1) / 2).movedim(1, -1)
    assert torch.allclose(pixels, result.student_pixels, **CLOSE)
    steps = pixels * 255
    assert (steps - steps.round()).abs().max() > 0.1


def test_the_table_decides_and_a_tie_keeps_the_student(tmp_path):
    path = tmp_path / "mine.json"
    PercentileTable.from_scores("mine", [0.0, 1.0, 2.0, 3.0, 4.0], {"name": "judge", "dtype": "float32"}).save(path)
    pipeline = adaptive(0.9, 1.0, 5.0)
    pipeline.load_score_percentiles(str(path))
    decision = pipeline(PROMPTS[:3], k=25, **QUICK).decision
    assert (decision.threshold, decision.table, decision.rejected) == (1.0, "mine", (0,))
    given = PercentileTable.parse({"50": 3.0}, "given")
    assert pipeline(PROMPTS[:3], table=given, **QUICK).decision.rejected == (0, 1)


def test_a_table_of_another_estimator_is_refused_and_of_another_student_noted():
    pipeline = adaptive(0.0, 1.0)
    other = PercentileTable("other", {50.0: 0.0}, estimator={"name": "ImageReward"})
    with pytest.raises(ValueError, match="'other' was made for the estimator ImageReward, but the scores are of"):
        pipeline(PROMPTS[:2], table=other, **QUICK)
    old = PercentileTable("old", {50.0: 0.0}, student={"steps": 4, "cfg": 1.0})
    with pytest.warns(UserWarning, match="'old' was made with another student: steps 2 instead of 4$"):
        pipeline(PROMPTS[:2], table=old, **QUICK)


def test_a_teachers_image_of_another_size_is_brought_to_the_students():
    class Doubling(StableDiffusionImg2ImgPipeline):
        def __call__(self, prompt, image, strength, num_inference_steps, guidance_scale, generator, output_type):
            return SimpleNamespace(images=torch.full((len(prompt), 3, 2 * SIZE, 2 * SIZE), 0.25))

    pipeline = adaptive(1.0, 2.0, teacher=new_teacher(kind=Doubling))
    result = pipeline(PROMPTS[:2], negative_prompt="blue", **QUICK)
    assert result.pixels.shape == (2, SIZE, SIZE, 3)
    assert torch.allclose(result.pixels[0], torch.tensor(0.25))
    assert result.steps == (5, 2)
    assert math.isnan(result.evaluations[0]) and result.evaluations[1] == 2
    with pytest.raises(ValueError, match="the teacher Doubling has no text-to-image form"):
        pipeline(PROMPTS[:2], strategy="regenerate", **QUICK)


def test_a_text_to_image_teacher_refines_too_and_size_and_negative_prompt_reach_it():
    class Recording(StableDiffusionImg2ImgPipeline):
        def check_inputs(self, prompt, strength, callback_steps, negative_prompt, *rest):
            seen.append(negative_prompt)
            return super().check_inputs(prompt, strength, callback_steps, negative_prompt, *rest)

    seen: list[list[str]] = []
    pipeline = adaptive(1.0, 2.0, teacher=new_teacher(kind=Recording))
    changed = pipeline(PROMPTS[:2], k=100, negative_prompt="blue", **QUICK)
    assert seen == [["blue", "blue"]]
    text_teacher = new_teacher(kind=StableDiffusionPipeline)
    assert isinstance(in_mode(text_teacher, takes_image=True), StableDiffusionImg2ImgPipeline)
    same = adaptive(1.0, 2.0, teacher=text_teacher)(PROMPTS[:2], k=100, negative_prompt="blue", **QUICK)
    assert torch.equal(changed.pixels, same.pixels)


@pytest.mark.parametrize("strategy", ["refine", "regenerate"])
def test_every_image_is_drawn_at_the_asked_size(monkeypatch, forwards, strategy):
    monkeypatch.setattr(Judge, "score", lambda self, images, prompts: torch.arange(len(images)).float())
    result = adaptive()(PROMPTS[:2], height=32, width=48, strategy=strategy, **QUICK)
    assert [image.size for image in result.images] == [(48, 32)] * 2
    assert {shape[2:] for shape in forwards} == {(16, 24)}
    assert (result.decision.student.height, result.decision.student.width) == (32, 48)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"prompt": []}, "there is no prompt"),
        ({"prompt": ["red circle", " "]}, "prompt 1 is empty"),
        ({"prompt": ""}, "prompt 0 is empty"),
        ({"k": -1}, "k is -1; choose a percentage from 0 to 100"),
        ({"k": 101}, "k is 101"),
        ({"k": float("nan")}, "k is nan"),
        ({"k": 5, "table": PercentileTable.parse({"10": 0.0, "90": 1.0}, "deciles")}, "'deciles' only knows 10 to 90"),
        ({"prompt": "red circle"}, "one image alone has no percentiles; give a table"),
        ({"sigma": 1}, "sigma is 1; choose a value between 0 and 1, or strategy='regenerate'"),
        ({"sigma": 0}, "sigma is 0"),
        ({"sigma": -0.5}, "sigma is -0.5"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"sigma": 0.001, "num_inference_steps_teacher": 12}, "need a schedule of 12001 steps"),
        ({"num_inference_steps_student": 0}, "num_inference_steps_student is 0; choose a whole number from 1 to 1000"),
        ({"num_inference_steps_student": 2.5}, "num_inference_steps_student is 2.5; choose a whole number"),
        ({"num_inference_steps_student": 1001}, "num_inference_steps_student is 1001; choose"),
        ({"num_inference_steps_teacher": math.inf}, "num_inference_steps_teacher is inf; choose"),
        ({"student_guidance": math.nan}, "student_guidance is nan; choose a number from 0 to 100"),
        ({"teacher_guidance": math.inf}, "teacher_guidance is inf; choose a number from 0 to 100"),
        ({"teacher_guidance": -1}, "teacher_guidance is -1; choose"),
        ({"teacher_guidance": numpy.float32("inf")}, "teacher_guidance is inf; choose"),
        ({"teacher_guidance": "8"}, "teacher_guidance is '8'; give a number"),
        ({"sigma": math.inf}, "sigma is inf; choose a finite number"),
        ({"sigma": math.nan, "strategy": "regenerate"}, "sigma is nan; choose a finite number"),
        ({"k": math.inf}, "k is inf; choose a percentage from 0 to 100"),
        ({"k": None}, "k is None; give a percentage"),
        ({"k": torch.tensor(math.nan)}, "k is nan; choose"),
        ({"keep_safe": 60}, "keep_safe is 60; choose a percentage from 0 to 50"),
        ({"keep_safe": math.nan}, "keep_safe is nan; choose"),
        ({"keep_safe": 5}, "keep_safe is 5, but 'this run' is a percentile table, which knows nothing of the teacher"),
        ({"height": 0}, "height is 0; choose a whole number from 8 to 16384"),
        ({"width": math.nan}, "width is nan; choose"),
        ({"batch_size": math.inf}, "batch_size is inf; choose"),
        ({"batch_size": 10**400}, "batch_size is 1"),
        ({"seed": math.nan}, "seed is nan; choose a whole number"),
        ({"seed": 2**64 - 1}, f"seed is {2**64}; choose"),
        ({"seed": [1, 2.5]}, "seed is 2.5; choose"),
        ({"num_inference_steps_teacher": -2}, "num_inference_steps_teacher is -2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": [1, 2, 3]}, "3 seeds came for 2 prompts"),
        ({"strategy": "repaint"}, "strategy is 'repaint'; choose 'refine' or 'regenerate'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_before_anything_is_drawn(monkeypatch, options, complaint):
    monkeypatch.setattr(StableDiffusionPipeline, "__call__", lambda *_, **__: pytest.fail("drew"))
    with pytest.raises(ValueError, match=complaint) as caught:
        adaptive(1.0, 2.0)(**{"prompt": PROMPTS[:2], **QUICK, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("of", [numpy.int64, numpy.int32, torch.tensor], ids=["int64", "int32", "torch"])
def test_numbers_of_numpy_and_torch_are_pythons(of):
    real = torch.tensor if of is torch.tensor else numpy.float32
    plain = {"num_inference_steps_student": 2, "num_inference_steps_teacher": 3, "height": SIZE, "width": SIZE}
    plain |= {"batch_size": 2, "seed": 7}
    reals = {"student_guidance": 1.5, "teacher_guidance": 3.0, "sigma": 0.5, "k": 40.0}
    pipeline = adaptive(3.0, 1.0, 5.0, 2.0, 4.0)
    expected = pipeline(PROMPTS, **plain, **reals)
    given = {name: of(value) for name, value in plain.items()} | {name: real(value) for name, value in reals.items()}
    for seed in (given["seed"], numpy.arange(7, 12), torch.arange(7, 12), [of(number) for number in range(7, 12)]):
        result = pipeline(PROMPTS, **{**given, "seed": seed})
        assert torch.equal(result.pixels, expected.pixels)
        assert [type(number) for number in (*result.seeds, *result.steps)] == [int] * 10
        assert json.dumps(record(result.decision, result.seeds)) == json.dumps(record(expected.decision, range(7, 12)))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="the score of image 1 is nan"):
        adaptive(1.0, float("nan"))(PROMPTS[:2], **QUICK)
