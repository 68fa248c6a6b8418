"""Pairs of student's and teacher's images: put together in any order, kept, and refused where they do not belong."""

import hashlib
import itertools
from dataclasses import replace

import numpy
import pytest

from adaptive_diffusion.gate.about import PEOPLE, About
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.pairs import Pairs, prompt_keys
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher

ABOUT = About(
    Judge("Demo", "float32", "1a"),
    "seen 3",
    Student("demo", 1, 1.0, width=64, height=64, dtype="float32"),
    Teacher("demo", "refine", 5, 2.0, rollback=0.7, rollback_scale="schedule"),
    prompts={"name": "ours", "count": 6},
    created="2026-11-28T10:00:00+00:00",
)
PROMPTS = ["a circle", "a square", "a cross", "a circle", "a red cross", "a triangle"]


def pairs(name: str = "mine", judged=None, about: About = ABOUT, **changed) -> Pairs:
    draw = numpy.random.default_rng(4)
    rows = {
        "prompts": PROMPTS,
        "seeds": range(10, 16),
        "scores": draw.normal(size=6),
        "features": draw.normal(size=(6, 3)),
        "teacher_scores": draw.normal(size=6),
        "judged": judged,
    }
    return Pairs.drawn(name, about=about, **(rows | changed))


def judged() -> Pairs:
    return pairs(
        judged=[[0, 1], [1, 1], [1, 0], [0.5, 0.6], [0, 0], [2, 3]], about=replace(ABOUT, judge=Judge("other"))
    )


def test_rows_lie_in_the_order_of_their_prompts_and_seeds_and_stay_together():
    found = pairs()
    order = sorted(range(6), key=lambda i: (int(prompt_keys([PROMPTS[i]])[0]), 10 + i))
    assert found.numbers.tolist() == order and found.seeds.tolist() == [10 + i for i in order]
    draw = numpy.random.default_rng(4)
    scores, features = draw.normal(size=6), draw.normal(size=(6, 3)).astype(numpy.float32)
    assert (found.scores == scores[order]).all() and (found.features == features[order]).all()
    digest = hashlib.sha256(b"a circle").hexdigest()
    assert hex(prompt_keys(["a circle"])[0]) == f"0x{digest[:16].lstrip('0')}" and len({*found.keys.tolist()}) == 5


def test_the_teachers_image_is_better_where_its_score_is_higher_or_the_judge_says_so():
    found = pairs()
    assert (found.improved == (found.teacher_scores > found.scores)).all() and 0 < found.improved.sum() < 6
    by_judge = judged()
    assert dict(zip(by_judge.numbers.tolist(), by_judge.improved.tolist(), strict=True)) == {
        **{0: True, 1: False, 2: False},
        **{3: True, 4: False, 5: True},
    }


def test_any_order_and_grouping_gives_the_same_file_bit_for_bit():
    whole = judged()
    expected = {**whole.about.prompts, "name": "ours"}
    parts = [whole.pick([place]) for place in range(6)]
    contents = set()
    for order in itertools.islice(itertools.permutations(range(6)), 0, 720, 37):
        merged = parts[order[0]]
        for place in order[1:]:
            merged = merged.merge(parts[place])
        halves = [parts[order[i]].merge(parts[order[i + 1]]) for i in (0, 2, 4)]
        contents |= {merged.content, halves[2].merge(halves[0].merge(halves[1])).content}
        assert merged.about.prompts == expected
    assert contents == {whole.content}


def test_a_file_holds_all_of_it(tmp_path):
    for found in (pairs(), judged()):
        found.save(tmp_path / "kept.safetensors")
        loaded = Pairs.load(tmp_path / "kept.safetensors")
        assert loaded.content == found.content == (tmp_path / "kept.safetensors").read_bytes()
        assert loaded.about == found.about and loaded.name == "kept"
        assert (loaded.improved == found.improved).all()


def test_features_may_be_none():
    assert (
        Pairs.drawn("mine", *(PROMPTS, range(6), range(6), numpy.zeros((6, 0)), range(6), None), ABOUT).features.size
        == 0
    )


