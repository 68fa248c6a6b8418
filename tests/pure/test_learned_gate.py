"""The learned gate: fitted alike however pairs come, ranked on prompts it never saw, kept, and refused where unfit."""

import json
import math
import re
import struct
from dataclasses import replace

import numpy
import pytest

from adaptive_diffusion.gate import fitting, logistic
from adaptive_diffusion.gate.components import MOST_COMPONENTS, Components
from adaptive_diffusion.gate.confidence import rejection_interval
from adaptive_diffusion.gate.fitting import fit, stakes
from adaptive_diffusion.gate.judge import Judge
from adaptive_diffusion.gate.learned import FORM, LearnedGate
from adaptive_diffusion.gate.logistic import regress
from adaptive_diffusion.gate.pairs import Pairs
from adaptive_diffusion.gate.ranking import area
from adaptive_diffusion.gate.student import Student
from adaptive_diffusion.gate.teacher import Teacher
from adaptive_diffusion.tensors import MOST_HEADER

from .test_pairs import ABOUT


def made(count: int = 240, features: int = 6, seed: int = 1, prompts: int | None = None, signal: float = 1.5) -> Pairs:
    """Pairs whose teacher betters the student's image where a line in score and features says so, mostly."""
    draw = numpy.random.default_rng(seed)
    scores, rows = draw.normal(size=count), draw.normal(size=(count, features)).astype(numpy.float32)
    odds = signal * (-scores + 2 * rows[:, 0] - rows[:, 1]) - 1
    better = draw.random(count) < 1 / (1 + numpy.exp(-odds))
    texts = [f"prompt {seed} {i % (prompts or count)}" for i in range(count)]
    second = scores + numpy.where(better, 1, -1) * draw.uniform(0.5, 1.5, count)
    return Pairs.drawn("mine", texts, range(count), scores, rows, second, None, replace(ABOUT, features="seen 6"))


@pytest.fixture(scope="module")
def gate():
    return fit(made())


def test_the_same_pairs_in_any_order_and_grouping_give_the_same_file(gate):
    pairs = made()
    order = numpy.random.default_rng(2).permutation(len(pairs))
    assert fit(pairs.pick(order)).content == gate.content
    merged = pairs.pick(order[:50]).merge(pairs.pick(order[50:120])).merge(pairs.pick(order[120:]))
    other = pairs.pick(order[120:]).merge(pairs.pick(order[:50]).merge(pairs.pick(order[50:120])))
    assert fit(merged).content == fit(other).content == gate.content


def test_a_regression_of_one_yes_or_no_is_the_log_odds_ratio():
    x = numpy.repeat([0.0, 0.0, 1.0, 1.0], [30, 10, 5, 45])[:, None]
    verdicts = numpy.repeat([False, True, False, True], [30, 10, 5, 45])
    slope, constant = regress(x, verdicts, numpy.ones(90), 0.0, numpy.zeros(2))
    assert constant == pytest.approx(math.log(10 / 30), abs=1e-6)
    assert slope == pytest.approx(math.log(45 / 5) - math.log(10 / 30), abs=1e-6)
    kinds = (numpy.array([[0.0], [0.0], [1.0], [1.0]]), numpy.array([False, True] * 2))
    counted = regress(*kinds, numpy.array([30.0, 10.0, 5.0, 45.0]), 0.0, numpy.zeros(2))
    assert counted == pytest.approx([slope, constant], abs=1e-6)


@pytest.mark.parametrize("penalty", [0.3, 30.0])
def test_a_penalised_regression_is_at_its_least(penalty):
    pairs = made()
    x, y = pairs.features.astype(float), pairs.improved.astype(float)
    found = regress(x, pairs.improved, numpy.ones(len(x)), penalty, numpy.ones(7))
    slope = x.T @ (1 / (1 + numpy.exp(-(x @ found[:-1] + found[-1]))) - y)
    assert numpy.abs(slope + penalty * found[:-1]).max() < 1e-3
    again = regress(x, pairs.improved, numpy.ones(len(x)), penalty, numpy.zeros(7))
    assert numpy.allclose(found, again, atol=1e-5)


