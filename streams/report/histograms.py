"""Lengths and times, before and now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drift.bins import EDGES, VALUES

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of values before and now, over the same bins."""

    name: str
    unit: str
    edges: list[float]
    before: list[float]
    now: list[float]
    calls: tuple[int, int]
    quantiles: list[tuple[str, float, float]]
    since: int


QUANTILES = (("median", 0.5), ("90 % below", 0.9), ("99 % below", 0.99))


def compared(name: str, unit: str, before: FloatArray, now: FloatArray, since: int) -> Histogram:
    """Calls by bin of ``drift.bins`` before and now, in fewer bins that both fill."""
    quantiles = [(said, _quantile(before, q), _quantile(now, q)) for said, q in QUANTILES]
    low = min(_place(before, 0.002), _place(now, 0.002))
    high = max(_place(before, 0.998), _place(now, 0.998)) + 1
    first, last = float(max(EDGES[low], 1)), float(EDGES[min(high, len(EDGES) - 1)])
    edges = np.unique(np.round(np.geomspace(first, max(last, first * 1.5), 37)))
    if len(edges) < 2:
        edges = np.array([first, first + 1])
    slot = np.clip(np.searchsorted(edges, np.maximum(VALUES, 1), side="right") - 1, 0, len(edges) - 2)
    made = [np.bincount(slot, counts / counts.sum(), len(edges) - 1) for counts in (before, now)]
    return Histogram(
        name,
        unit,
        edges.tolist(),
        made[0].tolist(),
        made[1].tolist(),
        (round(float(before.sum())), round(float(now.sum()))),
        quantiles,
        since,
    )


def _place(counts: FloatArray, share: float) -> int:
    return int(np.searchsorted(np.cumsum(counts) / counts.sum(), share))


def _quantile(counts: FloatArray, share: float) -> float:
    return float(VALUES[min(_place(counts, share), len(VALUES) - 1)])
