"""Mean difference of vectors, in standard deviations, and whether it is more than chance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import chndtrinc

from drift.distances.checked import FloatArray, Tested
from drift.distances.given import Given, leading

CALLS_PER_COORDINATE = 20
"""Calls it takes to look at one more coordinate: whitening must be learnt from them."""


class MeanShift(NamedTuple):
    """A mean difference at equal topics and inputs.

    Attributes
    ----------
    tested
        Statistic, p-value, effect and interval.
    explained
        Length of the difference that topics and inputs account for, in the unit of the effect.
    coordinates
        How many principal components were looked at.
    """

    tested: Tested
    explained: float
    coordinates: int


def mean_shift(
    rows: FloatArray, design: Given, *, draws: int, rng: np.random.Generator, coordinates: int = 64
) -> MeanShift:
    """Mean difference of two sides at equal topics and inputs, by permutation.

    Rows are freed of topics and inputs, whitened by their pooled covariance, which knows nothing of sides, and
    what is left of the side is shuffled against what is left of the rows [1]_. Residuals of a fit to inputs are
    too short by their leverage, so shuffled ones are lengthened by ``1 / sqrt(1 - leverage)`` [2]_; without it
    small samples would be called different too often.

    Parameters
    ----------
    rows
        Vectors, shape ``(n, d)``, in the order of ``design``.
    design
        Sides, topics and inputs.
    draws
        Number of permutations.
    rng
        Source of the permutations.
    coordinates
        Principal components that are looked at, at most; never more than one for each ``CALLS_PER_COORDINATE`` calls.

    Returns
    -------
    MeanShift
        The statistic is the squared length of the whitened difference times its information, about chi-square
        with ``coordinates`` degrees of freedom without drift. The p-value is (1 + exceedances) / (1 + draws).
        The effect is the Mahalanobis length of the difference in standard deviations inside a side, less what
        noise adds to it, and zero where noise explains it all; its 95 % interval comes from the noncentral
        distribution [3]_. Rows that never vary give zeros and a p-value of 1.

    References
    ----------
    .. [1] Freedman and Lane (1983), A nonstochastic interpretation of reported significance levels; Frisch and
       Waugh (1933), Partial time regressions as compared with individual trends.
    .. [2] MacKinnon and White (1985), Some heteroskedasticity-consistent covariance matrix estimators (HC2).
    .. [3] Steiger and Fouladi (1997), Noncentrality interval estimation and the evaluation of statistical models.
    """
    information = design.information
    residual = design.residual(rows)
    directions = leading(residual, min(coordinates, len(rows) // CALLS_PER_COORDINATE))
    white = residual @ directions
    if not white.shape[1] or not information:
        return MeanShift(Tested(0.0, 1.0, 0.0, 0.0, 0.0), 0.0, 0)
    statistic = float(((design.label @ white) ** 2).sum()) / information
    lengthened = white / np.sqrt(np.maximum(1 - design.leverage, 1e-6))[:, None]
    exceeded = 0
    for labels in design.permuted(draws, rng):
        by_chance = ((labels @ lengthened) ** 2).sum(axis=1) / information
        exceeded += int((by_chance >= statistic * (1 - 1e-9)).sum())
    effect, low, high = length(statistic, information, white.shape, design.degrees)
    tested = Tested(statistic, (1 + exceeded) / (1 + draws), effect, low, high)
    return MeanShift(tested, _explained(rows @ directions, white, design), white.shape[1])


def length(statistic: float, information: float, shape: tuple[int, ...], degrees: int) -> list[float]:
    """Length of a difference inside a side and its interval.

    Pooled variance contains the difference itself. Taken out again, the statistic is Hotelling's, and its excess
    over its mean without drift estimates information times the squared length (its F distribution's mean is
    matched by a chi-square's).
    """
    n, d = shape
    hotelling = statistic / max(1 - statistic / n, 1e-12) * degrees / n
    matched = hotelling * (degrees - d - 1) / degrees
    # chndtrinc(x, d, p): the noncentrality that puts x at probability p.
    excess = (matched - d, float(chndtrinc(matched, d, 0.975)), float(chndtrinc(matched, d, 0.025)))
    return [math.sqrt(value / information) if value > 1e-9 else 0.0 for value in excess]


def _explained(rows: FloatArray, residual: FloatArray, design: Given) -> float:
    """Length of the whole difference less the one at equal topics and inputs, and less what noise adds to it."""
    before, now = rows[~design.current], rows[design.current]
    explained = now.mean(axis=0) - before.mean(axis=0) - design.difference(residual)
    noise = float((rows - residual).var(axis=0).sum()) * (1 / len(before) + 1 / len(now))
    return math.sqrt(max(float(explained @ explained) - noise, 0.0))
