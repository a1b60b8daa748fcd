"""Record highs of a detector on a stream, and the threshold at which streams without drift seldom reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """Record highs: calls seen, and height."""

    at: FloatArray
    height: FloatArray

    @classmethod
    def of(cls, statistic: Sequence[float] | FloatArray, tick: int) -> Course:
        """The record highs of what a detector said after each tick of so many calls."""
        course = np.asarray(statistic, dtype=np.float64)
        before = np.concatenate([[-np.inf], np.maximum.accumulate(course)[:-1]])
        highs = np.flatnonzero(course > before)
        return cls(tick * (highs + 1.0), course[highs])

    def passes(self, threshold: float) -> float:
        """Calls at which it first passed a threshold, infinite where it never did."""
        over = self.at[self.height >= threshold]
        return float(over[0]) if len(over) else np.inf


def threshold(courses: Sequence[Course], run_length: float, length: float) -> float:
    """Threshold at which streams of ``length`` calls without drift pass it once in ``run_length`` calls."""
    heights = np.unique(np.concatenate([one.height for one in courses]))
    low, high = 0, len(heights) - 1
    while low < high:
        middle = (low + high) // 2
        first = np.array([one.passes(float(heights[middle])) for one in courses])
        alarms = np.isfinite(first).sum()
        reached = np.minimum(first, length).sum() / max(alarms, 1e-9)
        low, high = (low, middle) if reached >= run_length else (middle + 1, high)
    return float(heights[low])
