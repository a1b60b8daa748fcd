"""Bernoulli grid e-SR: has the rate of a flag changed?

A Shiryaev-Roberts e-detector for each of seven fixed ratios of the baseline's rate, averaged. Its guaranteed threshold
needs no simulation: log A promises at least A calls between false alarms (Shin, Ramdas, Rinaldo 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drift.detectors.memory import FloatArray, IntArray

RATIOS = np.array([0.25, 0.5, 0.7, 1.4, 2.0, 3.0, 5.0])
GROWTH = np.array([1.15, 1.3, 1.5, 2.0, 3.0, 5.0])
"""Ratios of a rate of which only growth is news; it is rather common, so that small ones are worth a bet."""

LEAST_SHARE = 0.05
"""Of a rate, and of its complement: no hour of the day has less, however few of its calls were seen."""


@dataclass(frozen=True)
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
    offsets, errors
        Of each hour of the day or week: its rate less that of all calls, and what the standard error gains by that,
        ``(S,)``; empty where hours are alike.
    """

    flagged: int
    size: int
    least: float = 0.0
    rising: bool = False
    offsets: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()

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

    @cached_property
    def by_slot(self) -> FloatArray:
        """The rate of each slot, ``(S,)``; S is 1 where hours are alike."""
        if not self.offsets:
            return np.array([self.rate])
        lowest, highest = LEAST_SHARE * self.rate, 1 - LEAST_SHARE * (1 - self.rate)
        return np.clip(self.rate + np.array(self.offsets), max(lowest, self.least), highest)

    @cached_property
    def _error(self) -> FloatArray:
        """Standard error of each slot's rate, ``(S, 1)``."""
        rate = self.by_slot[:, None]
        return np.asarray(np.hypot(np.sqrt(rate * (1 - rate) / self.size), np.array(self.errors or (0.0,))[:, None]))

    @cached_property
    def _worth(self) -> tuple[FloatArray, FloatArray]:
        """What a flagged call and another one win in each slot for each ratio, nats, ``(S, ratios)``."""
        error, ratios = self._error, self.ratios
        null = np.clip(self.by_slot[:, None] + np.where(ratios > 1, error, -error), 1e-7, 1 - 1e-7)
        other = np.minimum(null * ratios, 1 - (1 - null) / 100)
        return np.log(other / null), np.log((1 - other) / (1 - null))

    @cached_property
    def _vain(self) -> npt.NDArray[np.bool_]:
        """Ratios not to bet on in a slot: a rate that may be zero cannot fall, one that may be all cannot rise.

        Evidence would grow by the clock.
        """
        rate = self.by_slot[:, None]
        return np.where(self.ratios < 1, rate, 1 - rate) <= self._error

    @cached_property
    def _at_all_hours(self) -> Rate:
        return replace(self, offsets=(), errors=())

    def update(
        self, state: FloatArray, flagged: float, n: float, weight: float, slot: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Evidence after one block of ``n`` calls, and its mean over ratios, natural log.

        Of many streams side by side if the state is ``(streams, ratios)`` and flagged calls are ``(streams, 1)``. The
        block is of a slot; where it is not given it is compared with all hours.
        """
        if slot is None and self.offsets:
            return self._at_all_hours.update(state, flagged, n, weight)
        if n == 0:
            return state, _mean(state)
        hit, miss, vain = (part[slot or 0 if self.offsets else 0] for part in (*self._worth, self._vain))
        gain = flagged * hit + (n - flagged) * miss
        state = np.where(vain, state, np.logaddexp(state, np.log(max(weight, 1e-12))) + gain)
        return state, _mean(state)


def courses(
    rates: Sequence[Rate], flagged: FloatArray, n: FloatArray, weight: FloatArray, slot: IntArray | None = None
) -> FloatArray:
    """Evidence of R detectors of one rate after each of T blocks, natural log, shape ``(T, R)``.

    The same as ``Rate.update`` block by block.

    Parameters
    ----------
    flagged, n
        Flagged calls and all that might be, ``(T, R)``.
    weight
        What each block uses up of the budget, ``(T,)``.
    slot
        Slot of each block, ``(T,)``; where it is not given hours are taken to be alike.
    """
    if slot is None:
        rates = [replace(one, offsets=(), errors=()) for one in rates]
    slots = max(len(one.by_slot) for one in rates)
    hit, miss, vain = (
        np.stack([np.broadcast_to(part, (slots, part.shape[1])) for part in parts], axis=1)
        for parts in zip(*((*one._worth, one._vain) for one in rates), strict=True)
    )
    state = np.stack([one.start() for one in rates])
    course = np.empty(n.shape)
    for t, floor in enumerate(np.log(np.maximum(weight, 1e-12))):
        at = int(slot[t]) if slot is not None and slots > 1 else 0
        gain = flagged[t][:, None] * hit[at] + (n[t] - flagged[t])[:, None] * miss[at]
        after = np.where(vain[at], state, np.logaddexp(state, floor) + gain)
        state = np.where(n[t][:, None] > 0, after, state)
        course[t] = _mean(state)
    return course


def _mean(state: FloatArray) -> FloatArray:
    """Log of the mean evidence over the last axis; minus infinity where no ratio can be bet on."""
    top = np.maximum(state.max(axis=-1), -1e300)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(state - top[..., None]).mean(axis=-1)))
