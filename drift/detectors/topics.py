"""Topic histogram e-CUSUM: has the mix of input topics changed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drift.detectors.memory import FloatArray, Memory, accumulate, learn, shrink, start

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
    """

    proportions: FloatArray
    size: FloatArray
    slack: float

    def start(self) -> Memory:
        """Memory of nothing."""
        return start(*self.proportions.shape)

    def update(
        self, state: Memory, counts: FloatArray, calls: FloatArray, weight: FloatArray
    ) -> tuple[Memory, FloatArray, npt.NDArray[np.bool_]]:
        """State after T blocks of topic counts ``(T, R, K)``, evidence after each ``(T, R)``, topics grown before it.

        The answers in grown topics ``(T, R, K)`` cannot be compared for now.
        """
        n = counts.sum(axis=2)
        grown: list[npt.NDArray[np.bool_]] = []

        def bet(mean: FloatArray, noise: FloatArray) -> FloatArray:
            grown.append(self._grown(mean, noise))
            return self._bet(mean, noise)

        state, bets = learn(
            state, counts - n[..., None] * self.proportions, n[..., None], calls, self.size[:, None], bet
        )
        gains = np.einsum("trk,trmk->trm", counts, bets) - n[..., None] * self.slack
        return *accumulate(state, gains, calls, weight), np.stack(grown)

    def _bet(self, mean: FloatArray, noise: FloatArray) -> FloatArray:
        p = self.proportions[:, None]
        share = shrink((mean * mean / p).sum(axis=2), noise[..., 0], p.shape[2] - 1)
        q = np.maximum(p + share[..., None] * mean, 0.05 * p)
        return np.asarray(np.log(q / q.sum(axis=2, keepdims=True) / p))

    def _grown(self, mean: FloatArray, noise: FloatArray) -> npt.NDArray[np.bool_]:
        bound = GROWTH * np.sqrt(np.maximum(self.proportions, 1 / self.size[:, None])[:, None] * noise)
        return np.asarray((mean > bound)[:, 1:].all(axis=1))
