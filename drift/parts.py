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
class Whitening:
    """Maps of residuals of each part, learnt from a baseline and again from each resample of it.

    Parameters
    ----------
    maps
        For each part: residuals r ``(width of answers,)`` of its calls are judged as ``r @ map``, which is white.
    blocks
        For each part: columns of its map that are bet on or not together (output, format, length).
    """

    maps: tuple[FloatArray, ...]
    blocks: tuple[Blocks, ...]

    @classmethod
    def of(
        cls,
        parts: int,
        part: IntArray,
        residuals: FloatArray,
        weights: FloatArray,
        blocks: Blocks,
        like: Whitening | None = None,
    ) -> Whitening:
        """Maps that whiten residuals ``(n, r)`` of calls of these parts, each of the blocks by itself.

        Parameters
        ----------
        weights
            How often each call counts, ``(n,)``.
        like
            One of the same calls: as many columns are kept as it has.
        """
        if parts == 1:  # white already: to whiten each resample anew only makes its chance look like evidence
            return cls((np.eye(residuals.shape[1]),), (blocks,))
        maps, made = [], []
        for one in range(parts):
            here = part == one
            widths = None if like is None else [high - low for low, high in like.blocks[one]]
            found = [
                whiten(residuals[here, low:high], weights[here], None if widths is None else widths[view], least=1)
                for view, (low, high) in enumerate(blocks)
            ]
            ends = np.cumsum([columns.shape[1] for columns in found])
            starts = [end - columns.shape[1] for end, columns in zip(ends, found, strict=True)]
            maps.append(scipy.linalg.block_diag(*found) if found else np.zeros((residuals.shape[1], 0)))
            made.append(tuple((int(low), int(high)) for low, high in zip(starts, ends, strict=True)))
        return cls(tuple(maps), tuple(made))

    @property
    def layout(self) -> tuple[Blocks, Blocks]:
        """Columns of all blocks, and ranges of the blocks that are of one part."""
        columns: list[tuple[int, int]] = []
        ranges: list[tuple[int, int]] = []
        at = 0
        for one, blocks in zip(self.maps, self.blocks, strict=True):
            there = [(at + low, at + high) for low, high in blocks if high > low]
            ranges.append((len(columns), len(columns) + len(there)))
            columns += there
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


def whiten(
    residuals: FloatArray, weights: FloatArray | None = None, width: int | None = None, *, least: int = 0
) -> FloatArray:
    """Map ``(r, d)`` to coordinates with unit covariance, the widest first.

    Parameters
    ----------
    width
        Coordinates, or None for all that vary, ``least`` at least; one that does not vary is scaled as if it did.
    """
    if residuals.shape[1] == 0 or len(residuals) < 2:
        return np.zeros((residuals.shape[1], width if width is not None else min(least, residuals.shape[1])))
    share = np.full(len(residuals), 1 / len(residuals)) if weights is None else weights / weights.sum()
    centred = residuals - share @ residuals
    found, columns = scipy.linalg.eigh((centred * share[:, None]).T @ centred)
    floor = DROPPED * max(float(found[-1]), 1.0 if least else 1e-9)
    order = np.arange(len(found))[::-1]
    kept = order[: max(int((found > floor).sum()), least) if width is None else width]
    return np.asarray(columns[:, kept] / np.sqrt(np.maximum(found[kept], floor)))
