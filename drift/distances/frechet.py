"""Gaussian Fréchet distance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import svdvals

from drift.distances.checked import FloatArray, samples


def frechet(baseline: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Fréchet distance between the Gaussians fitted to two samples.

    The square root of ``|mean - mean'|² + tr(C + C' - 2 (C C')^½)`` [1]_; its square is what image
    generation calls FID. The trace of the matrix root is the nuclear norm of ``R R'ᵀ``, where ``C = RᵀR``:
    no matrix root is taken, so samples with fewer rows than coordinates and constant columns are safe.

    Parameters
    ----------
    baseline, current
        Vectors, shapes ``(n, d)`` and ``(m, d)``, at least two rows each.

    Returns
    -------
    float
        In the unit of the coordinates, never negative. Sampling noise alone makes it positive.

    Raises
    ------
    ShapeError
        The samples differ in coordinates, or hold NaN or infinity.
    EmptySampleError
        Either has fewer than two rows.

    References
    ----------
    .. [1] Dowson and Landau (1982), The Fréchet distance between multivariate normal distributions.

    Examples
    --------
    >>> frechet([[0.0], [2.0]], [[3.0], [5.0]])
    3.0
    """
    before, now = samples(baseline, current)
    root_before, root_now = _root(before), _root(now)
    apart = before.mean(axis=0) - now.mean(axis=0)
    traces = (root_before**2).sum() + (root_now**2).sum() - 2 * svdvals(root_before @ root_now.T).sum()
    return math.sqrt(max(float(apart @ apart + traces), 0.0))


def _root(rows: FloatArray) -> FloatArray:
    """Give an upper triangle R with RᵀR the covariance of the rows."""
    centred = (rows - rows.mean(axis=0)) / math.sqrt(len(rows) - 1)
    return np.linalg.qr(centred).R
