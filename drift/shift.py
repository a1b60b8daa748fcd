"""A drift as one number a call: how far it lies along the direction in which all of them moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift.baseline import Baseline
from drift.block import Layout
from drift.call import Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect
from drift.explain import along_answers

SURE = 2.0
"""Standard deviations from which a topic counts as moved."""


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """The direction of a drift.

    Parameters
    ----------
    way
        In the detector's coordinates: of vectors a unit vector, of topics half the sign of each that surely moved,
        of scalars and flags empty.
    noise
        What noise adds to the shift along its own direction.
    variance
        Of a call along a direction of vectors, in the baseline.
    """

    detector: str
    found: Effect
    way: FloatArray
    noise: float = 0.0
    variance: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Calls, mean and variance of a drift's own statistic, one for each row of sums."""

    n: FloatArray
    mean: FloatArray
    variance: FloatArray


def shift_of(
    baseline: Baseline, layout: Layout, detector: str, found: Effect, now: FloatArray, before: FloatArray
) -> Shift:
    """The shift between the sums of the baseline and those since the change point."""
    if detector == "topics":
        return Shift(detector, found, _topics(now[layout.topics], before[layout.topics]))
    if detector not in ("inputs", "answers"):
        return Shift(detector, found, np.zeros(0))
    fit, place = baseline.fit, layout.inputs if detector == "inputs" else layout.answers
    n, size = (max(_asked(layout, detector, one), 1.0) for one in (now, before))
    mean = now[place] / n - before[place] / size
    length = max(float(np.linalg.norm(mean)), 1e-12)
    own, weights = (fit.inputs, fit.input_weights) if detector == "inputs" else (fit.residuals, fit.residual_weights)
    along = own @ (mean / length)
    centre = float(weights @ along / weights.sum())
    variance = float(weights @ (along - centre) ** 2 / weights.sum())
    return Shift(detector, found, mean / length, len(mean) * (1 / n + 1 / size) / length, variance)


def _topics(now: FloatArray, before: FloatArray) -> FloatArray:
    n, size = now.sum(), before.sum()
    p = (before + 0.5) / (size + 0.5 * len(before))
    away = now / n - before / size
    z = np.abs(away) / np.sqrt(p * (1 - p) * (1 / n + 1 / size))
    return np.asarray(np.sign(away) * (z >= min(SURE, float(z.max()))) / 2)


def _asked(layout: Layout, detector: str, sums: FloatArray) -> float:
    return float(sums[layout.topics].sum() if detector == "inputs" else sums[layout.compared])


def projections(baseline: Baseline, shift: Shift, rows: Rows) -> FloatArray:
    """How far each sampled call lies along a shift of vectors, NaN where it has none."""
    if shift.detector == "answers":
        return along_answers(baseline, shift.way, rows)
    if shift.detector == "inputs":
        along = baseline.frame.inputs(rows["features"][:, 0]) @ shift.way
        return np.where(rows["topic"] >= 0, along, np.nan)
    return np.full(len(rows), np.nan)


def means(baseline: Baseline, layout: Layout, shift: Shift, sums: FloatArray, variance: float) -> Means:
    """The drift's own statistic in each row of sums ``(k, width)``; vectors have the variance given."""
    detector = shift.detector
    if detector == "topics":
        counts = sums[:, layout.topics]
        return _moments(counts.sum(axis=1), counts @ shift.way, counts @ shift.way**2)
    if detector in ("inputs", "answers"):
        inputs = detector == "inputs"
        n = sums[:, layout.topics].sum(axis=1) if inputs else sums[:, layout.compared]
        along = sums[:, layout.inputs if inputs else layout.answers] @ shift.way
        return Means(n, along / np.maximum(n, 1.0), np.full(len(n), variance))
    if detector in layout.scalars:
        n, _, second, total, squares = sums[:, layout.scalars[detector]].T
        if shift.found.measure.startswith("spread"):  # the second polynomial of the rank has variance one
            return Means(n, second / np.maximum(n, 1.0), np.ones(len(n)))
        return _moments(n, total, squares)
    flagged, n = layout.raised(baseline, detector, sums)
    rate = (np.clip(flagged, 0.0, n) + 0.5) / (n + 1)
    return Means(n, flagged / np.maximum(n, 1.0), rate * (1 - rate))


def _moments(n: FloatArray, total: FloatArray, squares: FloatArray) -> Means:
    mean = total / np.maximum(n, 1.0)
    return Means(n, mean, np.maximum(squares / np.maximum(n, 1.0) - mean * mean, 1e-12))
