"""Bernoulli grid e-SR: has the rate of a flag changed?

A Shiryaev-Roberts e-detector for each of seven fixed ratios of the baseline's rate, averaged. Its guaranteed threshold
needs no simulation: log A promises at least A calls between false alarms (Shin, Ramdas, Rinaldo 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drift.detectors.memory import FloatArray

RATIOS = np.array([0.25, 0.5, 0.7, 1.4, 2.0, 3.0, 5.0])
GROWTH = np.array([1.15, 1.3, 1.5, 2.0, 3.0, 5.0])
"""Ratios of a rate of which only growth is news; it is rather common, so that small ones are worth a bet."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Bets on a rate that has become one of some multiples of the baseline's.

    Parameters
    ----------
    flagged, size
        Calls of the baseline with the flag, and all of them. The baseline's rate is given one standard error of slack
        either way.
    least
        The baseline's rate is taken to be no smaller than this.
    rising
        Only growth is news.
    """

    flagged: int
    size: int
    least: float = 0.0
    rising: bool = False

    @property
    def rate(self) -> float:
        """The baseline's rate, half a call added so that it is never zero."""
        return max((self.flagged + 0.5) / (self.size + 1), self.least)

    @property
    def ratios(self) -> FloatArray:
        """Multiples of the rate that are bet on."""
        return GROWTH if self.rising else RATIOS

    def start(self) -> FloatArray:
        """Evidence for each ratio, natural log."""
        return np.full(len(self.ratios), -np.inf)

    def update(self, state: FloatArray, flagged: float, n: float, weight: float) -> tuple[FloatArray, float]:
        """Evidence after one block of ``n`` calls, and its mean over ratios, natural log."""
        if n == 0:
            return state, _mean(state)
        error, ratios = np.sqrt(self.rate * (1 - self.rate) / self.size), self.ratios
        null = np.clip(self.rate + np.where(ratios > 1, error, -error), 1e-7, 1 - 1e-7)
        other = np.minimum(null * ratios, 1 - (1 - null) / 100)
        gain = flagged * np.log(other / null) + (n - flagged) * np.log((1 - other) / (1 - null))
        # A rate that may be zero cannot fall, one that may be all cannot rise: evidence would grow by the clock.
        vain = np.where(ratios < 1, self.rate, 1 - self.rate) <= error
        state = np.where(vain, -np.inf, np.logaddexp(state, np.log(max(weight, 1e-12))) + gain)
        return state, _mean(state)


def _mean(state: FloatArray) -> float:
    top = state.max()
    if np.isneginf(top):  # no ratio can be bet on
        return -np.inf
    return float(top + np.log(np.exp(state - top).mean()))
