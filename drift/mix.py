"""How much of a difference in a scalar comes from other questions, and how much from other answers to like ones.

The difference of two means splits exactly into a part that the inputs' topics and coordinates account for and the rest
(Kitagawa 1955, Components of a difference between two rates; Oaxaca 1973 and Blinder 1973 for the linear part).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift.baseline import Baseline
from drift.bins import LOGS, MISSING
from drift.block import Layout
from drift.detectors.memory import FloatArray
from drift.effects import Z
from drift.fit import RIDGE
from drift.frame import cell_means


@dataclass(frozen=True, slots=True)
class Split:
    """Parts of a relative change: what the mix of inputs accounts for, and the rest with its 95 % interval."""

    mix: float
    conditional: float
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of the change that the mix accounts for, in log units, between 0 and 1."""
        mix, rest = np.log1p(self.mix), np.log1p(self.conditional)
        return float(np.clip(mix / (mix + rest), 0.0, 1.0)) if mix + rest else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """A scalar's mean log value for each topic ``(K,)``, its slope on the inputs ``(d,)``, and what stays open."""

    overall: float
    topics: FloatArray
    slope: FloatArray
    spread: float
    size: float


def expected(baseline: Baseline, detector: str) -> Expected:
    """What a scalar is in the baseline, given the input."""
    features = baseline.features
    bins = features.bins[:, baseline.fit.scales[detector].series]
    given = (bins != MISSING) & (features.topic >= 0)
    values, topic, inputs = LOGS[bins[given]][:, None], features.topic[given], features.inputs[given]
    ones = np.ones(len(values))
    _, means = cell_means(values, topic, ones, baseline.frame.topics)
    rest = values - means[topic]
    centred = inputs - inputs.mean(axis=0)
    slope = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(inputs.shape[1]), centred.T @ rest)[:, 0]
    open_ = rest[:, 0] - centred @ slope
    return Expected(float(values.mean()), means[:, 0], slope, float(open_.std()), float(len(values)))


def split(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray) -> Split | None:
    """The parts of a scalar's relative change since the baseline, or None without calls."""
    n, asked = sums[layout.scalars[detector]][0], sums[layout.topics].sum()
    if n == 0 or asked == 0:
        return None
    known = expected(baseline, detector)
    share = sums[layout.topics] / asked
    shift = sums[layout.inputs] / asked - baseline.fit.input_mean
    mix = float((share - baseline.fit.proportions) @ known.topics + shift @ known.slope)
    rest = float(sums[layout.scalars[detector]][3] / n) - known.overall - mix
    error = known.spread * float(np.sqrt(1 / n + 1 / known.size))
    low, middle, high = (float(np.expm1(rest + Z * way * error)) for way in (-1, 0, 1))
    return Split(float(np.expm1(mix)), middle, low, high)
