"""What a test says of calls that are to be a baseline, and how it is warned of, refused or overridden."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["ok", "warn", "refuse"]

REPEATS, DRIFT = "repeated inputs", "drift inside"
OVERRIDABLE = frozenset({REPEATS, DRIFT})
"""Tests whose refusal force overrides."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one test says of calls that are to be, or are, a baseline.

    Attributes
    ----------
    test
        Its name.
    severity
        ``refuse`` where they should not serve; ``warn`` where they may, at a price; ``ok``.
    sentence
        What was found and, unless it is ``ok``, what that means.
    figures
        The numbers behind it, by name.
    remedy
        What to do; empty where there is nothing to do but wait.
    """

    test: str
    severity: Severity
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""

    @property
    def told(self) -> str:
        """The sentence and its remedy."""
        return f"{self.sentence}; {self.remedy}" if self.remedy else self.sentence


def lowered(found: Sequence[Finding], tests: Collection[str]) -> tuple[Finding, ...]:
    """The same where these tests only warn."""
    return tuple(
        replace(one, severity="warn") if one.severity == "refuse" and one.test in tests else one for one in found
    )


def warnings(found: Sequence[Finding]) -> list[str]:
    """Sentences to warn by, each with its remedy."""
    return [one.told for one in found if one.severity == "warn"]


def refusals(found: Sequence[Finding]) -> list[str]:
    """Sentences to refuse by, each with its remedies."""
    return [
        one.told + (", or say --force" if one.test in OVERRIDABLE else "") for one in found if one.severity == "refuse"
    ]


def overridden(found: Sequence[Finding]) -> list[str]:
    """What force overrides, in words."""
    return [one.sentence for one in found if one.severity == "refuse" and one.test in OVERRIDABLE]


def percent(share: float) -> str:
    """A share, two digits that count."""
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"


def listed(names: Sequence[str]) -> str:
    """Names such as ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
