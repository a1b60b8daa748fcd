"""Parts of a baseline: topics whose answers are judged together, in coordinates that are white among them.

Answers to one task vary in other ways, and often far less, than answers to all tasks together: a shift that is small
beside the latter may be large beside the former.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.cluster.hierarchy
import scipy.linalg

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Blocks = tuple[tuple[int, int], ...]

MOST = 3
"""Parts, at most."""

FEWEST = 300
"""Calls of the baseline in the smallest part."""

DROPPED = 1e-3
"""Directions whose variance is a smaller share of the largest are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Groups of topics and maps of residuals of their answers.

    Parameters
    ----------
    of_topic
        The part of each topic, ``(topics,)``.
    maps
        For each part: residuals r ``(width of answers,)`` of its calls are judged as ``r @ map``, which is white.
    blocks
        For each part: columns of its map that are bet on or not together (output, format, length).
    """

    of_topic: IntArray
    maps: tuple[FloatArray, ...]
    blocks: tuple[Blocks, ...]

    def __len__(self) -> int:
        return len(self.maps)

    @classmethod
    def none(cls, topics: int) -> Parts:
        """One part without coordinates: there are no answers."""
        return cls(np.zeros(topics, np.int64), (np.zeros((0, 0)),), ((),))

    @classmethod
    def of(cls, of_topic: IntArray, part: IntArray, residuals: FloatArray, blocks: Blocks) -> Parts:
        """Maps that whiten residuals ``(n, r)`` of calls of these parts, each of the blocks by itself."""
        maps, made = [], []
        for one in range(int(of_topic.max()) + 1):
            whitened = [whiten(residuals[part == one, low:high]) for low, high in blocks]
            ends = np.cumsum([columns.shape[1] for columns in whitened])
            starts = np.concatenate([[0], ends[:-1]])
            maps.append(scipy.linalg.block_diag(*whitened))
            made.append(tuple((int(low), int(high)) for low, high in zip(starts, ends, strict=True) if high > low))
        return cls(of_topic, tuple(maps), tuple(made))

    @property
    def layout(self) -> tuple[Blocks, Blocks]:
        """Columns of all blocks, and ranges of the blocks that are of one part."""
        columns: list[tuple[int, int]] = []
        ranges: list[tuple[int, int]] = []
        at = 0
        for one, blocks in zip(self.maps, self.blocks, strict=True):
            ranges.append((len(columns), len(columns) + len(blocks)))
            columns += [(at + low, at + high) for low, high in blocks]
            at += one.shape[1]
        return tuple(columns), tuple(ranges)

    def judged(self, sums: FloatArray) -> FloatArray:
        """Coordinates in which residuals are judged, from their sums in each part: ``(..., P, r)`` to ``(..., d)``."""
        return np.concatenate([sums[..., part, :] @ one for part, one in enumerate(self.maps)], axis=-1)


def grouped(centres: FloatArray, calls: Sequence[int] | IntArray) -> IntArray:
    """Part of each topic: as many as have enough calls, by the topics' centres ``(topics, dimensions)``."""
    if len(centres) < 2:
        return np.zeros(len(centres), np.int64)
    tree = scipy.cluster.hierarchy.linkage(centres, method="ward")
    for wanted in range(MOST, 1, -1):
        label = scipy.cluster.hierarchy.fcluster(tree, wanted, criterion="maxclust") - 1
        if np.bincount(label, np.asarray(calls, dtype=np.float64)).min() >= FEWEST:
            return np.asarray(label, dtype=np.int64)
    return np.zeros(len(centres), np.int64)


def whiten(residuals: FloatArray) -> FloatArray:
    """Map ``(r, d)`` to coordinates with unit covariance, the widest first."""
    if residuals.shape[1] == 0 or len(residuals) < 2:
        return np.zeros((residuals.shape[1], 0))
    found, columns = scipy.linalg.eigh(np.cov((residuals - residuals.mean(axis=0)).T).reshape(residuals.shape[1], -1))
    kept = np.arange(len(found))[::-1]
    kept = kept[found[kept] > DROPPED * max(found[-1], 1e-9)]
    return np.asarray(columns[:, kept] / np.sqrt(found[kept]))
