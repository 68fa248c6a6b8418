"""Patches and conditioning that hold something for each image of a batch: cut to the rejected images, or refused."""

import functools
from dataclasses import replace

import pytest
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.utils import repeat_to_batch_size

from .conftest import nodes
from .test_sub_batches import BATCH, REJECTED, check, conditioning, controlnet, latent, refine, refined
from .tools import module, tiny_model

FIX = f"something for each of the {BATCH} images and cannot be cut to some of them; draw one image a batch"


def strengths(rows: int = BATCH) -> torch.Tensor:
    return torch.linspace(50, 200, rows).view(rows, 1, 1)


def attention(q, k, v, options, strength):
    images = q.shape[0] // len(options["cond_or_uncond"])
    strength = strength[torch.arange(images).clamp(max=len(strength) - 1)]
    return optimized_attention(q, k, v, options["n_heads"]) * strength.repeat(q.shape[0] // images, 1, 1)


class Prompted:
    """Cross-attention with a strength for each image, cut to the rows it is told of as IP-Adapter's patch does."""

    def __init__(self, strength):
        self.kept = [{"strength": strength}]

    def __call__(self, q, k, v, options):
        strength, told = self.kept[0]["strength"], options.get("ad_params")
        return attention(q, k, v, options, strength if told is None else strength[told["sub_idxs"]])


class Deaf:
    """The same without being told."""

    def __init__(self, strength):
        self.kept = [{"strength": strength}]

    def __call__(self, q, k, v, options):
        return attention(q, k, v, options, self.kept[0]["strength"])

    def method(self, q, k, v, options):
        return self(q, k, v, options)


def closure(strength):
    def patched(q, k, v, options):
        return attention(q, k, v, options, strength)

    return patched


def patched(patch):
    model = tiny_model("EPS").clone()
    model.set_model_attn2_replace(patch, "middle", 0)
    return model


def arguments(model):
    return model, conditioning(1, 1), conditioning(2, 1), latent()


def test_a_patch_that_asks_for_its_rows_gets_those_of_the_rejected_images():
    model = patched(Prompted(strengths()))
    assert check(*arguments(model)) <= 1e-4
    assert "ad_params" not in model.model_options["transformer_options"]
    unpatched = refine(*arguments(tiny_model("EPS")), REJECTED)
    assert (unpatched - refine(*arguments(model), REJECTED)).abs().max() > 1e-2 * unpatched.std()


def test_images_of_several_batches_get_their_own_rows():
    decide = module("adaptive_diffusion.gate.decision")
    scores = [(0.0, 1.0, 1.0, 0.0), (1.0, 1.0, 0.0, 1.0)]
    decisions = [decide.decide(decide.QualityScores(values), 0.5) for values in scores]
    model, positive, negative, _ = arguments(patched(Prompted(strengths())))
    fixed = {"model": model, "positive": positive, "negative": negative, "seed": 5, "steps": 3, "cfg": 3.0,
             "sampler_name": "euler", "scheduler": "uniform", "max_batch": 16, "rollback": 0.7,
             "rollback_scale": "schedule"}  # fmt: skip
    wrapped = {name: [value] for name, value in fixed.items()}
    latents = [latent(seed=0), latent(seed=1)]
    node = nodes()["AdaptiveTeacherRefine"]
    together = node.execute(decision=decisions, latent=latents, **wrapped).args[0]
    for decision, given, made in zip(decisions, latents, together, strict=True):
        alone = node.execute(decision=[decision], latent=[given], **wrapped).args[0][0]["samples"]
        assert (made["samples"] - alone).abs().max() <= 1e-4 * alone.std()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Deaf, "Deaf"),
        (lambda strength: Deaf(strength).method, "Deaf.method"),
        (closure, "closure.<locals>.patched"),
        (lambda strength: functools.partial(attention, strength=strength), "partial"),
    ],
)
def test_a_patch_that_cannot_be_cut_is_refused_by_name_and_works_on_whole_batches(make, name):
    model = patched(make(strengths()))
    with pytest.raises(ValueError) as refusal:
        refine(*arguments(model), REJECTED)
    sentence = f"Teacher Refine: the model's patch '{name}' (attn2) holds {FIX} or link a model without it"
    assert str(refusal.value) == sentence
    whole = refine(*arguments(model), range(BATCH))
    asking = refine(*arguments(patched(Prompted(strengths()))), range(BATCH))
    assert torch.equal(whole, asking)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_patch_that_holds_nothing_for_each_image_is_applied(rows):
    class Weighted(Deaf):
        def __init__(self):
            super().__init__(strengths(rows)[:1])
            self.layer, self.per_step = torch.nn.Linear(BATCH, BATCH), torch.ones(BATCH)
            self.regions = torch.ones(rows, 2, 2)

    assert check(*arguments(patched(Weighted()))) <= 1e-4


def reading(key):
    """A model whose text takes its strength from an option of the conditioning."""
    model = tiny_model("EPS")
    read = model.model.extra_conds

    def extra_conds(**options):
        if key in options:
            strength = repeat_to_batch_size(options[key][0], len(options["noise"])).view(-1, 1, 1)
            options["cross_attn"] = repeat_to_batch_size(options["cross_attn"], len(strength)) * strength
        return read(**options)

    model.model.extra_conds = extra_conds
    return model


