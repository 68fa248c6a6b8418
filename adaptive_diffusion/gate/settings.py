"""Settings of what draws, as tables, journals and pairs keep them, and how they are compared."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, TypeVar

from ..quoting import unquoted

S = TypeVar("S", bound="Settings")
NOTHING, DIFFUSERS = "(none)", "(diffusers)"
LEFT_OUT = (None, NOTHING, DIFFUSERS)
"""What stands for a negative prompt or a rollback scale that nobody gave; older files leave it out."""


class Settings:
    """The mechanism of a frozen dataclass of settings, of which the unknown ones are None.

    of_one_batch: fields that are no settings. same_model: sets of values that mean the same. known_later: settings
    that the first files could not know.
    """

    of_one_batch: ClassVar[frozenset[str]] = frozenset()
    same_model: ClassVar[frozenset[str]] = frozenset()
    known_later: ClassVar[frozenset[str]] = frozenset()
    name: str | None
    patches: str | None
    patch_digest: str | None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The settings' names."""
        return tuple(field.name for field in fields(cls) if field.name not in cls.of_one_batch)  # type: ignore[arg-type]

    @classmethod
    def read(cls: type[S], settings: Mapping[str, Any]) -> S:
        """What `settings` say, as files keep them; what this version does not know is left out."""
        return cls(**{name: settings[name] for name in cls.names() if name in settings})

    @property
    def settings(self) -> dict[str, Any]:
        """What is known of how it draws, without what belongs to one batch."""
        known = asdict(self)  # type: ignore[call-overload]
        return {name: value for name, value in known.items() if value is not None and name in self.names()}

    @property
    def label(self) -> str:
        """Its name and its patches, with letters that differ for others."""
        patched = f" with {self.patches} ({self.patch_digest})" if self.patches else ""
        return f"{self.name or 'of unknown name'}{patched}"

    def differences(self: S, other: S) -> list[str]:
        """Where `other` draws otherwise, a phrase each; what one of them does not know is no difference."""
        pairs = self.unequal(other).items()
        return [
            f"{name} {unquoted(new)} instead of {unquoted(old)}" for name, (old, new) in pairs if None not in (old, new)
        ]

    def unequal(self: S, other: S) -> dict[str, tuple[Any, Any]]:
        """The settings that only one of both knows, or that differ: this one's and the `other`'s.

        What the first files could not know is left out where one does not know it.
        """
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in self.names()}
        pairs = {name: pair for name, pair in pairs.items() if not {*pair} <= self.same_model}
        later = {name for name, pair in pairs.items() if name in self.known_later and None in pair}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in later}
