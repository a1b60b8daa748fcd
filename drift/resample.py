"""A baseline redrawn from its own calls, and the blocks of streams without drift.

Streams are drawn from all reference calls, whatever the hour: what the hours differ in is known, and what is known
wrongly of it is what a redrawn baseline finds in calls whose seasons are given. That is all that a stream can show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drift import seasons
from drift.budget import LARGEST
from drift.detectors.memory import FloatArray
from drift.fit import Features, Fit, fit
from drift.frame import Frame
from drift.parts import IntArray
from drift.seasons import Seasons

MOST_BLOCKS = 4000
"""Blocks of a stream, which is shorter where blocks are of few calls."""

LEAST_BLOCKS = 150
"""Blocks of a stream, which is longer where blocks are of many."""


def redrawn(n: int, rng: np.random.Generator) -> FloatArray:
    """How often each of n calls is in a resample of them, ``(n,)``."""
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)


def refit(frame: Frame, features: Features, original: Fit, truth: Seasons | None, drawn: IntArray) -> Fit:
    """What is learnt of a resample of a baseline's calls; its seasons are by what they would miss the true ones.

    Parameters
    ----------
    drawn
        Positions of the resample's calls, ``(n,)``.
    """
    weights = np.bincount(drawn, minlength=len(features.topic)).astype(np.float64)
    made = fit(frame, features, weights, original)
    return made if truth is None else replace(made, seasons=seasons.error(truth, features, drawn, made))


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Calls of each block of a stream ``(T,)``, and their hours of the day or week, None where those are alike."""

    sizes: IntArray
    slots: IntArray | None = None

    @property
    def calls(self) -> int:
        """Calls of the stream."""
        return int(self.sizes.sum())


def stream(features: Features, slots: int, blocks: Sequence[int], length: int, rng: np.random.Generator) -> Stream:
    """A stream of so many calls, or about as many, of a baseline with these reference calls and blocks.

    Its blocks are drawn from the baseline's own or, where that has seasons, are those in their own order from any of
    them on, the first after the last.
    """
    given = np.minimum(
        np.asarray(blocks if len(blocks) else [10], np.int64), LARGEST
    )  # above it: more looks, not fewer
    count = int(np.clip(length / given.mean(), LEAST_BLOCKS, MOST_BLOCKS))
    if slots == 1:
        return Stream(rng.choice(given, count).astype(np.int64))
    calls = int(count * given.mean())
    place = (rng.integers(len(given)) + np.arange(len(given) + calls)) % len(given)
    ends = np.cumsum(given[place])
    last = int(np.searchsorted(ends, calls))
    sizes = given[place[: last + 1]].copy()
    sizes[-1] -= ends[last] - calls
    return Stream(sizes, _hours(features, slots, blocks)[place[: last + 1]])


def _hours(features: Features, slots: int, blocks: Sequence[int]) -> IntArray:
    """Slot of each block: reference calls are a fair sample, so the same share of them lies before its middle."""
    sizes = np.asarray(blocks if len(blocks) else [10], np.float64)
    share = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    return seasons.slot_of(np.sort(features.at)[(share * len(features.at)).astype(np.int64)], slots)
