"""Figures with their intervals, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Rate:
    """So many of so many, with its 95 % interval (Clopper and Pearson 1934)."""

    hits: int
    n: int

    @property
    def share(self) -> float:
        """The rate, NaN of nothing."""
        return self.hits / self.n if self.n else np.nan

    @property
    def interval(self) -> tuple[float, float]:
        """What the rate may be."""
        if not self.n:
            return 0.0, 1.0
        found = stats.binomtest(self.hits, self.n).proportion_ci(0.95, "exact")
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.2f} ({low:.2f}–{high:.2f})" if self.n else "–"


def quartiles(values: Sequence[float]) -> str:
    """Median and quartiles."""
    if not len(values):
        return "–"
    low, middle, high = np.percentile(np.asarray(values, dtype=float), [25, 50, 75])
    return f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]"


def mean(values: Sequence[float]) -> str:
    """Mean and its standard error."""
    if not len(values):
        return "–"
    spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):,.0f} ± {spread:,.0f}"


def run_length(alarms: int, calls: float) -> str:
    """Calls to one alarm, with the 95 % interval of a Poisson rate."""
    low = stats.chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.0
    high = stats.chi2.ppf(0.975, 2 * alarms + 2) / 2
    most = f"{calls / low:,.0f}" if low else "∞"
    middle = f"{calls / alarms:,.0f}" if alarms else "none"
    return f"{middle} ({calls / high:,.0f}–{most})"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
