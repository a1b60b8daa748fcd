"""Bernoulli grid e-SR: has the rate of a flag changed?

A Shiryaev-Roberts e-detector for each of seven fixed ratios of the baseline's rate, averaged. Its guaranteed threshold
needs no simulation: log A promises at least A calls between false alarms (Shin, Ramdas, Rinaldo 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift.detectors.memory import FloatArray

RATIOS = np.array([0.25, 0.5, 0.7, 1.4, 2.0, 3.0, 5.0])


@dataclass(frozen=True, slots=True)
class Rate:
    """Bets on a rate that has become one of seven multiples of the baseline's.

    Parameters
    ----------
    flagged, size
        Calls of the baseline with the flag, and all of them. The baseline's rate is given one standard error of slack
        either way.
    """

    flagged: int
    size: int

    @property
    def rate(self) -> float:
        """The baseline's rate, half a call added so that it is never zero."""
        return (self.flagged + 0.5) / (self.size + 1)

    def start(self) -> FloatArray:
        """Evidence for each ratio, natural log."""
        return np.full(len(RATIOS), -np.inf)

    def update(self, state: FloatArray, flagged: float, n: float, weight: float) -> tuple[FloatArray, float]:
        """Evidence after one block of ``n`` calls, and its mean over ratios, natural log."""
        if n == 0:
            return state, -np.inf if np.isneginf(state).all() else _mean(state)
        error = np.sqrt(self.rate * (1 - self.rate) / self.size)
        null = np.clip(self.rate + np.where(RATIOS > 1, error, -error), 1e-7, 1 - 1e-7)
        other = np.minimum(null * RATIOS, 1 - (1 - null) / 100)
        gain = flagged * np.log(other / null) + (n - flagged) * np.log((1 - other) / (1 - null))
        # A rate that may be zero cannot fall, one that may be all cannot rise: evidence would grow by the clock.
        vain = np.where(RATIOS < 1, self.rate, 1 - self.rate) <= error
        state = np.where(vain, -np.inf, np.logaddexp(state, np.log(max(weight, 1e-12))) + gain)
        return state, _mean(state)


def _mean(state: FloatArray) -> float:
    top = state.max()
    return float(top + np.log(np.exp(state - top).mean()))