def test_a_regression_that_rounding_ends_is_as_good_and_a_failed_one_is_none(monkeypatch):
    """In units a million times smaller the slope is rounded to more than PRECISION, at weights that are right."""
    pairs = made()
    rows, counts, start = pairs.features.astype(float), numpy.ones(240), numpy.zeros(7)
    found = logistic.regress(1e6 * rows, pairs.improved, counts, 0.0, start)
    expected = logistic.regress(rows, pairs.improved, counts, 0.0, start)
    assert found[:-1] * 1e6 == pytest.approx(expected[:-1], rel=1e-6) and found[-1] == pytest.approx(expected[-1])
    with pytest.raises(RuntimeError, match="the fit did not converge: "):
        logistic.regress(1e9 * rows, pairs.improved, counts, 0.0, start)
    monkeypatch.setattr(logistic, "ROUGH", logistic.PRECISION)
    with pytest.raises(RuntimeError, match="the fit did not converge: "):
        logistic.regress(1e6 * rows, pairs.improved, counts, 0.0, start)


def test_prompts_that_were_left_out_are_ranked_nearly_as_well_as_can_be(gate):
    fresh = made(4000, seed=9)
    found = area(gate.risk(fresh.scores, fresh.features), fresh.improved, fresh.keys).value
    truth = -fresh.scores + 2 * fresh.features[:, 0] - fresh.features[:, 1]
    best = area(truth, fresh.improved, fresh.keys).value
    by_score = area(-fresh.scores, fresh.improved, fresh.keys).value
    assert best - 0.01 < found <= best + 0.002 and by_score < found - 0.1
    assert gate.auc.low < found < gate.auc.high


def test_risks_are_probabilities(gate):
    fresh = made(8000, seed=9)
    risks = gate.risk(fresh.scores, fresh.features)
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = (risks >= low) & (risks < low + 0.2)
        assert fresh.improved[inside].mean() == pytest.approx(risks[inside].mean(), abs=0.07)


def test_one_prompt_never_lies_in_two_folds(monkeypatch):
    """Each prompt's verdict is a coin's, and its features tell the prompt: only a leak could rank them."""
    draw = numpy.random.default_rng(3)
    rows, coins = draw.normal(size=(40, 30)), draw.random(40) < 0.5
    prompt = numpy.arange(400) % 40
    second = numpy.where(coins[prompt], 1.0, -1.0)
    pairs = Pairs.drawn(
        "mine", [f"prompt {i}" for i in prompt], range(400), numpy.zeros(400), rows[prompt], second, None, ABOUT
    )
    try:
        assert fit(pairs).auc.value < 0.75
    except ValueError as error:
        assert "no better than by chance" in str(error)
    monkeypatch.setattr(fitting, "fold_of", lambda pairs: numpy.arange(len(pairs)) % 10)
    assert fit(pairs).auc.value > 0.95


def test_more_features_than_pairs_and_features_that_never_vary():
    pairs = made(150, 600)
    assert Components.of(numpy.column_stack([pairs.scores, pairs.features])).directions.shape == (601, 129)
    found = fit(pairs)
    assert len(found.weights) == 601 and numpy.isfinite(found.weights).all()
    still = replace(made(), features=numpy.column_stack([made().features, numpy.full(240, 0.1)]))
    assert fit(still).weights[-1] == 0
    none = fit(replace(made(), features=numpy.zeros((240, 0))))
    assert len(none.weights) == 1 and none.weights[0] < 0


