"""Exponential-tilt e-CUSUM: has the mean of a feature vector moved?

Serves whitened embeddings, residuals of answers given questions, and Legendre polynomials of a scalar's rank. Bets on
the direction in which earlier blocks moved; the price of a bet is its cumulant over the baseline's own calls, K(theta)
= log mean exp <theta, u - mean> (Shin, Ramdas, Rinaldo 2022; Waudby-Smith, Ramdas 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drift.detectors.memory import MEMORIES, FloatArray, Memory, accumulate, learn, shrink, start


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


@dataclass(frozen=True, slots=True)
class Tilt:
    """Bets on a shift of the mean.

    Parameters
    ----------
    mean
        The baseline's mean feature, ``(R, d)``.
    reference
        The baseline's calls, one for each replica.
    blocks
        Ranges of coordinates that are bet on or not together.
    size
        Calls of the baseline, ``(R,)``.
    slack
        Evidence given away a call, nats.
    cap
        Longest bet: bounds what one call can win or lose.
    """

    mean: FloatArray
    reference: Sequence[Reference]
    blocks: tuple[tuple[int, int], ...]
    size: FloatArray
    slack: float
    cap: float = 1.0

    def start(self) -> Memory:
        """Memory of nothing."""
        return start(*self.mean.shape)

    def update(
        self, state: Memory, sums: FloatArray, n: FloatArray, calls: FloatArray, weight: FloatArray
    ) -> tuple[Memory, FloatArray]:
        """State after T blocks of feature sums ``(T, R, d)`` over ``n`` calls; the evidence after each ``(T, R)``."""
        centred = sums - n[..., None] * self.mean
        state, bets = learn(state, centred, n, calls, self.size, self.bet)
        gains = np.einsum("trd,trmd->trm", centred, bets) - n[..., None] * (self._price(bets) + self.slack)
        return accumulate(state, gains, calls, weight)

    def bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        """The direction bet on for a mean ``(R, M, d)``: nothing in blocks of coordinates where it may be noise."""
        theta = np.zeros_like(mean)
        for low, high in self.blocks:
            part = mean[..., low:high]
            share = shrink((part * part).sum(axis=-1), noise, high - low)
            theta[..., low:high] = part * share[..., None]
        length = np.sqrt((theta * theta).sum(axis=-1, keepdims=True))
        return np.asarray(theta * np.minimum(1.0, self.cap / np.maximum(length, 1e-30)))

    def _price(self, bets: FloatArray) -> FloatArray:
        price = np.zeros(bets.shape[:3])
        for r, reference in enumerate(self.reference):
            flat = bets[:, r].reshape(-1, bets.shape[3])
            made = np.flatnonzero(flat.any(axis=1))
            found = np.zeros(len(flat))
            for low in range(0, len(made), 256):
                found[made[low : low + 256]] = reference.cumulant(flat[made[low : low + 256]])
            price[:, r] = found.reshape(-1, len(MEMORIES))
        return price
