"""RES4LYF: samplers that draw their own noise, as names in ComfyUI's list and as SAMPLER."""

from typing import Any

from graphs import node
from measure import Case, Result, on_teacher
from server import Packs
from teacher import Teacher

PACK = "RES4LYF"
NODES = ("KSampler", "AdaptiveTeacherRefine", "AdaptiveStudentSample")
CLOWN = {
    "noise_type_sde": "gaussian", "noise_mode_sde": "hard", "s_noise": 1.0, "d_noise": 1.0, "sampler_name": "res_2m",
    "implicit_sampler_name": "explicit_diagonal", "implicit_steps": 0,
}  # fmt: skip


def named(sampler: str, **inputs: Any) -> Teacher:
    """A sampler that is chosen by its name."""
    return Teacher(inputs={"sampler_name": sampler, "scheduler": "normal", **inputs})


def linked(sampler: dict[str, Any], **inputs: Any) -> Teacher:
    return Teacher({"sampler": sampler}, inputs={"sampler": ["teacher_sampler", 0], "scheduler": "normal", **inputs})


def clown(eta: float, seed: int, **inputs: Any) -> Teacher:
    return linked(node("ClownSampler", eta=eta, noise_seed_sde=seed, **CLOWN), **inputs)


def selected(sampler: str) -> Teacher:
    return linked(node("KSamplerSelect", sampler_name=sampler))


def beta(eta: float, seed: int) -> Teacher:
    own = {"sampler_name": "multistep/res_2m", "bongmath": True}
    return linked(node("ClownSampler_Beta", eta=eta, seed=seed, **own))


def offered(packs: Packs) -> Result:
    """Teacher Refine and Student Sample offer what KSampler offers, though RES4LYF was imported later."""
    described = {name: packs.client.call(f"/object_info/{name}")[name] for name in NODES}
    wrong = []
    for field in ("sampler_name", "scheduler"):
        ours = [names(described[name], field) for name in NODES[1:]]
        missing = sorted(names(described["KSampler"], field) - set.intersection(*ours) - {"dpm_adaptive"})
        wrong += [f"{field} lacks {', '.join(missing)}"] if missing else []
    return Result(figure=0.0, wrong=wrong)


def names(described: dict[str, Any], field: str) -> set[str]:
    kind, *options = described["input"]["required"][field]
    return set(kind if isinstance(kind, list) else options[0]["options"])


CASES = [
    Case(PACK, "its samplers and schedulers are offered", offered),
    *(on_teacher(PACK, f"{name} by name", named(name), False) for name in ("res_2m", "res_2m_ode")),
    on_teacher(PACK, "scheduler beta57", Teacher(inputs={"scheduler": "beta57"}), False),
    *(on_teacher(PACK, f"{name} linked", selected(name), False) for name in ("res_2m", "res_2s", "rk_beta")),
    *(on_teacher(PACK, f"{name} linked", selected(name), False) for name in ("res_2m_ode", "res_2s_ode")),
    *(on_teacher(PACK, f"ClownSampler, eta 0.5, seed {seed}", clown(0.5, seed), False) for seed in (-1, 7)),
    on_teacher(PACK, "ClownSampler, eta 0.5, max_batch 1", clown(0.5, 7, max_batch=1), False),
    on_teacher(PACK, "ClownSampler, eta 0", clown(0.0, 7), False),
    on_teacher(PACK, "ClownSampler_Beta, eta 0.5", beta(0.5, 7), False),
]