def test_components_are_the_directions_of_most_variance_either_way():
    draw = numpy.random.default_rng(5)
    wide = draw.normal(size=(200, 400)) * numpy.linspace(3, 0.1, 400)
    tall = Components.of(numpy.column_stack([numpy.arange(200.0), wide[:, :190]]))
    turned = tall(numpy.column_stack([numpy.arange(200.0), wide[:, :190]]))
    covariance = turned[:, 1:].T @ turned[:, 1:]
    assert turned.shape == (200, 1 + MOST_COMPONENTS) and turned[:, 0].std() == pytest.approx(3)
    assert numpy.allclose(covariance, numpy.diag(numpy.diag(covariance)), atol=1e-6)
    standard = (wide - wide.mean(0)) / wide.std(0)
    most = numpy.linalg.svd(standard, compute_uv=False)[:MOST_COMPONENTS]
    found = Components.of(numpy.column_stack([numpy.arange(200.0), wide]))(numpy.column_stack([numpy.zeros(200), wide]))
    assert numpy.allclose(numpy.sort(numpy.linalg.norm(found[:, 1:], axis=0)), numpy.sort(most), rtol=1e-6)


def test_a_pair_counts_by_how_much_one_image_is_better_and_equal_ones_as_the_average():
    pairs = made(4)
    assert stakes(pairs) == pytest.approx(numpy.abs(pairs.teacher_scores - pairs.scores) / stakes_mean(pairs))
    judged = replace(pairs, judged=[[0, 1], [1, 1], [3, 0], [0, 2]], about=replace(pairs.about, judge=Judge("other")))
    assert sorted(stakes(judged) * 2) == pytest.approx([1, 2, 2, 3])


def stakes_mean(pairs: Pairs) -> float:
    return float(numpy.abs(pairs.teacher_scores - pairs.scores).mean())


def test_an_images_risk_does_not_depend_on_its_batch(gate):
    fresh = made(7, seed=4)
    together = gate.risk(fresh.scores, fresh.features)
    alone = [gate.risk(fresh.scores[i : i + 1], fresh.features[i : i + 1])[0] for i in range(7)]
    assert together.tolist() == alone and gate.risk([], numpy.zeros((0, 6), numpy.float32)).shape == (0,)


@pytest.mark.parametrize("k", [5, 30, 50, 95])
def test_k_is_the_share_of_the_pairs_that_is_sent(gate, k):
    sent = (gate.risks > gate.threshold(k)).mean()
    assert sent == pytest.approx(k / 100, abs=1 / len(gate.risks))
    assert gate.threshold(k) == pytest.approx(numpy.percentile(gate.risks, 100 - k))
    sure = gate.confidence(k)
    assert sure.count == 240 and sure.rejected == rejection_interval(240, k)
    assert sure.threshold[0] < gate.threshold(k) < sure.threshold[1]


def test_the_ends_of_k(gate):
    assert gate.threshold(0) == math.inf and gate.threshold(100) == -math.inf
    for k in (-1, 101, math.nan):
        with pytest.raises(ValueError, match=f"k is {k:g}; choose a percentage from 0 to 100"):
            gate.threshold(k)


def test_a_promise_is_of_the_risks_that_were_left_out(gate):
    found = gate.promise(20)
    kept = gate.risks <= found.threshold
    assert found.kept and 100 * gate.improved[kept].mean() < 20 and found.sent == pytest.approx(100 * (~kept).mean())


def test_the_gain_counts_what_is_sent_and_what_is_missed(gate):
    gains = gate.gains
    assert gains["k"][0] == 0 and gains["improved"][0] == 0 and gains["missed"][-1] == 0
    share = 100 * gate.improved.mean()
    assert all(a + b == pytest.approx(share) for a, b in zip(gains["improved"], gains["missed"], strict=True))
    assert gains["improved"] == sorted(gains["improved"])


def test_the_area_and_its_interval_are_those_of_delong():
    draw = numpy.random.default_rng(6)
    improved, risks = draw.random(80) < 0.4, numpy.round(draw.normal(size=80), 1)
    risks[improved] += 0.8
    above = (risks[improved][:, None] > risks[~improved]) + 0.5 * (risks[improved][:, None] == risks[~improved])
    found = area(risks, improved, numpy.arange(80))
    assert found.value == pytest.approx(above.mean())
    variance = above.mean(1).var(ddof=1) / len(above) + above.mean(0).var(ddof=1) / above.shape[1]
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * variance**0.5, rel=0.03)
    doubled = area(*(numpy.repeat(part, 2) for part in (risks, improved, numpy.arange(80))))
    assert doubled.value == pytest.approx(found.value) and doubled.high == pytest.approx(found.high, rel=1e-3)