def test_an_unknown_conditioning_with_a_row_for_each_image_is_refused_by_name():
    holding = conditioning(1, 1, image_prompt=[strengths()])
    given = (reading("image_prompt"), holding, conditioning(2, 1), latent())
    with pytest.raises(ValueError, match=f"^Teacher Refine: the conditioning's 'image_prompt' holds {FIX}$"):
        refine(*given, REJECTED)
    refine(*given, range(BATCH))


def test_an_unknown_conditioning_that_changes_no_image_is_drawn():
    holding = conditioning(1, 1, image_prompt=[strengths()])
    assert check(tiny_model("EPS"), holding, conditioning(2, 1), latent()) <= 1e-4


def test_a_patch_with_two_rows_for_four_images_is_refused_by_name():
    model = patched(lambda q, k, v, options: attention(q, k, v, options, strengths(2).repeat(2, 1, 1)[: len(q)]))
    refine(*arguments(model), range(BATCH))
    with pytest.raises(ValueError, match="patch '.*<lambda>' .attn2. holds something for each of the 4 images"):
        refine(*arguments(model), REJECTED)


def acting(low: float, high: float):
    """A patch with a strength for each image between two sigmas, as one with a start and an end in percent has it."""

    def patch(q, k, v, options):
        if low <= options["sigmas"][0] < high:
            return attention(q, k, v, options, strengths())
        return optimized_attention(q, k, v, options["n_heads"])

    return patched(patch)


@pytest.mark.parametrize("sigmas", [(0.0, 0.6), (0.6, 1.5), (3.0, 100.0)], ids=["end", "middle", "start"])
def test_a_patch_that_acts_at_some_sigmas_is_refused_by_name(sigmas):
    with pytest.raises(ValueError, match="patch 'acting.<locals>.patch' .attn2. holds something for each"):
        refine(*arguments(acting(*sigmas)), REJECTED, steps=8)


def guided(model):
    """Guidance that takes from each image what all have in common; at cfg 1 there is none."""

    def guide(given):
        denoised = given["cond_denoised"]
        return denoised + (given["cond_scale"] - 1) * (denoised - denoised.mean(0, keepdim=True))

    model = model.clone()
    model.set_model_sampler_post_cfg_function(guide)
    return model


@pytest.mark.parametrize(
    ("make", "harmless", "harmful"),
    [
        (lambda: acting(3.0, 100.0), {"rollback": 0.3}, {"rollback": 0.99}),
        (lambda: guided(tiny_model("EPS")), {"cfg": 1.0}, {"cfg": 3.0}),
    ],
    ids=["rollback", "cfg"],
)
def test_what_was_found_at_other_settings_does_not_count(make, harmless, harmful):
    model = make()
    refine(*arguments(model), REJECTED, **harmless)
    with pytest.raises(ValueError, match="holds something for each of the 4 images"):
        refine(*arguments(model), REJECTED, **harmful)


def test_two_regions_closed_over_by_a_patch_are_no_rows_of_a_batch_of_two():
    regions = torch.rand(2, 8, 8)

    def patch(q, k, v, options):
        return optimized_attention(q, k, v, options["n_heads"]) * (1 + regions.mean())

    decide = module("adaptive_diffusion.gate.decision")
    decision = decide.decide(decide.QualityScores((0.0, 1.0)), 0.5)
    model, positive, negative, whole = arguments(patched(patch))
    two = {"samples": whole["samples"][:2]}
    drawn = refined(model, positive, negative, two, decision)
    assert (drawn - refined(model, positive, negative, two, replace(decision, rejected=(0, 1)))[:1]).abs().max() <= 1e-4


class Keyframed:
    """A ControlNet with a strength for each image, which takes its rows as controls made for AnimateDiff do."""

    def __init__(self, inner, strengths):
        self.inner, self.strengths, self.sub_idxs = inner, strengths, None
        self.previous_controlnet = self.cond_hint_original = None
        self.extra_concat_orig: list = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def copy(self):
        return Keyframed(self.inner, self.strengths)

    def set_cond_hint_inject(self, *arguments, **options):
        return self.inner.set_cond_hint_inject(*arguments, **options)

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        whole = {"sub_idxs": range(BATCH), "full_length": BATCH, "context_length": BATCH}
        told = transformer_options.get("ad_params") or whole
        assert told["context_length"] * batched_number == len(x_noisy) and told["full_length"] == BATCH
        strength = self.strengths[list(told["sub_idxs"])].repeat(batched_number).view(-1, 1, 1, 1)
        control = self.inner.get_control(x_noisy, t, cond, batched_number, transformer_options)
        return {key: [one if one is None else one * strength for one in parts] for key, parts in control.items()}


def test_a_control_that_takes_its_own_rows_gets_those_of_the_rejected_images():
    control = Keyframed(controlnet(hints=1), torch.tensor([1.0, 0.2, 0.6, 0.0]))
    positive, negative = conditioning(1, 1, control=control), conditioning(2, 1, control=control)
    assert check(tiny_model("EPS"), positive, negative, latent()) <= 1e-4


def test_a_patch_that_asks_how_many_images_there_are_is_told():
    """As IP-Adapter beside a control that takes its own rows."""

    class Asking(Prompted):
        def __call__(self, q, k, v, options):
            told = options.get("ad_params")
            assert told is None or told["context_length"] == len(told["sub_idxs"])
            return super().__call__(q, k, v, options)

    assert check(*arguments(patched(Asking(strengths())))) <= 1e-4
