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
    centres, usual, slope, spread = _accounted(baseline)
    share = sums[layout.topics] / asked
    within = sums[layout.inputs] / asked - share @ usual - (fit.input_mean - fit.proportions @ usual)
    explained = (share - fit.proportions) @ centres + within @ slope
    mix = max(float(explained @ explained) - spread * (1 / asked + 1 / fit.size), 0.0)
    return rest / (rest + mix) if rest + mix > 0 else 1.0


def _accounted(baseline: Baseline) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Mean answer and input of each topic over prompt versions, the slope of all parts, and what they explain.

    Shapes ``(K, r)``, ``(K, d)`` and ``(d, r)``; the last is the variance that inputs give answers, summed.
    """
    fit, frame = baseline.fit, baseline.frame
    weight = np.where(fit.counts >= FEWEST, fit.counts, 1e-9).reshape(-1, frame.topics, 1)
    total = weight.sum(axis=0)
    centres, usual = (
        (means.reshape(len(weight), frame.topics, -1) * weight).sum(axis=0) / total
        for means in (fit.centres, fit.usual)
    )
    parts = np.bincount(fit.residual_part, fit.residual_weights, minlength=frame.part_count)
    slope = np.tensordot(parts / max(float(parts.sum()), 1e-9), fit.slope, axes=1)
    spread = fit.proportions @ (centres - fit.proportions @ centres) ** 2
    topic = baseline.features.topic
    within = fit.inputs - usual[topic[topic >= 0]]
    return centres, usual, slope, float(spread.sum() + (fit.input_weights @ (within @ slope) ** 2).sum())
