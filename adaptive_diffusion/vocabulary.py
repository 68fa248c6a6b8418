"""The demo models know only the words they were trained on."""

import re
from collections.abc import Collection

from .quoting import listed, quoted


def check_words(text: str, vocabulary: Collection[str]) -> None:
    """ValueError naming the words of `text` that are not in `vocabulary`; none are dropped silently."""
    unknown = [word for word in re.findall(r"\w+|[^\w\s]+", text.lower()) if word not in vocabulary]
    if unknown:
        known = ", ".join(sorted(word for word in vocabulary if word.isalpha()))
        raise ValueError(f"the demo models do not know {listed(map(quoted, unknown))}; use only the words {known}")
