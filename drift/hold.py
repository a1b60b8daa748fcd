"""Answers that moved because the questions did: when `model` is held back.

Answers are compared with what the baseline gives to like questions, by topic and by a linear map of the input. To other
questions that is somewhat wrong even where the model is the same: the baseline knows its topics by few calls, and
answers bend with the input. What is wrong grows with the square of how far the inputs moved.
"""

from __future__ import annotations

import numpy as np

from drift.baseline import Baseline
from drift.block import Layout
from drift.detectors.memory import FloatArray

UNEXPLAINED = 0.5
"""Squared shift of the answers, in residual variances, that inputs account for: for each squared deviation they moved.

On real calls other mixes of tasks and questions left up to .25, another model from .7 on.
"""

WEIGHED = 1024
"""Calls, since inputs drifted, over which answers are weighed against them: an excursion over a few calls is chance."""

HARDLY = 0.1
"""Squared standard deviations that inputs count as having moved at least: new questions may scatter, without a mean."""

COVERED = 0.5
"""Share of calls whose answers must be comparable: where topics cover fewer, inputs explain nothing reliably."""

SURELY = 2.0
"""Standard errors that are taken off what is unexplained: it is looked at after every block."""

MOVED = 3.0
"""Standard errors of no move at all by which inputs have surely moved, though no alarm says so yet."""

SETTLING = 256
"""Calls since a change within which other questions are thought of first: inputs take as long to be sure of."""


def unexplained(baseline: Baseline, layout: Layout, sums: FloatArray) -> float:
    """What is surely left of the answers' squared shift, for each squared standard deviation that the inputs moved.

    Infinite where they cover too few of the calls to explain anything.
    """
    n, asked = float(sums[layout.compared]), float(sums[layout.topics].sum())
    if asked == 0 or n < COVERED * asked:
        return np.inf
    fit = baseline.fit
    left, error = _square(sums[layout.answers] / n - fit.residual_mean, 1 / n + 1 / max(fit.compared, 1.0))
    return max(left - SURELY * error, 0.0) / max(_shift(baseline, layout, sums)[0], HARDLY)


def moved(baseline: Baseline, layout: Layout, sums: FloatArray) -> bool:
    """Whether the inputs have surely moved."""
    if sums[layout.topics].sum() == 0:
        return False
    square, _ = _shift(baseline, layout, sums)
    chance = np.sqrt(2 * len(baseline.fit.input_mean)) * (1 / sums[layout.topics].sum() + 1 / baseline.fit.size)
    return bool(square > MOVED * chance)


def _shift(baseline: Baseline, layout: Layout, sums: FloatArray) -> tuple[float, float]:
    asked, fit = float(sums[layout.topics].sum()), baseline.fit
    return _square(sums[layout.inputs] / asked - fit.input_mean, 1 / asked + 1 / fit.size)


def _square(mean: FloatArray, noise: float) -> tuple[float, float]:
    """Squared length of a mean of white coordinates less what chance gives it, and its standard error."""
    square = float(mean @ mean) - len(mean) * noise
    return square, float(np.sqrt(2 * len(mean) * noise**2 + 4 * max(square, 0.0) * noise))
