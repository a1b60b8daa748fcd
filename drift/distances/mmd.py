"""Maximum mean discrepancy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from drift.distances.checked import FloatArray, samples
from drift.errors import SettingsError

BLOCK = 512
"""Rows of a kernel matrix held at a time."""

MEDIAN_ROWS = 500
"""Rows of each side that the median heuristic looks at, evenly spaced."""


def squared_mmd(baseline: npt.ArrayLike, current: npt.ArrayLike, *, bandwidth: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy under a Gaussian kernel.

    The kernel is ``exp(-distance² / (2 bandwidth²))``; the estimate is the U-statistic of [1]_, lemma 6.
    Memory stays at ``BLOCK`` rows of a kernel matrix; time grows with the square of the calls.

    Parameters
    ----------
    baseline, current
        Vectors, shapes ``(n, d)`` and ``(m, d)``, at least two rows each.
    bandwidth
        In the unit of the coordinates, positive. By default the median distance between different rows
        of the pooled sample. The result depends on it.

    Returns
    -------
    float
        Zero on average when the distributions agree, so below zero about half of the time; at most 2.

    Raises
    ------
    ShapeError
        The samples differ in coordinates, or hold NaN or infinity.
    EmptySampleError
        Either has fewer than two rows.
    SettingsError
        ``bandwidth`` is not positive.

    References
    ----------
    .. [1] Gretton, Borgwardt, Rasch, Schölkopf and Smola (2012), A Kernel Two-Sample Test.
    """
    before, now = samples(baseline, current)
    if bandwidth is None:
        bandwidth = _median_distance(before, now)
    if not bandwidth > 0:
        raise SettingsError(f"bandwidth must be positive, got {bandwidth}")
    # Distances do not mind where the origin lies; their rounding errors do.
    centre = (before.mean(axis=0) + now.mean(axis=0)) / 2
    before, now = before - centre, now - centre
    n, m = len(before), len(now)
    # A row's kernel with itself is 1 and belongs to no pair.
    within_before = (_kernel_sum(before, before, bandwidth) - n) / (n * (n - 1))
    within_now = (_kernel_sum(now, now, bandwidth) - m) / (m * (m - 1))
    return within_before + within_now - 2 * _kernel_sum(before, now, bandwidth) / (n * m)


def _median_distance(before: FloatArray, now: FloatArray) -> float:
    """Median distance of a bounded, evenly spaced part of the pooled rows; repeated rows say nothing of scale."""
    part = np.vstack([rows[_evenly(len(rows))] for rows in (before, now)])
    distances = pdist(part)
    apart = distances[distances > 0]
    return float(np.median(apart)) if apart.size else 1.0


def _evenly(rows: int) -> npt.NDArray[np.intp]:
    return np.linspace(0, rows - 1, min(rows, MEDIAN_ROWS)).astype(np.intp)


def _kernel_sum(left: FloatArray, right: FloatArray, bandwidth: float) -> float:
    """Sum the kernel over all pairs; squared distances by matrix products, many times faster than pair by pair."""
    left, right = (rows / (bandwidth * math.sqrt(2)) for rows in (left, right))
    lengths_left, lengths_right = (np.einsum("ij,ij->i", rows, rows) for rows in (left, right))
    total = 0.0
    for start in range(0, len(left), BLOCK):
        block = slice(start, start + BLOCK)
        closeness = 2 * left[block] @ right.T - lengths_left[block, None] - lengths_right
        total += float(np.exp(np.minimum(closeness, 0.0, out=closeness), out=closeness).sum())
    return total
