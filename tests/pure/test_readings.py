"""An estimator's reading: the score as ever, and what it comes from, at one pass through the network."""

import json

import numpy
import pytest
import torch
from safetensors.torch import save_file

from adaptive_diffusion import estimators
from adaptive_diffusion.estimators.base import Estimator, reading_of
from adaptive_diffusion.estimators.clip_aesthetic import AestheticNet
from adaptive_diffusion.gate.decision import QualityScores, decide
from adaptive_diffusion.gate.verdicts import Verdicts, regrouped
from adaptive_diffusion.standalone import demo
from training.scenes import dataset

from . import test_clip_estimators as clip
from .test_clip_estimators import folder, pair, words  # noqa: F401
from .test_estimators import PROMPTS, SETTINGS, pictures, random_state

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    save_file(random_state(), path, metadata=SETTINGS.metadata())
    return estimators.load(path)


class Plain(Estimator):
    """Scores by the mean brightness, and says nothing else."""

    name = "Plain"

    def __init__(self):
        super().__init__(torch.nn.Linear(1, 1))

    def encode(self, images):
        return images

    def judge(self, encoded, prompts):
        return encoded.mean((1, 2, 3)).float()


def counted(module: torch.nn.Module) -> dict[str, int]:
    """How often each part of a network is called from now on."""
    calls: dict[str, int] = {}
    for name, part in module.named_modules():
        part.register_forward_hook(lambda *_, name=name: calls.update({name: calls.get(name, 0) + 1}))
    return calls


def test_scores_are_bit_equal_with_features_and_without(tiny):
    reading = tiny.read(pictures(4), PROMPTS)
    assert torch.equal(reading.scores, tiny.score(pictures(4), PROMPTS))
    assert torch.equal(reading.scores, tiny.judge(tiny.encode(pictures(4)), PROMPTS))
    scenes, images = dataset(12, 5)
    pixels, captions = torch.from_numpy(images) / 255, [scene.caption for scene in scenes]
    assert torch.equal(
        demo.load_estimator().read(pixels, captions).scores, demo.load_estimator().score(pixels, captions)
    )


def test_features_are_what_the_head_reads_and_the_mean_of_the_words(tiny):
    reads = []
    hook = tiny.module.mlp.register_forward_pre_hook(lambda _, inputs: reads.append(inputs[0]))
    features = tiny.read(pictures(4), PROMPTS).features
    hook.remove()
    joint, text = features.split(16, 1)
    assert features.dtype == torch.float32 and torch.equal(joint, reads[0])
    table, ids = tiny.module.blip.text_encoder.embeddings.word_embeddings.weight, tiny.tokenizer.ids
    for row, prompt in zip(text, PROMPTS, strict=True):
        expected = table[[ids[word] for word in prompt.split()]].mean(0)
        assert torch.allclose(row, expected, atol=1e-6)
    assert tiny.feature_names == "joint state 16, mean word embedding 16"