def test_what_is_added_to_a_file_is_merged(tmp_path):
    whole, path = pairs(), tmp_path / "all.safetensors"
    for rows in ([0, 3], [1], [2, 4, 5]):
        added = whole.pick(rows).add_to(path)
    assert added.content == whole.content == path.read_bytes()
    with pytest.raises(ValueError, match="pairs 'all' and 'mine' hold 1 images in common; merge each file once"):
        whole.pick([2]).add_to(path)
    assert path.read_bytes() == whole.content


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"estimator": Judge("Other", "float32", "1a")}, "differ in estimator name: 'Demo' and 'Other'; merge only"),
        ({"estimator": Judge("Demo", "float32", "2b")}, "differ in estimator weights: '1a' and '2b'"),
        ({"estimator": Judge("Demo", "float32")}, "differ in estimator weights: '1a' and None"),
        ({"features": "seen 4"}, "differ in estimator features: 'seen 3' and 'seen 4'"),
        (
            {"student": replace(ABOUT.student, steps=2)},
            "differ in student steps: 1 and 2; merge only",
        ),
        ({"student": replace(ABOUT.student, vae="1")}, "differ in student vae: None and '1'"),
        ({"teacher": replace(ABOUT.teacher, rollback=0.5)}, "differ in teacher rollback: 0.7 and 0.5"),
        ({"teacher": Teacher()}, "differ in teacher name: 'demo' and None"),
    ],
)
def test_pairs_of_something_else_are_not_merged(changed, sentence):
    with pytest.raises(ValueError, match=f"pairs 'mine' and 'theirs' {sentence}"):
        pairs().pick([0, 1]).merge(pairs("theirs", about=replace(ABOUT, **changed)).pick([2]))


def test_pairs_of_another_judge_are_not_merged():
    with pytest.raises(ValueError, match="differ in judge name: None and 'other'; merge only pairs of one judge"):
        pairs().pick([0]).merge(judged().pick([1]))


def test_what_a_students_batch_was_is_no_part_of_it():
    seeded = replace(ABOUT, student=replace(ABOUT.student, seed=5, candidates=(1, 2)))
    assert seeded == ABOUT and pairs(about=seeded).content == pairs().content


def test_people_are_a_judge():
    said = pairs(judged=[[0, 1], [1, 0]] * 3, about=replace(ABOUT, judge=PEOPLE))
    assert said.improved.sum() == 3 and said.about.content["judge"] == {"name": "people"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"scores": [0, 1, 2, numpy.nan, 4, 5]},
            "have scores that are not finite for prompt 3; check its",
        ),
        ({"teacher_scores": [numpy.inf, 1, 2, 3, 4, 5]}, "have teacher_scores that are not finite for prompt 0"),
        ({"features": numpy.full((6, 2), 3e39)}, "have features that are not finite for prompt"),
        ({"scores": [0, 1, 2]}, r"have 3 scores, and numbers of shape \(6,\)"),
        ({"features": numpy.zeros(6)}, r"have 6 scores, and features of shape \(6,\)"),
        ({"judged": [[0, 1]] * 6}, "are to be judged by none, but scores of a judge came; judge all pairs, or none"),
        ({"seeds": [1, 2, 3, 1, 5, 6]}, "hold prompt 0 with seed 1 twice; keep one"),
    ],
)
def test_what_cannot_be_a_pair_is_refused(changed, sentence):
    with (
        numpy.errstate(over="ignore"),
        pytest.raises(ValueError, match=f"pairs 'mine' {sentence}") as caught,
    ):
        pairs(**changed)
    assert "\n" not in str(caught.value)


def test_a_judge_who_is_missing_is_told():
    with pytest.raises(ValueError, match="'mine' are to be judged by other, but no scores of a judge came; judge all"):
        pairs(about=replace(ABOUT, judge=Judge("other")))
    with pytest.raises(ValueError, match=r"judged of shape \(5, 2\)"):
        pairs(judged=[[0, 1]] * 5, about=replace(ABOUT, judge=Judge("other")))
    with pytest.raises(ValueError, match="judged that are not finite for prompt 2"):
        pairs(judged=[[0, 1], [0, 1], [numpy.nan, 1]] + [[0, 1]] * 3, about=replace(ABOUT, judge=Judge("other")))


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs 'mine' hold no pair; draw at least one"):
        Pairs.drawn("mine", *([], [], [], numpy.zeros((0, 3)), [], None), ABOUT)
