"""Bernoulli grid e-SR: has the rate of a flag changed?

A Shiryaev-Roberts e-detector for each of seven fixed ratios of the baseline's rate, averaged. Its guaranteed threshold
needs no simulation: log A promises at least A calls between false alarms (Shin, Ramdas, Rinaldo 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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

    @property
    def _odds(self) -> tuple[FloatArray, FloatArray]:
        """Rates that are the baseline's and that are bet on, for each ratio."""
        error, ratios = self._error, self.ratios
        null = np.clip(self.rate + np.where(ratios > 1, error, -error), 1e-7, 1 - 1e-7)
        return null, np.minimum(null * ratios, 1 - (1 - null) / 100)

    @property
    def _error(self) -> float:
        return float(np.sqrt(self.rate * (1 - self.rate) / self.size))

    @property
    def _vain(self) -> npt.NDArray[np.bool_]:
        """Ratios not to bet on: a rate that may be zero cannot fall, one that may be all cannot rise.

        Evidence would grow by the clock.
        """
        return np.where(self.ratios < 1, self.rate, 1 - self.rate) <= self._error

    def update(self, state: FloatArray, flagged: float, n: float, weight: float) -> tuple[FloatArray, FloatArray]:
        """Evidence after one block of ``n`` calls, and its mean over ratios, natural log.

        Of many streams side by side if the state is ``(streams, ratios)`` and flagged calls are ``(streams, 1)``.
        """
        if n == 0:
            return state, _mean(state)
        null, other = self._odds
        gain = flagged * np.log(other / null) + (n - flagged) * np.log((1 - other) / (1 - null))
        state = np.where(self._vain, -np.inf, np.logaddexp(state, np.log(max(weight, 1e-12))) + gain)
        return state, _mean(state)


def courses(rates: Sequence[Rate], flagged: FloatArray, n: FloatArray, weight: FloatArray) -> FloatArray:
    """Evidence of R detectors of one rate after each of T blocks, natural log, shape ``(T, R)``.

    The same as ``Rate.update`` block by block.

    Parameters
    ----------
    flagged, n
        Flagged calls and all that might be, ``(T, R)``.
    weight
        What each block uses up of the budget, ``(T,)``.
    """
    null, other = (np.stack(part) for part in zip(*(one._odds for one in rates), strict=True))
    hit, miss = np.log(other / null), np.log((1 - other) / (1 - null))
    vain = np.stack([one._vain for one in rates])
    state = np.stack([one.start() for one in rates])
    course = np.empty(n.shape)
    for t, floor in enumerate(np.log(np.maximum(weight, 1e-12))):
        gain = flagged[t][:, None] * hit + (n[t] - flagged[t])[:, None] * miss
        after = np.where(vain, -np.inf, np.logaddexp(state, floor) + gain)
        state = np.where(n[t][:, None] > 0, after, state)
        course[t] = _mean(state)
    return course


def _mean(state: FloatArray) -> FloatArray:
    """Log of the mean evidence over the last axis; minus infinity where no ratio can be bet on."""
    top = np.maximum(state.max(axis=-1), -1e300)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(state - top[..., None]).mean(axis=-1)))
