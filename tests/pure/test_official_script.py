"""The published examples on tiny models: the script of a person who comes from the official repository."""

import copy
import json
import os
import pickle
import sys
from types import ModuleType

import numpy
import pytest
import torch
from diffusers import (
    AutoPipelineForText2Image,
    DiffusionPipeline,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from adaptive_diffusion import AdaptiveDiffusionPipeline
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.standalone.result import AdaptiveResult
from tests.pure.tiny import (
    PROMPTS,
    QUICK,
    SIZE,
    Judge,
    adaptive,
    new_student,
    new_teacher,
    text_config,
    text_parts,
    vae,
)

torch.set_num_threads(1)
HORSE, RAIN = "Astronaut in a jungle riding a horse", "A close-up picture of an old man standing in the rain"
JUNGLE, DOGS = "Astronaut in a jungle, cold color palette, muted colors, detailed, 8k", "Three dogs on an unmade bed"
BASE, REFINER = "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-xl-refiner-1.0"
TURBO, LCM = "stabilityai/sdxl-turbo", "latent-consistency/lcm-sdxl"
SCORES = {HORSE: -0.5, RAIN: 0.9, JUNGLE: 1.2, DOGS: 0.2}
KNOTS = range(10, 100, 10)


class ImageReward(torch.nn.Module):
    """Asked as the package's model is; it scores what is in SCORES, and else by how bright the image is."""

    def __init__(self):
        super().__init__()
        self.mlp = torch.nn.Linear(1, 1)
        self.asked = []

    def score(self, prompt, image):
        assert isinstance(prompt, str) and isinstance(image, Image.Image) and image.mode == "RGB"
        self.asked.append(prompt)
        return SCORES.get(prompt, numpy.asarray(image).mean() / 255)


def unet(seed: int, refiner: bool = False, **settings) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8 if refiner else 16,
        attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=4 * (5 if refiner else 6) + 8,
        **settings,
    ).eval()


