"""How much of a difference in a scalar comes from other questions, and how much from other answers to like ones.

The difference of two means splits exactly into a part that the inputs' topics and coordinates account for and the rest
(Kitagawa 1955, Components of a difference between two rates; Oaxaca 1973 and Blinder 1973 for the linear part). Scores
split in their own units, lengths, times and costs in logs, whose parts multiply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift.baseline import Baseline
from drift.bins import MISSING, THOUSAND
from drift.block import Layout
from drift.detectors.memory import FloatArray
from drift.effects import Z
from drift.fit import RIDGE, measured
from drift.frame import cell_means


@dataclass(frozen=True, slots=True)
class Split:
    """Parts of a change with their 95 % intervals: what the mix of inputs accounts for, and the rest.

    Relative changes, ``(1 + mix) (1 + conditional) = 1 + whole``, or, where ``plain``, ``mix + conditional = whole``.
    """

    mix: float
    conditional: float
    low: float
    high: float
    mix_low: float
    mix_high: float
    plain: bool = False

    @property
    def share(self) -> float:
        """Share of the change that the mix accounts for, in the units that add up, between 0 and 1."""
        mix, rest = (self.mix, self.conditional) if self.plain else np.log1p([self.mix, self.conditional])
        return float(np.clip(mix / (mix + rest), 0.0, 1.0)) if mix + rest else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """A scalar's mean for each topic ``(K,)`` and its calls there, its slope on the inputs ``(d,)``, and two spreads.

    ``explained`` is the spread over calls of what the input makes expected, ``spread`` that of what stays open.
    """

    topics: FloatArray
    counts: FloatArray
    slope: FloatArray
    explained: float
    spread: float
    size: float


def expected(baseline: Baseline, detector: str) -> Expected:
    """What a scalar is in the baseline, given the input."""
    features, series = baseline.features, baseline.fit.scales[detector].series
    bins = features.bins[:, series]
    given = (bins != MISSING) & (features.topic >= 0)
    values, topic, inputs = measured(series, bins[given])[:, None], features.topic[given], features.inputs[given]
    counts, means = cell_means(values, topic, np.ones(len(values)), baseline.frame.topics)
    rest = values - means[topic]
    centred = inputs - inputs.mean(axis=0)
    slope = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(inputs.shape[1]), centred.T @ rest)[:, 0]
    open_ = rest[:, 0] - centred @ slope
    known = means[topic, 0] + centred @ slope
    return Expected(means[:, 0], counts, slope, float(known.std()), float(open_.std()), float(len(values)))


def split(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray) -> Split | None:
    """The parts of a scalar's change since the baseline, or None without calls."""
    n, asked = sums[layout.scalars[detector]][0], sums[layout.topics].sum()
    if n == 0 or asked == 0:
        return None
    scale, known = baseline.fit.scales[detector], expected(baseline, detector)
    away = sums[layout.topics] / asked - baseline.fit.proportions
    shift = sums[layout.inputs] / asked - baseline.fit.input_mean
    mix = float(away @ known.topics + shift @ known.slope)
    rest = float(sums[layout.scalars[detector]][3] / n) - scale.moments()[0] - mix
    # The mix is as sure as the mean of what inputs make expected, and as the topics' means that it is made of.
    per_call = 1 / n + 1 / known.size
    unsure = known.spread**2 * float((away**2 / (known.counts + 1)).sum())
    mix_error = float(np.sqrt(known.explained**2 * per_call + unsure))
    error = float(np.sqrt(known.spread**2 * per_call + unsure))

    def told(part: float) -> float:
        return part / THOUSAND if scale.plain else float(np.expm1(part))

    return Split(
        told(mix),
        told(rest),
        told(rest - Z * error),
        told(rest + Z * error),
        told(mix - Z * mix_error),
        told(mix + Z * mix_error),
        scale.plain,
    )