def test_the_file_holds_all_of_it(gate, tmp_path):
    path = tmp_path / "kept.safetensors"
    gate.save(path)
    loaded = LearnedGate.load(path)
    assert loaded.content == gate.content == path.read_bytes() and loaded.about == gate.about
    fresh = made(20, seed=4)
    assert (loaded.risk(fresh.scores, fresh.features) == gate.risk(fresh.scores, fresh.features)).all()
    [length] = struct.unpack("<Q", path.read_bytes()[:8])
    about = json.loads(json.loads(path.read_bytes()[8 : 8 + length])["__metadata__"]["about"])
    assert about["format"] == "adaptive-diffusion gate" and about["version"] == 1 and about["count"] == 240
    assert about["teacher"] == ABOUT.teacher.settings and about["features"] == "seen 6"
    assert about["auc"]["value"] == gate.auc.value and about["gains"] == gate.gains
    assert path.stat().st_size < 10_000


def test_the_lowest_tenth_of_the_scores_count_as_equal(gate):
    fresh = made(400, seed=4)
    assert gate.floor == numpy.percentile(made().scores, 10, method="higher")
    low = fresh.scores < gate.floor
    lower, raised = fresh.scores - 50 * low, numpy.maximum(fresh.scores, gate.floor)
    assert low.any() and (gate.risk(lower, fresh.features) == gate.risk(raised, fresh.features)).all()
    higher = gate.risk(raised + 0.1, fresh.features)
    assert (higher < gate.risk(raised, fresh.features)).all()


def test_failed_images_however_low_their_scores_change_no_other_risk():
    pairs = made()
    far = numpy.where(pairs.scores < numpy.percentile(pairs.scores, 10), -1e4, 0) + pairs.scores
    one, other = fit(pairs), fit(replace(pairs, scores=far, teacher_scores=pairs.teacher_scores - pairs.scores + far))
    fresh = made(400, seed=4)
    usual = fresh.scores > numpy.percentile(pairs.scores, 12)
    risks = [each.risk(fresh.scores, fresh.features)[usual] for each in (one, other)]
    assert numpy.abs(risks[0] - risks[1]).max() < 0.03


def test_a_file_from_before_there_was_a_floor_is_read_as_it_was(gate, tmp_path):
    arrays = {"weights": gate.weights, "constant": numpy.array([gate.constant]), "risks": gate.risks}
    arrays |= {"improved": gate.improved.astype(numpy.uint8), "keys": gate.keys}
    path = tmp_path / "kept.safetensors"
    path.write_bytes(FORM.content(arrays, gate.about))
    loaded, fresh = LearnedGate.load(path), made(400, seed=4)
    rows = numpy.column_stack([fresh.scores, fresh.features.astype(float)])
    expected = 1 / (1 + numpy.exp(-(rows @ gate.weights + gate.constant)))
    assert loaded.risk(fresh.scores, fresh.features) == pytest.approx(expected, abs=1e-12)


def test_scores_of_something_else_are_refused(gate):
    gate.check_estimator(Judge("Demo", "float32", "1a"), "seen 6")
    for judge, sentence in (
        (
            Judge("Other", "float32"),
            "gate 'mine' was made for the estimator Demo, but the scores are of Other; choose a",
        ),
        (
            Judge("Demo", "float16", "1a"),
            "made in float32, but the scores are float16; load the estimator in the gate's",
        ),
        (Judge("Demo", "float32", "2b"), "Demo with the weights 1a, but .* or fit a gate to pairs of this one"),
    ):
        with pytest.raises(ValueError, match=sentence):
            gate.check_estimator(judge, "seen 6")
    with pytest.raises(ValueError, match="reads the features 'seen 6', but the scores came with 'none'; fit a gate to"):
        gate.check_estimator(Judge("Demo", "float32", "1a"), "")


