"""What improves a student's images, as far as it depends on it whether its image is better."""

from dataclasses import dataclass

from .settings import Settings


@dataclass(frozen=True)
class Teacher(Settings):
    """All that makes pairs of a student's and a teacher's image valid. Unknown fields are None.

    strategy: "refine" or "regenerate". steps: as asked for. rollback: where refining starts, in `rollback_scale`; None
    where it redraws. patches: a few words on the model's patches. patch_digest: letters that differ where a patch or
    its strength does, "none" without any. guidance: of a model that takes it as an input. negative: letters that differ
    for another negative prompt. dtype: of the network. vae: letters that differ for another decoder.
    """

    name: str | None = None
    strategy: str | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    rollback: float | None = None
    rollback_scale: str | None = None
    patches: str | None = None
    patch_digest: str | None = None
    guidance: float | None = None
    negative: str | None = None
    dtype: str | None = None
    vae: str | None = None
