"""Exponential-tilt e-CUSUM: has the mean of a feature vector moved?

Serves whitened embeddings, residuals of answers given questions, and Legendre polynomials of a scalar's rank. Bets on
the direction in which earlier blocks moved; the price of a bet is its cumulant over the baseline's own calls, K(theta)
= log mean exp <theta, u - mean> (Shin, Ramdas, Rinaldo 2022; Waudby-Smith, Ramdas 2024). Calls may be of several
parts, each with coordinates, a mean, a baseline and bets of its own; what they win adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from drift.detectors.memory import MEMORIES, FloatArray, IntArray, Memory, accumulate, learn, shrink, start


@dataclass(frozen=True, slots=True)
class Reference:
    """Centred features of a baseline's calls ``(N, d)`` and their weights, which sum to one."""

    features: FloatArray
    weights: FloatArray

    def cumulant(self, theta: FloatArray) -> FloatArray:
        """K(theta) for each of ``(k, d)`` directions."""
        exponents = self.features @ theta.T.astype(self.features.dtype)
        np.exp(exponents, out=exponents)
        return np.log(np.asarray(self.weights @ exponents, dtype=np.float64))


@dataclass(frozen=True)
class Tilt:
    """Bets on a shift of the mean.

    Parameters
    ----------
    mean
        The baseline's mean feature, ``(R, d)``.
    reference
        The baseline's calls of each part, for each replica.
    blocks
        Ranges of coordinates that are bet on or not together, from the first coordinate to the last.
    parts
        Ranges of blocks that are of one part.
    size
        Calls of the baseline in each part, ``(R, P)``.
    slack
        Evidence given away a call for each coordinate of a part while it is bet on, nats, ``(P,)``.
    cap
        Longest bet: bounds what one call can win or lose.
    """

    mean: FloatArray
    reference: Sequence[Sequence[Reference]]
    blocks: tuple[tuple[int, int], ...]
    parts: tuple[tuple[int, int], ...]
    size: FloatArray
    slack: FloatArray
    cap: float = 1.0

    @cached_property
    def _widths(self) -> IntArray:
        return np.array([high - low for low, high in self.blocks])

    @cached_property
    def _of_block(self) -> IntArray:
        return np.repeat(np.arange(len(self.parts)), [high - low for low, high in self.parts])

    @cached_property
    def part(self) -> IntArray:
        """The part of each coordinate."""
        return np.repeat(self._of_block, self._widths)

    def columns(self, part: int) -> slice:
        """Coordinates of a part."""
        low, high = self.parts[part]
        return slice(self.blocks[low][0], self.blocks[high - 1][1])

    def start(self) -> Memory:
        """Memory of nothing."""
        return start(len(self.mean), self.mean.shape[1], len(self.parts))

    def update(
        self, state: Memory, sums: FloatArray, n: FloatArray, calls: FloatArray, weight: FloatArray
    ) -> tuple[Memory, FloatArray]:
        """State after T blocks of sums ``(T, R, d)`` over ``n`` calls ``(T, R, P)``; evidence after each ``(T, R)``."""
        centred = sums - n[..., self.part] * self.mean
        state, bets = learn(state, centred, n, calls, self.size, self.bet, self.part)
        gains = np.einsum("trd,trmd->trm", centred, bets)
        for part in range(len(self.parts)):
            mine = bets[..., self.columns(part)]
            given = self.slack[part] * np.count_nonzero(mine, axis=-1)
            gains -= n[..., part, None] * (self._price(mine, part) + given)
        return accumulate(state, gains, calls, weight)

    def bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """The direction bet on for a mean ``(R, M, d)``: nothing in blocks of coordinates where it may be noise."""
        starts = [low for low, _ in self.blocks]
        square = np.add.reduceat(mean * mean, starts, axis=-1)
        share = shrink(square, noise[..., self._of_block], self._widths)
        length = np.sqrt(np.add.reduceat(square * share * share, [low for low, _ in self.parts], axis=-1))
        share = share * np.minimum(1.0, self.cap / np.maximum(length, 1e-30))[..., self._of_block]
        return np.asarray(mean * np.repeat(share, self._widths, axis=-1))

    def _price(self, bets: FloatArray, part: int) -> FloatArray:
        price = np.zeros(bets.shape[:3])
        for r, references in enumerate(self.reference):
            flat = bets[:, r].reshape(-1, bets.shape[3])
            made = np.flatnonzero(flat.any(axis=1))
            found = np.zeros(len(flat))
            for low in range(0, len(made), 256):
                found[made[low : low + 256]] = references[part].cumulant(flat[made[low : low + 256]])
            price[:, r] = found.reshape(-1, len(MEMORIES))
        return price
