"""Answers that moved because the questions did: when `model` is held back."""

from __future__ import annotations

import numpy as np

from drift.baseline import Baseline
from drift.block import Layout
from drift.detectors.memory import FloatArray
from drift.frame import FEWEST

UNEXPLAINED = 0.3
"""Share of the answers' squared shift, left over by the inputs, below which it is put down to them."""

COVERED = 0.5
"""Share of calls whose answers must be comparable: where topics cover fewer, inputs explain nothing reliably."""


def unexplained(baseline: Baseline, layout: Layout, sums: FloatArray) -> float:
    """Share of the squared, noise-corrected shift of the answers that other inputs do not account for, 0 to 1.

    One where the inputs have not moved, or cover too few of the calls to explain anything.
    """
    n, asked = float(sums[layout.compared]), float(sums[layout.topics].sum())
    if asked == 0 or n < COVERED * asked:
        return 1.0
    fit = baseline.fit
    per_call = 1 / n + 1 / max(fit.compared, 1.0)
    left = sums[layout.answers] / n - fit.residual_mean
    rest = max(float(left @ left) - len(left) * per_call, 0.0)
    centres, spread = _accounted(baseline)
    shift = sums[layout.inputs] / asked - fit.input_mean
    explained = (sums[layout.topics] / asked - fit.proportions) @ centres + shift @ fit.slope
    mix = max(float(explained @ explained) - spread * (1 / asked + 1 / fit.size), 0.0)
    return rest / (rest + mix) if rest + mix > 0 else 1.0


def _accounted(baseline: Baseline) -> tuple[FloatArray, float]:
    """Mean answer of each topic over prompt versions ``(K, r)``, and the variance that inputs give answers, summed."""
    fit, topics = baseline.fit, baseline.frame.topics
    strata = len(fit.centres) // topics
    weight = np.where(fit.counts >= FEWEST, fit.counts, 1e-9).reshape(strata, topics, 1)
    centres = (fit.centres.reshape(strata, topics, -1) * weight).sum(axis=0) / weight.sum(axis=0)
    spread = fit.proportions @ (centres - fit.proportions @ centres) ** 2
    along = (fit.inputs - fit.input_mean) @ fit.slope
    return centres, float(spread.sum() + (fit.input_weights @ along**2).sum())
