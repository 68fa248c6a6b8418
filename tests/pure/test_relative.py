"""Estimators that compare images of one prompt only, and what is said where a percentile compares those of many."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from adaptive_diffusion.estimators import Estimator, blip_reward, clip_scores
from adaptive_diffusion.estimators.base import Reading
from adaptive_diffusion.estimators.clip_aesthetic import Aesthetic
from adaptive_diffusion.gate.decision import QualityScores
from adaptive_diffusion.gate.percentiles import PercentileTable
from adaptive_diffusion.gate.relative import across_prompts
from adaptive_diffusion.gate.verdicts import regrouped
from adaptive_diffusion.standalone import demo
from tests.pure.tiny import PROMPTS, QUICK, adaptive

torch.set_num_threads(1)


def scores(*prompts: str, relative: bool = True) -> QualityScores:
    return QualityScores(tuple(range(len(prompts))), "HPSv2.1", prompts=prompts, relative=relative)


def test_those_trained_on_which_image_of_a_prompt_people_like_declare_it():
    assert clip_scores.PickScore.relative and clip_scores.HumanPreference.relative
    assert not (clip_scores.ClipScore.relative or Aesthetic.relative or Estimator.relative)
    assert {"ImageReward", "CycleReward"} == {*blip_reward.RELATIVE}
    assert not demo.load_estimator().relative


@pytest.mark.parametrize("name", ["ImageReward", "CycleReward", "Demo"])
def test_an_estimator_of_imagerewards_form_is_told_by_its_name(name):
    estimator = demo.load_estimator()
    settings = replace(estimator.settings, name=name)
    assert blip_reward.BlipReward(estimator.net, settings).relative is (name != "Demo")


def test_an_estimator_of_another_make_that_says_nothing_is_not_relative():
    stranger = SimpleNamespace(name="Critic", dtype="float32")
    read = QualityScores.read_by(stranger, Reading(torch.ones(2), torch.ones(2, 0)), prompts=("a", "b"))
    assert (read.judge.name, read.relative, read.features.shape) == ("Critic", False, (2, 0))


def test_a_percentile_of_several_prompts_is_told_of_in_one_sentence():
    (sentence,) = across_prompts([scores("a", "b")], of_this_run=True)
    assert sentence.startswith("HPSv2.1 compares images of one prompt, while this percentile is of several")
    assert across_prompts([scores("a"), scores("b")], of_this_run=True) == [sentence]
    assert across_prompts([scores("a", "a")], of_this_run=False) == [sentence]


def test_nothing_is_told_of_one_prompt_or_of_scores_with_one_scale():
    assert across_prompts([scores("a", "a"), scores("a")], of_this_run=True) == []
    assert across_prompts([scores("a", "b", relative=False)], of_this_run=False) == []
    assert across_prompts([], of_this_run=True) == []


def test_scores_put_into_other_batches_stay_relative():
    assert all(group.relative for group in regrouped([scores("a", "b"), scores("c")], [1, 2]))
    assert scores("a", "b").pick([1]).relative


@pytest.mark.parametrize(("relative", "k", "told"), [(True, 50, 1), (False, 50, 0), (True, 0, 0), (True, 100, 0)])
def test_the_pipeline_warns_where_a_threshold_decides(relative, k, told):
    pipeline = adaptive(1)
    pipeline.estimator.relative = relative
    table = PercentileTable.from_scores("mine", [1.0, 2.0, 3.0], {"name": "judge"})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline(PROMPTS[:1], k=k, table=table, **QUICK)
    assert len([each for each in caught if "compares images of one prompt" in str(each.message)]) == told