def pipeline(scheduler, seed: int, refiner: bool = False) -> StableDiffusionXLPipeline:
    tokenizer = text_parts()[1]
    torch.manual_seed(seed)
    second = CLIPTextModelWithProjection(text_config()).eval()
    first = None if refiner else CLIPTextModel(text_config()).eval()
    parts = (vae(), first, second, None if refiner else tokenizer, tokenizer, unet(seed, refiner), scheduler)
    if refiner:
        return StableDiffusionXLImg2ImgPipeline(*parts, requires_aesthetics_score=True)
    return StableDiffusionXLPipeline(*parts, add_watermarker=False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder with models of these names, and with the two tables in `data`."""
    folder = tmp_path_factory.mktemp("repository")
    euler = EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1)
    pipeline(euler, 1).save_pretrained(folder / BASE)
    pipeline(euler, 2, refiner=True).save_pretrained(folder / REFINER)
    pipeline(EulerAncestralDiscreteScheduler(timestep_spacing="trailing"), 3).save_pretrained(folder / TURBO)
    unet(4, time_cond_proj_dim=16).save_pretrained(folder / LCM)
    (folder / "data").mkdir()
    for name in ("lcm", "turbo"):
        table = {str(k): (k - 50) / 30 + 0.6 for k in KNOTS}
        (folder / "data" / f"IR_percentiles_{name}.json").write_text(json.dumps(table))
    return folder


@pytest.fixture(autouse=True)
def here(repository, monkeypatch):
    """The script runs in that folder, beside the package image-reward."""
    package = ModuleType("ImageReward")
    package.load = lambda name: ImageReward()
    monkeypatch.setitem(sys.modules, "ImageReward", package)
    monkeypatch.chdir(repository)


def calls_of(network) -> list[int]:
    """How many rows the network is given, call by call, from now on."""
    rows: list[int] = []
    network.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    return rows


def lcm_student():
    student = DiffusionPipeline.from_pretrained(BASE, unet=UNet2DConditionModel.from_pretrained(LCM))
    student.scheduler = LCMScheduler.from_config(student.scheduler.config)
    return student


def saved(image, tmp_path) -> numpy.ndarray:
    image.save(tmp_path / "image.png")
    return numpy.asarray(Image.open(tmp_path / "image.png"))


@pytest.mark.parametrize("more", [{}, {"num_inference_steps_student": 4, "n_samples": 5000}])
def test_the_example_of_lcm_sdxl(tmp_path, more):
    import ImageReward as RM

    student = lcm_student()
    teacher = StableDiffusionXLImg2ImgPipeline.from_pretrained(BASE)
    teacher.scheduler = UniPCMultistepScheduler.from_config(teacher.scheduler.config)
    estimator = RM.load("ImageReward-v1.0")
    pipeline_adaptive = AdaptiveDiffusionPipeline(estimator=estimator, student=student, teacher=teacher)
    pipeline_adaptive.calc_score_percentiles(file_path="data/IR_percentiles_lcm.json", **more)
    drawn, refined = calls_of(student.unet), calls_of(teacher.unet)
    settings = {"num_inference_steps_student": 4, "student_guidance": 8.0, "num_inference_steps_teacher": 12}
    image = pipeline_adaptive(prompt=HORSE, **settings, sigma=0.7, k=50, seed=0)
    assert (drawn, refined) == ([1] * 4, [2] * 12)
    assert image.steps == (16,) and image.decision.threshold == pytest.approx(0.6)
    assert (saved(image, tmp_path) == numpy.asarray(image.images[0])).all() and image.size == (SIZE, SIZE)
    image = pipeline_adaptive(prompt=RAIN, **settings, sigma=0.7, k=50, seed=0)
    assert (drawn, refined) == ([1] * 8, [2] * 12) and image.steps == (4,)
    alone = student(RAIN, num_inference_steps=4, guidance_scale=8.0, generator=torch.Generator().manual_seed(0))
    assert abs(saved(image, tmp_path).astype(int) - numpy.asarray(alone.images[0])).max() <= 1
    assert estimator.asked == [HORSE, RAIN]


@pytest.mark.parametrize("more", [{}, {"num_inference_steps_student": 2, "n_samples": 5000}])
def test_the_example_of_sdxl_turbo_draws_without_guidance(tmp_path, more):
    import ImageReward as RM

    student = AutoPipelineForText2Image.from_pretrained(TURBO)
    teacher = StableDiffusionXLImg2ImgPipeline.from_pretrained(REFINER)
    teacher.scheduler = UniPCMultistepScheduler.from_config(teacher.scheduler.config)
    pipeline_adaptive = AdaptiveDiffusionPipeline(
        estimator=RM.load("ImageReward-v1.0"), student=student, teacher=teacher
    )
    pipeline_adaptive.calc_score_percentiles(file_path="data/IR_percentiles_turbo.json", **more)
    drawn, refined = calls_of(student.unet), calls_of(teacher.unet)
    settings = {"num_inference_steps_student": 2, "num_inference_steps_teacher": 4, "sigma": 0.3, "k": 50, "seed": 0}
    image = pipeline_adaptive(prompt=JUNGLE, **settings)
    assert (drawn, refined) == ([1] * 2, []) and image.steps == (2,)
    assert image.decision.student.cfg == 0.0
    alone = student(JUNGLE, num_inference_steps=2, guidance_scale=0.0, generator=torch.Generator().manual_seed(0))
    assert abs(saved(image, tmp_path).astype(int) - numpy.asarray(alone.images[0])).max() <= 1
    drawn.clear()
    image = pipeline_adaptive(prompt=DOGS, **settings)
    assert (drawn, refined) == ([1] * 2, [2] * 4) and image.steps == (6,)
    assert saved(image, tmp_path).shape == (SIZE, SIZE, 3)


@pytest.fixture
def captions(tmp_path):
    """A table of prompts as the published one is, one of them twice."""
    rows = [f'{i},"a {word} circle, {i % 3} dots"' for i, word in enumerate(["red", "green", "blue"] * 5)]
    (tmp_path / "coco.csv").write_text("\n".join(["id,caption", *rows]) + "\n")
    return tmp_path / "coco.csv"


def tuned(captions, path, **settings) -> AdaptiveDiffusionPipeline:
    """As the published example of tuning calls it, which has no teacher."""
    found = AdaptiveDiffusionPipeline(estimator=ImageReward(), student=lcm_student(), teacher=None)
    given = {"num_inference_steps": 4, "guidance_scale": 8.0, "n_samples": 12, "b_size": 5, **settings}
    found.calc_score_percentiles(file_path=str(path), prompts_path=str(captions), **given)
    return found


def test_the_example_of_tuning_makes_a_table_of_the_first_prompts_once(captions, tmp_path):
    path = tmp_path / "new" / "IR_percentiles_lcm.json"
    first = tuned(captions, path)
    lines = captions.read_text().splitlines()[1:13]
    prompts = [line.split(",", 1)[1].strip('"') for line in lines]
    assert first.estimator.judge.asked == prompts
    alone = adaptive_alone(prompts)
    assert first.table.scores == pytest.approx(sorted(alone))
    assert [first.table.threshold(k) for k in KNOTS] == pytest.approx(numpy.percentile(alone, KNOTS).tolist())
    kept = PercentileTable.load(path)
    assert kept == first.table and kept.prompts["count"] == 12
    student = kept.student
    assert (student["steps"], student["cfg"], student["width"], student["height"]) == (4, 8.0, SIZE, SIZE)
    assert kept.estimator == {"name": "ImageReward", "dtype": "float32"}
    before = path.read_bytes()
    again = tuned(captions, path)
    assert again.table == first.table and again.estimator.judge.asked == [] and path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def adaptive_alone(prompts) -> list[float]:
    """What ImageReward says of the images that the student alone draws of prompts, prompt i from seed i."""
    student, judge, scores = lcm_student(), ImageReward(), []
    for seed, prompt in enumerate(prompts):
        drawn = student(
            prompt, num_inference_steps=4, guidance_scale=8.0, generator=torch.Generator().manual_seed(seed)
        )
        scores.append(judge.score(prompt, drawn.images[0]))
    return scores


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_inference_steps": 2}, "steps"),
        ({"guidance_scale": 3.0}, "cfg"),
        ({"height": 32, "width": 32}, "width"),
    ],
)
def test_a_table_of_other_settings_is_kept_beside_and_a_new_one_is_made(captions, tmp_path, changes, told):
    path = tmp_path / "mine.json"
    old, before = tuned(captions, path).table, path.read_bytes()
    with pytest.warns(
        UserWarning,
        match=f"^table '.*mine.json' was made with others: student {told} .*; it is kept as 'mine before 1.js",
    ):
        new = tuned(captions, path, **changes).table
    assert (tmp_path / "mine before 1.json").read_bytes() == before and new.scores != old.scores
    assert PercentileTable.load(path) == new
    with pytest.warns(UserWarning, match="is kept as 'mine before 2.json'"):
        assert tuned(captions, path, height=SIZE, width=SIZE).table.scores == old.scores


def test_a_table_of_another_estimator_is_kept_beside(captions, tmp_path):
    path = tmp_path / "mine.json"
    PercentileTable.from_scores("mine", [1.0, 2.0], {"name": "HPSv2.1"}).save(path)
    with pytest.warns(
        UserWarning, match="made with others: estimator name 'ImageReward' instead of 'HPSv2.1'.* it is kept"
    ):
        assert tuned(captions, path).table.estimator["name"] == "ImageReward"


def test_a_table_that_does_not_fit_stays_where_no_new_one_can_be_made(captions, tmp_path):
    path = tmp_path / "mine.json"
    before = tuned(captions, path) and path.read_bytes()
    alone = AdaptiveDiffusionPipeline(ImageReward(), lcm_student(), None)
    told = "table '.*mine.json' was made with others: student steps 2 instead of 4, and no prompts to make one of; give"
    with pytest.raises(ValueError, match=told):
        alone.calc_score_percentiles(path, num_inference_steps=2)
    with pytest.raises(ValueError, match="'none.csv' cannot be read"):
        alone.calc_score_percentiles(path, num_inference_steps=2, prompts_path=tmp_path / "none.csv")
    assert path.read_bytes() == before and len(os.listdir(tmp_path)) == 2


def test_only_what_is_given_must_fit(captions, tmp_path):
    path = tmp_path / "mine.json"
    made = tuned(captions, path).table
    alone = AdaptiveDiffusionPipeline(ImageReward(), lcm_student(), None)
    alone.calc_score_percentiles(path)
    assert alone.table == made
    assert tuned(captions, path, n_samples=3).table == made


def test_stopped_it_goes_on_and_scores_nothing_twice(captions, tmp_path, monkeypatch):
    whole = tuned(captions, tmp_path / "whole.json").table
    own, scored = ImageReward.score, []

    def stopped(self, prompt, image):
        if len(scored) == 7:
            raise KeyboardInterrupt
        scored.append(prompt)
        return own(self, prompt, image)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ImageReward, "score", stopped)
        tuned(captions, tmp_path / "mine.json")
    assert not (tmp_path / "mine.json").exists()
    rest = tuned(captions, tmp_path / "mine.json")
    assert rest.table.scores == whole.scores and len(rest.estimator.judge.asked) == 7


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prompts_path": None}, "there is no table '.*mine.json', and no prompts to make one of; give prompts_path"),
        ({"n_samples": 0}, "n_samples is 0; choose a whole number from 1 to "),
        ({"b_size": 2.5}, "b_size is 2.5; choose a whole number from 1 to "),
        ({"num_inference_steps": -1}, "num_inference_steps is -1; choose a whole number from 1 to 1000"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan; choose a number from 0 to 100"),
        ({"height": 4}, "height is 4; choose a whole number from 8 to "),
        ({"prompts_path": "none.csv"}, "none.csv"),
        ({"prompts_path": ["a cat"]}, r"^prompts_path is \['a cat'\]; give the path of a file$"),
        ({"file_path": None}, "^file_path is None; give the path of a file$"),
        ({"file_path": "a\0.json"}, r"^file_path is 'a\\x00.json'; give the path of a file$"),
        ({"file_path": "."}, "^'.' is a folder; name a file in it, such as percentiles.json$"),
        ({"file_path": "x" * 300}, r"cannot be written \(File name too long\); choose a shorter name$"),
        ({"file_path": f"{BASE}/model_index.json/t.json"}, r"cannot be written \(File exists\); "),
        ({"negative_prompt": ["dark"]}, r"^negative_prompt is \['dark'\]; give a text$"),
    ],
)
def test_what_no_table_can_be_made_of_is_one_sentence(captions, tmp_path, settings, told):
    asked = {"file_path": tmp_path / "mine.json", "prompts_path": captions, "n_samples": 3, **settings}
    with pytest.raises((ValueError, OSError), match=told) as error:
        AdaptiveDiffusionPipeline(ImageReward(), lcm_student(), None).calc_score_percentiles(**asked)
    assert "\n" not in str(error.value) and not (tmp_path / "mine.json").exists()


def test_a_damaged_table_is_refused_and_left_as_it_is(captions, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"10": 0.5, "20":')
    with pytest.raises(ValueError, match="table 'mine' is not a complete JSON file; make it again"):
        tuned(captions, path)
    assert path.read_text() == '{"10": 0.5, "20":' and os.listdir(tmp_path).count("mine.json") == 1


def test_the_result_of_one_prompt_is_the_image_itself(tmp_path):
    result = adaptive(1.0, 2.0)(PROMPTS[0], k=100, **QUICK)
    picture = result.images[0]
    assert isinstance(result, Image.Image) and isinstance(result, AdaptiveResult)
    assert (numpy.asarray(result) == numpy.asarray(picture)).all()
    assert result.resize((4, 4)).tobytes() == picture.resize((4, 4)).tobytes()
    assert (result.size, result.mode, result.width) == (picture.size, "RGB", SIZE)
    assert (saved(result, tmp_path) == numpy.asarray(picture)).all()
    canvas = Image.new("RGB", (2 * SIZE, SIZE))
    canvas.paste(result, (SIZE, 0))
    assert canvas.crop((SIZE, 0, 2 * SIZE, SIZE)).tobytes() == picture.tobytes()
    taken = new_teacher()(PROMPTS[0], image=result, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    own = new_teacher()(PROMPTS[0], image=picture, num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    assert taken.images[0].tobytes() == own.images[0].tobytes()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_a_copy_of_a_result_is_a_result(copied):
    result = adaptive(1.0)([PROMPTS[0]], k=0, **QUICK)
    other = copied(result)
    assert type(other) is type(result) and torch.equal(other.pixels, result.pixels) and other.steps == result.steps
    assert other.tobytes() == result.tobytes() and other.decision == result.decision


def test_the_result_of_several_prompts_is_no_image():
    result = adaptive(1.0, 2.0)(PROMPTS[:2], k=0, **QUICK)
    assert not isinstance(result, Image.Image) and len(result.images) == 2


@pytest.mark.parametrize(
    ("scheduler", "network", "guidance"),
    [
        (LCMScheduler, {}, 8.0),
        (EulerAncestralDiscreteScheduler, {}, 0.0),
        (EulerDiscreteScheduler, {}, 0.0),
        (EulerDiscreteScheduler, {"time_cond_proj_dim": 8}, 8.0),
    ],
)
def test_a_student_is_guided_by_default_only_where_it_was_made_for_it(scheduler, network, guidance):
    student = pipeline(scheduler(), 5)
    student.register_modules(unet=unet(5, **network))
    steps = {"num_inference_steps_student": 2, "k": 0}
    result = AdaptiveDiffusionPipeline(Judge(*range(5)), student, None)(PROMPTS[0], **steps)
    asked = AdaptiveDiffusionPipeline(Judge(*range(5)), student, None)(PROMPTS[0], student_guidance=guidance, **steps)
    assert result.decision.student.cfg == guidance and torch.equal(result.pixels, asked.pixels)


OTHER_KINDS = [
    ({"prompt": None}, "^prompt 0 is None; give a text$"),
    ({"prompt": [DOGS, 3]}, "^prompt 1 is 3; give a text$"),
    ({"prompt": b"dogs"}, "^prompt 0 is b'dogs'; give a text$"),
    ({"negative_prompt": ["dark"]}, r"^negative_prompt is \['dark'\]; give a text$"),
    ({"table": "data/IR_percentiles_lcm.json"}, "^the table is '.*lcm.json'; give a PercentileTable or a LearnedGate"),
    ({"table": {}}, "^the table is {}; give a PercentileTable or a LearnedGate"),
    ({"hold": "held"}, "^hold is 'held'; give a Holding of a HeldFolder and the student$"),
]


@pytest.mark.parametrize(("settings", "told"), OTHER_KINDS, ids=lambda value: str(value)[:40])
def test_what_is_of_another_kind_is_one_sentence(settings, told):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match=told):
        patch.setattr(StableDiffusionXLPipeline, "__call__", lambda *_, **__: pytest.fail("the student was asked"))
        AdaptiveDiffusionPipeline(ImageReward(), lcm_student(), None)(**{"prompt": DOGS, "k": 100, **settings})


@pytest.mark.parametrize("given", [TURBO, None, 5])
def test_a_model_that_is_none_is_one_sentence(given):
    told = "give a pipeline, as diffusers' from_pretrained loads one$"
    with pytest.raises(ValueError, match=f"^the student is {given!r}; {told}"):
        AdaptiveDiffusionPipeline(ImageReward(), given, new_teacher())(DOGS, k=100)
    if given is not None:
        with pytest.raises(ValueError, match=f"^the teacher is {given!r}; {told}"):
            AdaptiveDiffusionPipeline(ImageReward(), new_student(), given)(DOGS, k=100)
    with pytest.raises(ValueError, match=f"^the teacher is {given!r}; {told}"):
        AdaptiveDiffusionPipeline(ImageReward(), new_student(), lambda: given)(DOGS, k=100, **QUICK)


@pytest.mark.parametrize("given", [0.25, numpy.float32(0.25), torch.tensor(0.25), torch.tensor([[0.25]]), [0.25], 1])
def test_what_another_estimator_gives_is_taken_as_a_number(given):
    class Rater:
        def score(self, prompt, image):
            return given

    result = AdaptiveDiffusionPipeline(Rater(), new_student(), None)(PROMPTS, k=0, **QUICK)
    assert result.decision.scores.values == (float(numpy.asarray(given).item()),) * 5
    assert (result.decision.scores.estimator, result.decision.scores.dtype) == ("Rater", "float32")


@pytest.mark.parametrize("given", ["good", None, [0.1, 0.2], {"score": 1.0}, []])
def test_what_is_no_number_is_refused(given):
    class Rater:
        def score(self, prompt, image):
            return given

    with pytest.raises(ValueError, match="^Rater scored an image as .*; its score.prompt, image. must be a number$"):
        AdaptiveDiffusionPipeline(Rater(), new_student(), None)(PROMPTS, k=0, **QUICK)


def test_what_cannot_score_is_refused_before_anything_is_drawn():
    with pytest.raises(ValueError, match="^a str is no estimator; give one with score.prompt, image.$"):
        AdaptiveDiffusionPipeline("ImageReward-v1.0", new_student(), None)


def test_the_published_table_serves_with_the_packages_model_and_the_pitfall_is_told(repository):
    adaptive_pipeline = AdaptiveDiffusionPipeline(ImageReward(), new_student(), new_teacher())
    adaptive_pipeline.load_score_percentiles(repository / "data" / "IR_percentiles_turbo.json")
    with pytest.warns(UserWarning, match="ImageReward compares images of one prompt, while this percentile"):
        adaptive_pipeline(PROMPTS, k=50, **QUICK)
