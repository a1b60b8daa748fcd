"""Bins for lengths, times and costs, the same for every lens: whole numbers below 64, then two per cent wide.

Scores have finer bins of their own, of either sign: thousandths below 1.024, then two in a thousand wide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MISSING = -1
"""The bin of a value that was not given: counted, as a series of its own."""

_LARGEST = 10**12
_EXACT = 64


def _edges(exact: int, ratio: float) -> IntArray:
    steps = np.arange(np.ceil(np.log(_LARGEST / exact) / np.log(ratio)))
    return np.concatenate([np.arange(exact), np.unique(np.ceil(exact * ratio**steps)).astype(np.int64)])


EDGES: IntArray = _edges(_EXACT, 1.02)
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


THOUSAND = 1000
"""Scores are whole numbers of 1/1000 before they are summed."""

_SCORE_EDGES: IntArray = _edges(1024, 1.002)


def _roundest(edges: IntArray) -> IntArray:
    """The roundest whole number of each bin, so that a score of 2 or 75 stands for itself."""
    ends = np.append(edges[1:], _LARGEST + 1)
    made = edges.copy()
    for power in range(1, 13):
        step = 10**power
        found = -(-edges // step) * step
        made = np.where(found < ends, found, made)
    return made


_SCORE_VALUES: IntArray = _roundest(_SCORE_EDGES)


def to_score_bins(scores: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Bin of each score, rounded to a thousandth first; the bins of negative ones lie below ``MISSING``.

    Parameters
    ----------
    scores
        Any shape; NaN where a score is missing. Those beyond a thousand million fall into the last bin.

    Returns
    -------
    Array of the same shape, ``MISSING`` for NaN. Bins are in the order of the scores.
    """
    given = np.asarray(scores, dtype=np.float64)
    missing = np.isnan(given)
    whole = np.rint(np.where(missing, 0.0, given) * THOUSAND)
    bins = np.searchsorted(_SCORE_EDGES, np.abs(whole), side="right") - 1
    return np.where(missing, MISSING, np.where(whole < 0, -2 - bins, bins)).astype(np.int32)


def score_values(bins: npt.NDArray[np.int32]) -> FloatArray:
    """What stands for each bin of scores, whole numbers of 1/1000; that of ``MISSING`` means nothing."""
    return np.where(bins < 0, -1.0, 1.0) * _SCORE_VALUES[np.where(bins < 0, -2 - bins, bins)]
