"""Population stability index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drift.distances.checked import proportions
from drift.errors import SettingsError


def psi(baseline: npt.ArrayLike, current: npt.ArrayLike, *, floor: float = 1e-4) -> float:
    """Population stability index of two histograms.

    The symmetric Kullback–Leibler divergence [1]_. Zero when proportions agree.

    Parameters
    ----------
    baseline, current
        Counts, shape ``(bins,)``, over the same bin edges.
    floor
        The least proportion a bin is taken to hold, in (0, 1). The result depends on it.

    Returns
    -------
    float
        In nats, never negative. It grows with the number of bins and shrinks with the number of
        calls even without drift: read it beside both.

    Raises
    ------
    ShapeError
        The histograms differ in shape, or hold something that is no count.
    EmptySampleError
        Either holds no counts.
    SettingsError
        ``floor`` lies outside (0, 1).

    References
    ----------
    .. [1] Kullback and Leibler (1951), On Information and Sufficiency.

    Examples
    --------
    >>> round(psi([50, 50], [60, 40]), 4)
    0.0405
    """
    if not 0 < floor < 1:
        raise SettingsError(f"floor must lie between 0 and 1, got {floor}")
    before, now = (np.maximum(shares, floor) for shares in proportions(baseline, current))
    return float(np.sum((now - before) * np.log(now / before)))
