"""What the effect sizes share: array types, an interval, and the checks made once, on entry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drift.errors import EmptySampleError, ShapeError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Z95 = 1.959963984540054
"""Half width of a 95 % interval in standard errors."""


class Interval(NamedTuple):
    """An effect and the 95 % interval around it."""

    effect: float
    low: float
    high: float


class Tested(NamedTuple):
    """A statistic with its permutation p-value, and the effect behind it with its 95 % interval."""

    statistic: float
    p_value: float
    effect: float
    low: float
    high: float


def finite(name: str, values: npt.ArrayLike, dimensions: int) -> FloatArray:
    """Give ``values`` as float64, refusing another number of dimensions, a NaN or an infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions:
        raise ShapeError(f"{name} must have {dimensions} dimension(s), got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ShapeError(f"{name} must be finite, got NaN or infinity: leave such calls out or count them as missing")
    return array


def proportions(baseline: npt.ArrayLike, current: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Turn two histograms over the same bins into proportions."""
    pair = finite("baseline", baseline, 1), finite("current", current, 1)
    if pair[0].shape != pair[1].shape:
        raise ShapeError(
            f"histograms must share their bins, got {pair[0].size} in baseline and {pair[1].size} in current"
        )
    for name, counts in zip(("baseline", "current"), pair, strict=True):
        if (counts < 0).any():
            raise ShapeError(f"{name} must hold counts, got {counts.min():g}, which is negative")
        if not counts.any():
            raise EmptySampleError(f"{name} holds no counts: at least one is needed")
    return pair[0] / pair[0].sum(), pair[1] / pair[1].sum()


def samples(baseline: npt.ArrayLike, current: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check two samples of vectors: the same coordinates, at least two rows each."""
    pair = finite("baseline", baseline, 2), finite("current", current, 2)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise ShapeError(
            f"rows must share coordinates, got {pair[0].shape[1]} in baseline, {pair[1].shape[1]} in current"
        )
    for name, rows in zip(("baseline", "current"), pair, strict=True):
        if len(rows) < 2:
            raise EmptySampleError(f"{name} must have at least 2 rows, got {len(rows)}")
    return pair
