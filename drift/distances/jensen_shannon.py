"""Jensen–Shannon distance."""

from __future__ import annotations

import math

import numpy.typing as npt
from scipy.special import rel_entr

from drift.distances.checked import proportions


def jensen_shannon(baseline: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Jensen–Shannon distance of two histograms, to base 2.

    The square root of the divergence [1]_, which makes it a metric [2]_.

    Parameters
    ----------
    baseline, current
        Counts, shape ``(bins,)``, over the same bin edges.

    Returns
    -------
    float
        From 0, equal proportions, to 1, no bin in common.

    Raises
    ------
    ShapeError
        The histograms differ in shape, or hold something that is no count.
    EmptySampleError
        Either holds no counts.

    References
    ----------
    .. [1] Lin (1991), Divergence measures based on the Shannon entropy.
    .. [2] Endres and Schindelin (2003), A new metric for probability distributions.

    Examples
    --------
    >>> jensen_shannon([10, 0], [0, 10])
    1.0
    """
    before, now = proportions(baseline, current)
    middle = (before + now) / 2
    nats = float((rel_entr(before, middle) + rel_entr(now, middle)).sum()) / 2
    return math.sqrt(min(max(nats / math.log(2), 0.0), 1.0))
