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

SHARES = np.array([1.0, 0.5, 0.25, 0.125])
"""Lengths of a bet that are weighed: the one that grows fastest if the mean is what it seems is made, or none."""

OUTLIER = 0.5
"""Calls that are added to a baseline, as far away as its farthest call and in the direction of each bet.

What never occurred among N calls may yet be one call in 2 N (as with rates): without it one odd answer may win a long
bet outright, and baselines that lack it alarm far too often.
"""


@dataclass(frozen=True)
class Reference:
    """Centred features of a baseline's calls ``(N, d)`` and their weights, which sum to one."""

    features: FloatArray
    weights: FloatArray

    def cumulant(self, theta: FloatArray) -> FloatArray:
        """K(theta) for each of ``(k, d)`` directions."""
        return np.asarray(self.cumulants(theta)[0])

    def cumulants(self, theta: FloatArray) -> FloatArray:
        """K of each direction at all of its ``SHARES``, ``(shares, k)``."""
        exponents = self.features @ theta.T
        exponents *= SHARES[-1]
        np.exp(exponents, out=exponents)
        made = [self.weights @ exponents]
        for _ in SHARES[1:]:
            np.square(exponents, out=exponents)
            made.append(self.weights @ exponents)
        far = np.exp(np.minimum(np.outer(SHARES, np.linalg.norm(theta, axis=1)) * self._reach, 600.0))
        n = len(self.features)
        return np.log((np.stack(made[::-1]) * n + OUTLIER * far) / (n + OUTLIER))

    @cached_property
    def _reach(self) -> float:
        """Distance of the farthest call."""
        return float(np.sqrt(np.max((self.features * self.features).sum(axis=1), initial=0.0)))


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
        gains = np.zeros(bets.shape[:3])
        for part, given in enumerate(self.slack):
            columns = self.columns(part)
            mine = bets[..., columns]
            given_away = given * np.count_nonzero(mine, axis=-1)
            length, price = self._priced(mine, part, given_away)
            gains += length * np.einsum("trd,trmd->trm", centred[..., columns], mine) - n[..., part, None] * price
        return accumulate(state, gains, calls, weight)

    def bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """The direction bet on for a mean ``(R, M, d)``: nothing in blocks of coordinates where it may be noise."""
        starts = [low for low, _ in self.blocks]
        square = np.add.reduceat(mean * mean, starts, axis=-1)
        share = shrink(square, noise[..., self._of_block], self._widths)
        length = np.sqrt(np.add.reduceat(square * share * share, [low for low, _ in self.parts], axis=-1))
        share = share * np.minimum(1.0, self.cap / np.maximum(length, 1e-30))[..., self._of_block]
        return np.asarray(mean * np.repeat(share, self._widths, axis=-1))

    def _priced(self, bets: FloatArray, part: int, given_away: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Share of each bet that is made, and what that costs a call, slack included, both ``(T, R, M)``."""
        length, price = np.zeros(bets.shape[:3]), np.zeros(bets.shape[:3])
        for r, references in enumerate(self.reference):
            flat, slack = bets[:, r].reshape(-1, bets.shape[3]), given_away[:, r].ravel()
            shares, costs = np.zeros(len(flat)), np.zeros(len(flat))
            made = np.flatnonzero(flat.any(axis=1))
            for low in range(0, len(made), 256):
                here = made[low : low + 256]
                cost = references[part].cumulants(flat[here]) + slack[here]
                growth = np.outer(SHARES, (flat[here] ** 2).sum(axis=1)) - cost
                best, each = growth.argmax(axis=0), np.arange(len(here))
                worth = growth[best, each] > 0
                shares[here], costs[here] = np.where(worth, [SHARES[best], cost[best, each]], 0.0)
            length[:, r], price[:, r] = shares.reshape(-1, len(MEMORIES)), costs.reshape(-1, len(MEMORIES))
        return length, price
