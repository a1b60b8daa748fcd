"""What a measurement found, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.kinds.tables import table


@dataclass(frozen=True)
class Found:
    """A measurement: what was done, its figures, and what was asked of it."""

    title: str
    about: str
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    goal: str
    holds: bool

    @property
    def text(self) -> str:
        """As a section of a page."""
        asked = f"Asked: {self.goal}: **{'yes' if self.holds else 'no'}**."
        return f"### {self.title}\n\n{self.about}\n\n{table(self.heads, self.rows)}\n\n{asked}"


def spread(values: Sequence[float], form: str = ",.0f") -> list[str]:
    """Least, median and most."""
    return [f"{one:{form}}" for one in (min(values), statistics.median(values), max(values))]
