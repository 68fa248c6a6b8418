"""What a vision-language model is asked of an image: one question on the prompt, and named checks."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...prompts import check_text
from ...quoting import quoted

PROMPT = "{prompt}"
REFERENCE = 'Does this figure show "{prompt}"? Please answer Yes or No.'
REQUEST = " Please answer Yes or No."
QUESTION_MARKS = ("?", "\N{FULLWIDTH QUESTION MARK}", "\N{ARABIC QUESTION MARK}")
MOST_CHECKS = 32


@dataclass(frozen=True)
class Check:
    """A yes/no question. name: how it is told where the answer is No. weight: its part in the score."""

    name: str
    question: str
    weight: float = 1.0

    def of(self, prompt: str) -> str:
        """The question as it is asked of an image that was drawn from `prompt`."""
        return self.question.replace(PROMPT, prompt)


@dataclass(frozen=True)
class Questions:
    """question: on the prompt, of weight 1. checks: the named ones."""

    question: Check = Check("", REFERENCE)
    checks: tuple[Check, ...] = ()

    @classmethod
    def read(cls, question: str = REFERENCE, checks: str = "") -> "Questions":
        """The questions that a person wrote.

        checks: one a line, "Are both hands drawn rightly? | hands | 2": the question, then its name (else it is called
        as it is asked) and its weight (else 1), in any order. ValueError where one cannot be asked.
        """
        if not question.replace(PROMPT, "").strip():
            raise ValueError(f"the question {quoted(question)} asks nothing; write one such as {quoted(REFERENCE)}")
        check_text(question)
        named = tuple(_read(line) for line in checks.splitlines() if line.strip())
        if len(named) > MOST_CHECKS:
            raise ValueError(f"{len(named)} checks are too many; ask at most {MOST_CHECKS}")
        _check_names([check.name for check in named])
        return cls(Check("", question.strip()), named)

    @property
    def all(self) -> tuple[Check, ...]:
        return (self.question, *self.checks)

    @property
    def uses_prompt(self) -> bool:
        return any(PROMPT in check.question for check in self.all)

    @property
    def settings(self) -> list[list[str | float]]:
        """What scores depend on, as JSON; names are not among it."""
        return [[check.question, check.weight] for check in self.all]

    @property
    def notes(self) -> list[str]:
        """A sentence on what a person may not have meant."""
        if PROMPT in self.question.question:
            return []
        return [f"The question does not name {PROMPT}: it is the same for every image, whatever it was drawn from."]


def _read(line: str) -> Check:
    question, *fields = (part.strip() for part in line.split("|"))
    check_text(line)
    if not any(mark in question for mark in QUESTION_MARKS):
        raise ValueError(
            f"the check {quoted(line.strip())} has no question mark; write a yes/no question such as "
            "'Are both hands drawn rightly? | hands | 2'"
        )
    weights = [field for field in fields if re.fullmatch(r"[-+.\d]\S*|nan|inf", field.lower())]
    names = [field for field in fields if field and field not in weights]
    if len(names) > 1 or len(weights) > 1:
        raise ValueError(
            f"the check {quoted(line.strip())} has more than a name and a weight behind its question; write one of each"
        )
    asked = question + REQUEST if question.endswith(QUESTION_MARKS) else question
    return Check(names[0] if names else question, asked, _weight(weights[0], line) if weights else 1.0)


def _weight(text: str, line: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise ValueError(
            f"the weight {quoted(text)} of the check {quoted(line.strip())} is not above 0; write one such as 2"
        )
    return weight


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two checks are called {quoted(name)}; give each a name of its own")
