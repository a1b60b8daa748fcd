"""One false-alarm budget for many segments, shared by weight.

Rates of false alarm add up: with budgets of ``total / own`` times the fleet's their sum is the fleet's rate, whatever
the weights. The total is declared beforehand and never what has been seen, so no verdict depends on who else turned up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import fsum

from drift.budget import Budget
from drift.errors import SettingsError

LIKE_OTHERS = 1.0
"""Weight of a segment whose weight is not declared."""


@dataclass(frozen=True)
class Fleet:
    """The budget of all segments together, how many are expected, and how much they matter.

    Parameters
    ----------
    budget
        One false alarm of the whole fleet in so many days, or in so many of its calls.
    segments
        Segments that are expected.
    weights
        Importance by segment, prompt or app; every other segment's is 1. A segment of twice the weight has twice the
        share of the false alarms, so its thresholds are lower.

    Raises
    ------
    SettingsError
        There are no segments, fewer than weights, or a weight is not positive.
    """

    budget: Budget
    segments: int
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.segments < max(len(self.weights), 1):
            raise SettingsError(
                f"fleet.segments must be at least {max(len(self.weights), 1)}, as many as there are weights, "
                f"got {self.segments}"
            )
        for name, weight in self.weights.items():
            if not 0 < weight < float("inf"):
                raise SettingsError(f"fleet.weights: {name} must weigh more than 0, got {weight}")

    @cached_property
    def total(self) -> float:
        """Weight that all segments may have together: one segment for each declared name, the others 1 each."""
        return fsum(self.weights.values()) + (self.segments - len(self.weights)) * LIKE_OTHERS

    def weight(self, names: Sequence[str]) -> float:
        """Weight of the segment of these names, those that say most first."""
        return next((self.weights[name] for name in names if name in self.weights), LIKE_OTHERS)

    def share(self, weight: float) -> Budget:
        """Budget of a segment of this weight.

        In days it has its weight's share of the fleet's false alarms. In calls they are its own calls, and a segment
        of mean weight has the fleet's number: the rates, each weighed by the segment's share of the calls, add up to
        the fleet's for equal weights whatever the traffic, and for any weights where important segments have no more
        calls than others.
        """
        whole = self.total if self.budget.unit == "days" else self.total / self.segments
        return replace(self.budget, every=self.budget.every * whole / weight)

    def holds(self, taken: float, weight: float) -> bool:
        """Whether one more segment of this weight fits beside those that have taken theirs."""
        return taken + weight <= self.total * (1 + 1e-9)