def test_features_that_do_not_fit_are_refused(gate):
    with pytest.raises(ValueError, match="gate 'mine' reads 6 features of each image, and none came with the scores"):
        gate.risk([1.0], None)
    with pytest.raises(ValueError, match="reads 6 features of each image, and 5 came"):
        gate.risk([1.0], numpy.zeros((1, 5), numpy.float32))
    features = numpy.zeros((3, 6), numpy.float32)
    features[1, 2] = numpy.nan
    with pytest.raises(ValueError, match="the features of image 1 are not finite; check the image and the estimator's"):
        gate.risk([1.0, 2.0, 3.0], features)


def test_another_student_or_teacher_is_told(gate):
    assert gate.differences(Student("demo", 1, seed=4), Teacher("demo", steps=5)) == []
    assert gate.differences(None, None) == []
    assert gate.differences(Student("demo", 2), Teacher("demo", "regenerate", 8)) == [
        "steps 2 instead of 1",
        "teacher strategy regenerate instead of refine",
        "teacher steps 8 instead of 5",
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"teacher_scores": made().scores - 1}, "the teacher's image is better in none of 240; keep the student's"),
        (
            {"teacher_scores": made().scores + 1},
            "the teacher's image is better in all 240; let the teacher improve all",
        ),
        (
            {"teacher_scores": made().scores + numpy.where(numpy.arange(240) < 4, 1, -1)},
            "are too few to fit: the teacher's image is better for 4 prompts and not for 236, and each takes 10; draw "
            "about 360 more",
        ),
    ],
)
def test_pairs_that_cannot_be_fitted_say_why(change, sentence):
    with pytest.raises(ValueError, match=f"pairs 'mine'[: ]+{sentence}") as caught:
        fit(replace(made(), **change))
    assert "\n" not in str(caught.value)


def test_pairs_of_few_prompts_and_pairs_that_tell_nothing_are_refused():
    with pytest.raises(ValueError, match=r"too few to fit: the teacher's image is better for \d prompts"):
        fit(made(200, prompts=5))
    refused = 0
    for seed in range(6):
        try:
            assert fit(made(60, seed=seed, signal=0.0)).auc.low < 0.6
        except ValueError as error:
            refused += "told no better than by chance; draw more than 60, or use a percentile table" in str(error)
    assert refused


def damaged(path, change) -> str:
    """What is said of a gate's file whose bytes are changed."""
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match="'kept'|'kept.safetensors'") as caught:
        LearnedGate.load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[:-1], "gate 'kept' is not a whole gate's file; fit it again"),
        (lambda data: b"", "is not a whole gate's file"),
        (lambda data: struct.pack("<Q", MOST_HEADER + 1) + data[8:], "is not a whole gate's file"),
        (lambda data: struct.pack("<Q", 2**63) + data[8:], "is not a whole gate's file"),
        (
            lambda data: data.replace(b'\\"version\\": 1', b'\\"version\\": 2'),
            "version 2; this pack reads .* 1; update",
        ),
        (lambda data: data.replace(b"adaptive-diffusion gate", b"adaptive-diffusion gaXe"), "this pack reads"),
        (lambda data: data.replace(b'\\"seen 6\\"', b"123456789 "), "describes its features as 123456789; expected"),
        (lambda data: data.replace(b'"U64"', b'"I64"'), "is not a whole gate's file"),
        (lambda data: data.replace(b'"keys"', b'"kexs"'), "is not a whole gate's file"),
        (lambda data: data[:-8] + struct.pack("<d", math.nan), "is not a whole gate's file"),
    ],
)
def test_a_damaged_file_is_one_sentence(gate, tmp_path, change, sentence):
    gate.save(tmp_path / "kept.safetensors")
    assert re.search(sentence, damaged(tmp_path / "kept.safetensors", change))


def test_pairs_are_no_gate_and_a_gate_is_no_pairs(gate, tmp_path):
    gate.save(tmp_path / "kept.safetensors")
    with pytest.raises(ValueError, match="format 'adaptive-diffusion gate' version 1; this pack reads 'adaptive-diffu"):
        Pairs.load(tmp_path / "kept.safetensors")
    with pytest.raises(FileNotFoundError):
        LearnedGate.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError):
        LearnedGate.load(tmp_path)