def test_a_row_of_features_does_not_depend_on_its_batch(tiny):
    together = tiny.read(pictures(4), PROMPTS).features
    alone = [tiny.read(pictures(4)[i : i + 1], PROMPTS[i]).features for i in range(4)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_reading_takes_one_pass_through_every_part(tiny):
    calls = counted(tiny.module)
    tiny.read(pictures(4), PROMPTS)
    used = {name: number for name, number in calls.items() if number}
    assert {"blip.visual_encoder", "blip.text_encoder.embeddings.word_embeddings", "mlp"} <= used.keys()
    assert {*used.values()} == {1}
    tiny.score(pictures(4), PROMPTS)
    assert {*calls.values()} == {2}


def test_every_image_for_every_prompt_is_read_in_the_order_of_its_scores(tiny):
    encoded = tiny.encode(pictures(3))
    scores, features = tiny.look(encoded, PROMPTS * 3)
    assert scores.shape == (12,) and features.shape == (12, 32)
    assert torch.allclose(features[5], tiny.read(pictures(3)[1:2], PROMPTS[1]).features[0], atol=1e-5)


def test_clip_reads_its_two_embeddings(pair):  # noqa: F811
    _, estimator = pair
    calls = counted(estimator.module)
    prompts = ["cat", "red", "cat"]
    scores, features = estimator.read(clip.pictures(), prompts)
    assert calls["vision_model"] == calls["text_model"] == 1
    image, text = features.split(20, 1)
    assert features.shape == (3, 40) and estimator.feature_names == "image embedding 20, text embedding 20"
    assert torch.allclose(estimator.rate((image * text).sum(-1)), scores, atol=1e-5)
    assert torch.allclose(features.square().sum(1), torch.full((3,), 2.0), atol=1e-5)
    assert torch.equal(text[0], text[2]) and not torch.allclose(text[0], text[1])
    assert torch.equal(scores, estimator.score(clip.pictures(), prompts))


def test_one_without_features_has_rows_of_none_and_may_be_of_another_make():
    reading = Plain().read(pictures(3), "red")
    assert reading.scores.shape == (3,) and reading.features.shape == (3, 0) and Plain().feature_names == ""

    class Outside:
        def score(self, images, prompts):
            return torch.ones(len(images))

    assert reading_of(Outside(), pictures(2), ["a", "b"]).features.shape == (2, 0)
    assert torch.equal(reading_of(Plain(), pictures(3), ["red"] * 3).scores, reading.scores)


def scores_with_features(values, first: int = 0, names: str = "seen 2", **origin) -> QualityScores:
    rows = numpy.arange(first, first + 2 * len(values), dtype=numpy.float32).reshape(-1, 2)
    return QualityScores(tuple(values), features=rows, feature_names=names, **origin)


def test_picking_and_the_gate_keep_each_images_features():
    scores = scores_with_features([0.0, 2.0, 0.5])
    assert scores.pick([2, 0]).features.tolist() == [[4, 5], [0, 1]]
    assert scores.pick([]).features.shape == (0, 2)
    assert decide(scores, 1.0).seen_again.features.tolist() == [[0, 1], [4, 5]]
    assert scores == QualityScores((0.0, 2.0, 0.5)) and hash(scores) == hash(QualityScores((0.0, 2.0, 0.5)))
    assert QualityScores((1.0, 2.0)).pick([1]).features is None
    json.dumps(repr(scores))


def test_batches_that_are_cut_anew_keep_features_where_all_know_the_same():
    groups = [scores_with_features([1.0, 2.0], groups=2), scores_with_features([3.0], 4, group=1, groups=2)]
    [joined] = regrouped(groups, [3])
    assert joined.features.tolist() == [[0, 1], [2, 3], [4, 5]] and joined.feature_names == "seen 2"
    one, two = Verdicts(tuple(decide(group, 2.5) for group in groups)).fitted([1, 2])
    assert one.scores.features.tolist() == [[0, 1]] and two.scores.features.tolist() == [[2, 3], [4, 5]]
    for other in (QualityScores((3.0,), group=1, groups=2), scores_with_features([3.0], names="other 2", group=1)):
        [joined] = regrouped([groups[0], other], [3])
        assert joined.features is None


def test_features_of_another_number_of_images_are_refused():
    with pytest.raises(ValueError, match=r"2 scores came with features of shape \(3, 4\)"):
        QualityScores((1.0, 2.0), features=numpy.zeros((3, 4), numpy.float32))


def test_the_pipeline_carries_the_features_of_its_scores():
    pipeline = demo.AdaptiveDiffusionPipeline(demo.load_estimator(), demo.load_student(), None)
    result = pipeline(demo.PROMPTS[:3], num_inference_steps_student=1, student_guidance=1.0, k=0)
    scores = result.decision.scores
    reading = demo.load_estimator().read(result.pixels, demo.PROMPTS[:3])
    assert scores.features.shape == (3, 192) and scores.feature_names == "joint state 96, mean word embedding 96"
    assert numpy.array_equal(scores.features, reading.features.numpy())


def test_the_aesthetic_predictor_reads_the_images_embedding():
    head = torch.nn.Sequential(torch.nn.Linear(4, 1))
    predictor = estimators.clip_scores.Aesthetic.__new__(estimators.clip_scores.Aesthetic)
    predictor.head = head
    Estimator.__init__(predictor, AestheticNet(torch.nn.Identity(), head))
    encoded = torch.randn(2, 4)
    scores, features = predictor.look(encoded, [""] * 2)
    assert torch.equal(features, encoded) and torch.allclose(scores, head(encoded)[:, 0])
