"""Exponential-tilt e-CUSUM: has the mean of a feature vector moved?

Serves whitened embeddings, residuals of answers given questions, and Legendre polynomials of a scalar's rank. Bets on
the direction in which earlier blocks moved; the price of a bet is its cumulant over the baseline's own calls, K(theta)
= log mean exp <theta, u - mean> (Shin, Ramdas, Rinaldo 2022; Waudby-Smith, Ramdas 2024). Calls may be of several
parts, each with coordinates, a mean, a baseline and bets of its own; what they win adds up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    def part(self) -> IntArray:
        """The part of each coordinate."""
        of_block = np.repeat(np.arange(len(self.parts)), [high - low for low, high in self.parts])
        return np.repeat(of_block, [high - low for low, high in self.blocks])

    def columns(self, part: int) -> slice:
        """Coordinates of a part."""
        low, high = self.parts[part]
        return slice(self.blocks[low][0], self.blocks[high - 1][1])

    def start(self) -> Memory:
        """Memory of nothing."""
        return start(len(self.mean), self.mean.shape[1], len(self.parts))

    def bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """The direction bet on for a mean ``(R, M, d)``: nothing in blocks of coordinates where it may be noise."""
        return Tilts({"": self}).bet(mean, noise)

    def gains(self, centred: FloatArray, bets: FloatArray, n: FloatArray) -> FloatArray:
        """What bets ``(T, R, M, d)`` win by sums ``(T, R, d)`` over ``(T, R, P)`` calls, nats, ``(T, R, M)``."""
        gains = np.zeros(bets.shape[:3])
        for part, given in enumerate(self.slack):
            mine = bets[..., columns := self.columns(part)]
            if not mine.any():
                continue
            length, price = self._priced(mine, part, given * np.count_nonzero(mine, axis=-1))
            gains += length * np.einsum("trd,trmd->trm", centred[..., columns], mine) - n[..., part, None] * price
        return gains

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


class Tilts:
    """Detectors side by side, each with the evidence that it has alone: numpy is asked once for all of them.

    Parameters
    ----------
    each
        At least one, all of the same replicas.
    """

    def __init__(self, each: Mapping[str, Tilt]) -> None:
        self._each = each
        made = list(each.values())
        blocks = [high - low for one in made for low, high in one.blocks]
        parts = [high - low for one in made for low, high in one.parts]
        of_block, self._widths = np.repeat(np.arange(len(parts)), parts), np.array(blocks)
        self._of_block, self._part = of_block, np.repeat(of_block, blocks)
        self._starts, self._firsts = _firsts(blocks), _firsts(parts)
        self._mean = np.concatenate([one.mean for one in made], axis=1)
        self._size = np.concatenate([one.size for one in made], axis=1)
        self._cap = np.repeat([one.cap for one in made], [len(one.parts) for one in made])
        self._columns = _ranges([one.mean.shape[1] for one in made])
        self._parts = _ranges([len(one.parts) for one in made])

    def update(
        self,
        states: Mapping[str, Memory],
        fed: Mapping[str, tuple[FloatArray, FloatArray]],
        calls: FloatArray,
        weight: FloatArray,
    ) -> tuple[dict[str, Memory], dict[str, FloatArray]]:
        """States after T blocks, and the evidence after each, ``(T, R)``.

        Parameters
        ----------
        fed
            For each detector sums ``(T, R, d)`` over so many calls of each part ``(T, R, P)``.
        """
        n = np.concatenate([fed[name][1] for name in self._each], axis=2)
        centred = np.concatenate([fed[name][0] for name in self._each], axis=2) - n[..., self._part] * self._mean
        before = self._joined([states[name] for name in self._each])
        state, bets = learn(before, centred, n, calls, self._size, self.bet, self._part)
        gains = [
            tilt.gains(centred[..., columns], bets[..., columns], n[..., parts])
            for tilt, columns, parts in zip(self._each.values(), self._columns, self._parts, strict=True)
        ]
        count = len(self._each)  # as if they were replicas
        won = np.concatenate(gains, axis=1)
        state, course = accumulate(state, won, np.tile(calls, (1, count)), np.tile(weight, (1, count)))
        courses = np.split(course, count, axis=1)
        return self._apart(state), dict(zip(self._each, courses, strict=True))

    def bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """The direction bet on for a mean ``(R, M, d)``: nothing in blocks of coordinates where it may be noise."""
        square = np.add.reduceat(mean * mean, self._starts, axis=-1)
        share = shrink(square, noise[..., self._of_block], self._widths)
        length = np.sqrt(np.add.reduceat(square * share * share, self._firsts, axis=-1))
        share = share * np.minimum(1.0, self._cap / np.maximum(length, 1e-30))[..., self._of_block]
        return np.asarray(mean * np.repeat(share, self._widths, axis=-1))

    def _joined(self, states: Sequence[Memory]) -> Memory:
        """Coordinates and parts one beside the other, evidence one below the other."""
        return Memory(
            np.concatenate([one.total for one in states], axis=2),
            np.concatenate([one.mass for one in states], axis=2),
            np.concatenate([one.spread for one in states], axis=2),
            np.concatenate([one.log_e for one in states]),
            np.concatenate([one.age for one in states]),
        )

    def _apart(self, state: Memory) -> dict[str, Memory]:
        replicas = len(self._mean)
        return {
            name: Memory(
                state.total[..., columns].copy(),  # as it comes back from its bytes
                state.mass[..., parts].copy(),
                state.spread[..., parts].copy(),
                state.log_e[place * replicas : (place + 1) * replicas],
                state.age[place * replicas : (place + 1) * replicas],
            )
            for place, (name, columns, parts) in enumerate(zip(self._each, self._columns, self._parts, strict=True))
        }


def _firsts(lengths: Sequence[int]) -> list[int]:
    """Where each of them begins, one beside the other."""
    return [sum(lengths[:place]) for place in range(len(lengths))]


def _ranges(lengths: Sequence[int]) -> list[slice]:
    return [slice(low, low + length) for low, length in zip(_firsts(lengths), lengths, strict=True)]
