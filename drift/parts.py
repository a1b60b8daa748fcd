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

FOLDS = 5
"""Calls are whitened by maps of the other folds to see how far fresh ones scatter."""

MOST_SPREAD = 4.0

PRIOR = 30.0
"""Calls' worth of the covariance of all topics in that of a part.

A rare way to answer may be missing among a part's few calls: it would then lie tens of deviations away.
"""

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
    spreads
        For each part and coordinate: how much farther fresh calls scatter than those that the map was learnt from,
        which it fits; a ratio of standard deviations.
    """

    maps: tuple[FloatArray, ...]
    blocks: tuple[Blocks, ...]
    spreads: tuple[FloatArray, ...]

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
            width = residuals.shape[1]
            return cls((np.eye(width),), (blocks,), (np.ones(width),))
        made = [
            _learnt(residuals[part == one], weights[part == one], blocks, None if like is None else like.blocks[one])
            for one in range(parts)
        ]
        return cls(*(tuple(each) for each in zip(*made, strict=True)))

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


def _learnt(
    residuals: FloatArray, weights: FloatArray, blocks: Blocks, like: Blocks | None
) -> tuple[FloatArray, Blocks, FloatArray]:
    """Map of a part's residuals, its blocks, and how much farther fresh calls scatter under it."""
    maps, spreads, made, at = [], [], [], 0
    for view, (low, high) in enumerate(blocks):
        here = residuals[:, low:high]
        found = whiten(here, weights, None if like is None else like[view][1] - like[view][0], least=1, prior=PRIOR)
        maps.append(found)
        spreads.append(_spread(here, weights, found))
        made.append((at, at + found.shape[1]))
        at += found.shape[1]
    if not maps:
        return np.zeros((residuals.shape[1], 0)), (), np.zeros(0)
    return scipy.linalg.block_diag(*maps), tuple(made), np.concatenate(spreads)


def _spread(residuals: FloatArray, weights: FloatArray, learnt: FloatArray) -> FloatArray:
    """Ratio of deviations, of calls under maps of the others to calls under their own; one that counts twice is two."""
    each, width = np.repeat(np.arange(len(residuals)), weights.astype(np.int64)), learnt.shape[1]
    fold = np.arange(len(each)) % FOLDS
    if len(each) < FOLDS * (width + 1):
        return np.ones(width)
    fresh = np.zeros(width)
    for one in range(FOLDS):
        others, own = residuals[each[fold != one]], residuals[each[fold == one]]
        made = whiten(others, width=width, least=1, prior=PRIOR)
        fresh += (((own - others.mean(axis=0)) @ made) ** 2).sum(axis=0)
    own = residuals[each] @ learnt
    ratio = fresh / np.maximum(((own - own.mean(axis=0)) ** 2).sum(axis=0), 1e-9)
    # Maps of a fold fewer calls fit them better still: what they miss is that much larger.
    return np.asarray(np.sqrt(np.clip(1 + (ratio - 1) * (FOLDS - 1) / FOLDS, 1.0, MOST_SPREAD)))


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
    residuals: FloatArray,
    weights: FloatArray | None = None,
    width: int | None = None,
    *,
    least: int = 0,
    prior: float = 0.0,
) -> FloatArray:
    """Map ``(r, d)`` to coordinates with unit covariance, the widest first.

    Parameters
    ----------
    width
        Coordinates, or None for all that vary, ``least`` at least; one that does not vary is scaled as if it did.
    prior
        Calls' worth of unit covariance that is added.
    """
    if residuals.shape[1] == 0 or len(residuals) < 2:
        return np.zeros((residuals.shape[1], width if width is not None else min(least, residuals.shape[1])))
    weights = np.ones(len(residuals)) if weights is None else weights
    total = weights.sum()
    centred = residuals - weights @ residuals / total
    added = prior * np.eye(residuals.shape[1])
    found, columns = scipy.linalg.eigh(((centred * weights[:, None]).T @ centred + added) / (total + prior))
    floor = DROPPED * max(float(found[-1]), 1.0 if least else 1e-9)
    order = np.arange(len(found))[::-1]
    kept = order[: max(int((found > floor).sum()), least) if width is None else width]
    return np.asarray(columns[:, kept] / np.sqrt(np.maximum(found[kept], floor)))
