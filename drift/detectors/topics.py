"""Topic histogram e-CUSUM: has the mix of input topics changed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drift.detectors.memory import FloatArray, IntArray, Memory, accumulate, learn, shrink, start

GROWTH = 3.0
"""Standard deviations above the baseline's share, over 256 and 1,024 calls, at which a topic counts as grown."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Bets on the topics whose shares have moved.

    Parameters
    ----------
    proportions
        The baseline's topic shares, shape ``(R, K)``, none zero.
    size
        Calls of the baseline, ``(R,)``.
    slack
        Evidence given away a call for a baseline of finite size, nats.
    by_slot
        The shares in each hour of the day or week, ``(R, S, K)``, none zero; None where hours are alike.
    """

    proportions: FloatArray
    size: FloatArray
    slack: float
    by_slot: FloatArray | None = None

    def start(self) -> Memory:
        """Memory of nothing."""
        return start(*self.proportions.shape)

    def update(
        self,
        state: Memory,
        counts: FloatArray,
        calls: FloatArray,
        weight: FloatArray,
        slot: IntArray | None = None,
    ) -> tuple[Memory, FloatArray, npt.NDArray[np.bool_]]:
        """State after T blocks of topic counts ``(T, R, K)``, evidence after each ``(T, R)``, topics grown before it.

        The answers in grown topics ``(T, R, K)`` cannot be compared for now. Blocks are of a slot each, ``(T, R)``;
        where it is not given they are compared with all hours.
        """
        n = counts.sum(axis=2)
        expected = self._expected(slot)
        grown: list[npt.NDArray[np.bool_]] = []

        def bet(mean: FloatArray, noise: FloatArray) -> FloatArray:
            grown.append(self._grown(mean, noise))
            return self._bet(mean, noise)

        state, bets = learn(state, counts - n[..., None] * expected, n[..., None], calls, self.size[:, None], bet)
        gains = np.einsum("trk,trmk->trm", counts, bets) - n[..., None] * self.slack
        if expected is not self.proportions:
            gains -= n[..., None] * np.log(np.einsum("trk,trmk->trm", expected, np.exp(bets)))
        return *accumulate(state, gains, calls, weight), np.stack(grown)

    def _expected(self, slot: IntArray | None) -> FloatArray:
        """Shares that blocks are compared with, ``(T, R, K)`` or ``(R, K)``.

        A bet is a ratio to the shares of all hours, in which its mean is one; in those of one hour it has a price.
        """
        if self.by_slot is None or slot is None:
            return self.proportions
        return np.asarray(self.by_slot[np.arange(len(self.by_slot)), slot])

    def _bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        p = self.proportions[:, None]
        share = shrink((mean * mean / p).sum(axis=2), noise[..., 0], p.shape[2] - 1)
        q = np.maximum(p + share[..., None] * mean, 0.05 * p)
        return np.asarray(np.log(q / q.sum(axis=2, keepdims=True) / p))

    def _grown(self, mean: FloatArray, noise: FloatArray) -> npt.NDArray[np.bool_]:
        bound = GROWTH * np.sqrt(np.maximum(self.proportions, 1 / self.size[:, None])[:, None] * noise)
        return np.asarray((mean > bound)[:, 1:].all(axis=1))
