"""Sliding windows against the baseline: KS and PSI of scalars; Fréchet, mean and kernel mean of embeddings.

Written here from their definitions: what they do when looked at continuously does not depend on who wrote them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.kinds.courses import Course, FloatArray
from benchmarks.quality.matching import TICK, statistic_course
from benchmarks.quality.peers.base import Data, IntArray, Peer, Watch, whole

WINDOW = 500
BINS = 10
FLOOR = 1e-4
COORDINATES = 32
FEATURES = 512
SCALES = (40, 80, 160, 320, 640, 1280)
"""Calls of each of several windows of a mean."""

SEED = 0


def sliding(sums: FloatArray, window: int) -> FloatArray:
    """Sums over each window of so many calls, of sums over each tick."""
    size = window // TICK
    running = np.concatenate([np.zeros((1, *sums.shape[1:])), np.cumsum(sums, axis=0)])
    return running[size:] - running[:-size]


def per_tick(values: FloatArray) -> FloatArray:
    """Sums over each tick."""
    return values.reshape(-1, TICK, *values.shape[1:]).sum(axis=1)


def kolmogorov(data: Data, baseline: IntArray) -> Watch:
    """Two-sample Kolmogorov–Smirnov distance of the last 500 values and the baseline."""
    points = np.unique(baseline)
    expected = np.searchsorted(np.sort(baseline), points, side="right") / len(baseline)

    def watch(calls: IntArray, _: float) -> Course:
        below = np.stack([(calls <= point).reshape(-1, TICK).sum(axis=1) for point in points], axis=1)
        return whole(np.abs(sliding(below.astype(float), WINDOW) / WINDOW - expected).max(axis=1), WINDOW)

    return watch


def stability(data: Data, baseline: IntArray) -> Watch:
    """Population stability index of the last 500 values over the baseline's tenths, or over its few values."""
    few = np.unique(baseline)
    edges = few[1:] if len(few) <= BINS else np.unique(np.quantile(baseline, np.arange(1, BINS) / BINS))

    def counts(calls: IntArray) -> FloatArray:
        return np.eye(len(edges) + 1)[np.searchsorted(edges, calls, side="right")]

    expected = np.maximum(counts(baseline).mean(axis=0), FLOOR)

    def watch(calls: IntArray, _: float) -> Course:
        seen = np.maximum(sliding(per_tick(counts(calls)), WINDOW) / WINDOW, FLOOR)
        return whole(((seen - expected) * np.log(seen / expected)).sum(axis=1), WINDOW)

    return watch


def mean(data: Data, baseline: IntArray) -> Watch:
    """Largest standardised distance of the mean over several windows; of embeddings the squared one."""
    if data.vectors is None:
        values = data.scalars(baseline)
        return several(lambda calls: (data.scalars(calls)[:, None] - values.mean()) / values.std(), len(baseline), 1.0)
    return centred(lambda calls: data.values(calls).astype(np.float64), baseline)


def kernel_mean(data: Data, baseline: IntArray) -> Watch:
    """The same of 512 random Fourier features, the bandwidth the median distance (Rahimi and Recht 2007)."""
    rng = np.random.default_rng(SEED)
    x = data.values(baseline)
    one, other = rng.integers(0, len(x), (2, 4000))
    apart = np.linalg.norm(x[one] - x[other], axis=1)
    frequency = (rng.normal(size=(x.shape[1], FEATURES)) / np.median(apart[apart > 0])).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, FEATURES).astype(np.float32)

    def see(calls: IntArray) -> FloatArray:
        distinct, back = np.unique(calls, return_inverse=True)
        return (np.sqrt(2 / FEATURES) * np.cos(data.values(distinct) @ frequency + phase))[back].astype(np.float64)

    return centred(see, baseline)


def centred(see: Callable[[IntArray], FloatArray], baseline: IntArray) -> Watch:
    """Windows of the mean of features, scaled by their variance."""
    seen = see(baseline)
    covariance = np.cov(seen.T)
    middle, variance = seen.mean(axis=0), np.trace(covariance)
    freedom = variance**2 / (covariance**2).sum()
    return several(lambda calls: (see(calls) - middle) / np.sqrt(variance), len(baseline), float(freedom))


def several(see: Callable[[IntArray], FloatArray], size: int, freedom: float) -> Watch:
    """The most by which squared means exceed what no drift gives them, as normal (Wilson and Hilferty 1931)."""
    scale = 2 / (9 * freedom)

    def watch(calls: IntArray, _: float) -> Course:
        sums = per_tick(see(calls))
        best = np.full(len(sums), -np.inf)
        for window in (one for one in SCALES if one <= len(calls)):
            square = (sliding(sums, window) ** 2).sum(axis=1) / window / (1 + window / size)
            at = window // TICK - 1
            best[at:] = np.maximum(best[at:], (np.cbrt(square) - (1 - scale)) / np.sqrt(scale))
        return statistic_course(best)

    return watch


def frechet(data: Data, baseline: IntArray) -> Watch:
    """Fréchet distance of the last 500 and the baseline on its first 32 principal components (Greco et al. 2024)."""
    x = data.values(baseline).astype(np.float64)
    middle = x.mean(axis=0)
    axes = np.linalg.eigh(np.cov(x.T))[1][:, -COORDINATES:]
    root = np.sqrt(np.var((x - middle) @ axes, axis=0, ddof=1))

    def watch(calls: IntArray, _: float) -> Course:
        z = (data.values(calls) - middle) @ axes
        shift = sliding(per_tick(z), WINDOW) / WINDOW
        squares = z.reshape(-1, TICK, COORDINATES)
        second = sliding(np.einsum("tia,tib->tab", squares, squares), WINDOW) / WINDOW
        covariance = (second - shift[:, :, None] * shift[:, None, :]) * WINDOW / (WINDOW - 1)
        crossed = np.linalg.eigvalsh(root[:, None] * covariance * root)
        traces = (root**2).sum() + np.trace(covariance, axis1=1, axis2=2) - 2 * np.sqrt(np.maximum(crossed, 0)).sum(1)
        return whole((shift**2).sum(axis=1) + traces, WINDOW)

    return watch


def critical(size: int = 5000, window: int = WINDOW) -> float:
    """Kolmogorov–Smirnov distance at p = .05 (Smirnov 1948)."""
    return float(np.sqrt(-np.log(0.05 / 2) / 2 * (1 / size + 1 / window)))


SCALARS, VECTORS = ("lengths", "flags"), ("topics", "models")
PEERS = (
    Peer("KS, window 500", kolmogorov, SCALARS, default=critical()),
    Peer("PSI, 10 bins, window 500", stability, SCALARS, default=0.1),
    Peer("mean, windows 40–1,280", mean, (*SCALARS, *VECTORS)),
    Peer("RFF-MMD, windows 40–1,280", kernel_mean, VECTORS),
    Peer("Fréchet (DriftLens), PCA 32, window 500", frechet, VECTORS),
)
