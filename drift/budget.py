"""How often a segment may raise a false alarm, in the operator's own units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from drift.errors import SettingsError

_DAYS = {
    "m": 1 / 1440,
    "min": 1 / 1440,
    "h": 1 / 24,
    "d": 1.0,
    "w": 7.0,
    "day": 1.0,
    "days": 1.0,
    "week": 7.0,
    "weeks": 7.0,
}
_TEXT = re.compile(r"\s*([\d_,.]+)\s*([a-z]+)\s*")
_MS_A_DAY = 86_400_000

LARGEST = 200
"""Calls of a block that count as used up of a budget, and those of the largest block of a calibration."""


IMPORTANCE: Mapping[str, float] = {
    "data": 2.0,
    "model": 3.0,
    "output_length": 2.0,
    "quality": 2.0,
    "operational": 2.0,
    "prompt": 0.5,
}
"""Weights by which kinds share the false alarms of a segment.

Another model is hardest to see and dearest to miss; prompt versions are tested anew with each and hardly use theirs.
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """One false alarm every ``every`` calls, or every ``every`` days, shared by kinds of drift by their weights."""

    every: float
    unit: str  # "calls" or "days"
    importance: Mapping[str, float] = field(default_factory=lambda: IMPORTANCE, hash=False)

    def calls(self, calls_a_day: float) -> float:
        """The budget in calls, at the baseline's own rate where it is given in days."""
        return self.every if self.unit == "calls" else max(self.every * calls_a_day, 1.0)

    def weight(self, calls: int, elapsed_ms: int, calls_a_day: float) -> float:
        """What a block uses up of the budget: its calls, or its time in calls at the baseline's rate.

        At most ``LARGEST``, as calibrated: evidence starts at the log of it, and to count less errs on the safe side.
        """
        used = float(calls) if self.unit == "calls" else max(elapsed_ms / _MS_A_DAY * calls_a_day, 1e-6)
        return min(used, float(LARGEST))

    def __str__(self) -> str:
        return f"{self.every:,.0f} calls" if self.unit == "calls" else f"{self.every:g} days"


def parse(text: str) -> Budget:
    """Budget of a text such as ``30d``, ``12h`` or ``200000 calls``.

    Raises
    ------
    SettingsError
        It is neither, or not positive.
    """
    found = _TEXT.fullmatch(text.lower())
    if found:
        number, unit = found.groups()
        try:
            every = float(number.replace("_", "").replace(",", ""))
        except ValueError:
            every = 0.0
        if not isfinite(every):
            every = 0.0
        if every > 0 and unit in ("calls", "call"):
            return Budget(every, "calls")
        if every > 0 and unit in _DAYS:
            return Budget(every * _DAYS[unit], "days")
    raise SettingsError(f"one_false_alarm_every must be like '30d', '12h' or '200000 calls', got {text!r}")
