"""Relative change of a typical value, and of all values."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import wasserstein_distance

from drift.distances.checked import Z95, FloatArray, Interval, finite
from drift.errors import EmptySampleError, ShapeError

RESOLUTION = 1e-12
"""Anything smaller is zero: ratios of rounding errors are no change."""


def relative_change(baseline: npt.ArrayLike, current: npt.ArrayLike) -> Interval:
    """Relative change of the typical value of a length, a duration or a cost.

    Typical is ``exp(mean(log(1 + x))) - 1``: a geometric mean that bears zeros, so one call of a minute does
    not drown a thousand of a second. For values far below one it is the arithmetic mean. The interval is the
    delta method on the logarithm of the ratio [1]_, at 95 %.

    Parameters
    ----------
    baseline, current
        Values of zero or more, shapes ``(n,)`` and ``(m,)``, at least two each.

    Returns
    -------
    Interval
        0.1 means ten percent more; not below -1. Infinite where the baseline is zero throughout and the
        current side is not.

    Raises
    ------
    ShapeError
        A value is negative, NaN or infinite.
    EmptySampleError
        Either side has fewer than two values.

    References
    ----------
    .. [1] Fieller (1940) treats the ratio exactly; the delta method is Cramér (1946), section 28.4.

    Examples
    --------
    >>> round(relative_change([100.0, 100.0], [111.0, 111.0]).effect, 6)
    0.11
    """
    logs = [_logs(name, values) for name, values in (("baseline", baseline), ("current", current))]
    before, now = (math.expm1(side.mean()) for side in logs)
    if before == 0 or now == 0:
        effect = 0.0 if before == now else now / before - 1 if before else math.inf
        return Interval(effect, effect, effect)
    # d log(typical) = (1 + typical) / typical · d mean(log(1 + x))
    errors = (
        (1 + typical) / typical * float(side.std(ddof=1)) / math.sqrt(len(side))
        for typical, side in zip((before, now), logs, strict=True)
    )
    width = Z95 * math.hypot(*errors)
    ratio = now / before
    return Interval(ratio - 1, ratio * math.exp(-width) - 1, ratio * math.exp(width) - 1)


def quantile_change(baseline: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Mean absolute change of a quantile, relative to the typical value of the baseline.

    The Wasserstein distance [1]_ of ``log(1 + x)``, on the scale of ``relative_change``: no smaller than that for
    small changes, and not blind to values that spread without moving.

    Parameters
    ----------
    baseline, current
        Values of zero or more, shapes ``(n,)`` and ``(m,)``, at least two each.

    Returns
    -------
    float
        0.1 means about ten percent up or down. Never negative; sampling noise alone makes it positive. Infinite
        where the baseline is zero throughout and the current side is not.

    Raises
    ------
    ShapeError
        A value is negative, NaN or infinite.
    EmptySampleError
        Either side has fewer than two values.

    References
    ----------
    .. [1] Vallender (1974), Calculation of the Wasserstein distance between distributions on the line.
    """
    before, now = _logs("baseline", baseline), _logs("current", current)
    moved = float(wasserstein_distance(before, now))
    typical = math.expm1(before.mean())
    if typical == 0:
        return math.inf if moved else 0.0
    return moved * (1 + typical) / typical


def _logs(name: str, values: npt.ArrayLike) -> FloatArray:
    array = finite(name, values, 1)
    if len(array) < 2:
        raise EmptySampleError(f"{name} must have at least 2 values, got {len(array)}")
    if (array < 0).any():
        raise ShapeError(f"{name} must not be negative, got {array.min():g}")
    logs: FloatArray = np.log1p(np.where(array < RESOLUTION, 0.0, array))
    return logs
