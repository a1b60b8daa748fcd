"""Bins for lengths, times and costs, the same for every lens: whole numbers below 64, then two per cent wide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MISSING = -1
"""The bin of a value that was not given: counted, as a series of its own."""

_LARGEST = 10**12
_EXACT = 64


def _edges() -> IntArray:
    steps = np.arange(np.ceil(np.log(_LARGEST / _EXACT) / np.log(1.02)))
    return np.concatenate([np.arange(_EXACT), np.unique(np.ceil(_EXACT * 1.02**steps)).astype(np.int64)])


EDGES: IntArray = _edges()
"""Lower edge of each bin, whole numbers."""

VALUES: FloatArray = np.concatenate(
    [
        EDGES[:_EXACT].astype(np.float64),
        np.sqrt(EDGES[_EXACT:] * np.append(EDGES[_EXACT + 1 :] - 1, _LARGEST).astype(float)),
    ]
)
"""The value that stands for each bin: itself below 64, the geometric middle above."""

LOGS: FloatArray = np.log1p(VALUES)
"""Natural log of one plus each bin's value."""


def to_bins(values: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Bin of each value, rounded to a whole number first.

    Parameters
    ----------
    values
        Not negative, any shape; NaN where the value is missing. Values above 1e12 fall into the last bin.

    Returns
    -------
    Array of the same shape, ``MISSING`` for NaN.
    """
    given = np.asarray(values, dtype=np.float64)
    missing = np.isnan(given)
    whole = np.rint(np.where(missing, 0.0, given))
    bins = np.searchsorted(EDGES, whole, side="right") - 1
    return np.where(missing, MISSING, bins).astype(np.int32)
