"""Calls in order of time, cut into blocks that may trade places where nothing drifts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drift.distances.checked import FloatArray, IntArray

Cycle = Literal["", "day", "week"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

DAILY, WEEKLY = 2, 14
"""Days from which calls are compared at equal hours of day, and at equal hours of the week."""

BLOCKS, CALLS_A_BLOCK = (8, 64), 25
"""Fewest and most blocks without a cycle, and the calls of one: a session or a burst should fit into it."""

CYCLIC_BLOCKS = 700
"""Blocks with a cycle, at most about: hours are taken together until there are as few."""

SPLITS = np.linspace(0.1, 0.9, 33)
"""Shares of the calls at which a change is looked for, the half among them."""

_DRAWS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Blocks of time and the places where a change is looked for.

    Attributes
    ----------
    block
        Block of each call, in order of time, shape ``(n,)``.
    stratum
        Hour of the day or week of each block, shape ``(blocks,)``: blocks trade places inside it.
    splits
        First block of the later side, rising, shape ``(splits,)``.
    half
        Which of the splits is nearest to half of the calls.
    cycle
        What is held fixed: the hour of the day, of the week, or nothing.
    """

    block: IntArray
    stratum: IntArray
    splits: IntArray
    half: int
    cycle: Cycle

    @classmethod
    def of(cls, at: IntArray) -> Timeline:
        """Timeline of calls at these event times, in milliseconds and in order."""
        days = float(at[-1] - at[0]) / DAY_MS
        cycle: Cycle = "week" if days >= WEEKLY else "day" if days >= DAILY else ""
        block, stratum = _hours(at, days, cycle) if cycle else _equal(len(at))
        before = np.cumsum(np.bincount(block))[:-1]  # calls before blocks 1, 2, ...
        splits = np.unique(1 + np.abs(before[:, None] - SPLITS * len(at)).argmin(axis=0))
        half = int(np.abs(before[splits - 1] - len(at) / 2).argmin())
        return cls(block, stratum, splits, half, cycle)

    @property
    def strata(self) -> int:
        """Hours that are told apart, 1 where none are."""
        return int(self.stratum.max()) + 1

    @property
    def later(self) -> FloatArray:
        """1 for the calls of the later side of each split, shape ``(n, splits)``."""
        return (self.block[:, None] >= self.splits).astype(np.float64)

    def after(self, sums: FloatArray) -> FloatArray:
        """Sums over the later side of each split, ``(..., splits, d)``, from those of blocks ``(..., blocks, d)``."""
        between = np.add.reduceat(sums, self.splits, axis=-2)
        return np.asarray(between[..., ::-1, :].cumsum(axis=-2)[..., ::-1, :])

    def permuted(self, draws: int, rng: np.random.Generator) -> Iterator[IntArray]:
        """Yield blocks in random order inside their strata, ``(some draws, blocks)``."""
        order = np.argsort(self.stratum, kind="stable")
        for start in range(0, draws, _DRAWS_AT_ONCE):
            keys = self.stratum + rng.random((min(_DRAWS_AT_ONCE, draws - start), len(self.stratum)))
            shuffled = np.empty(keys.shape, np.int64)
            shuffled[:, order] = np.argsort(keys, axis=1)
            yield shuffled


def _equal(n: int) -> tuple[IntArray, IntArray]:
    """Blocks of equally many calls."""
    blocks = int(np.clip(n // CALLS_A_BLOCK, *BLOCKS))
    return np.arange(n) * blocks // n, np.zeros(blocks, np.int64)


def _hours(at: IntArray, days: float, cycle: Cycle) -> tuple[IntArray, IntArray]:
    """Blocks of an hour, or of a few where there are many days, numbered by hour of the day or week (UTC)."""
    widest = math.ceil(days * 24 / CYCLIC_BLOCKS)
    width = next(hours for hours in (1, 2, 3, 4, 6, 8, 12, 24) if hours >= widest or hours == 24)
    period = 24 // width * (7 if cycle == "week" else 1)
    hour, block = np.unique(at // (width * HOUR_MS), return_inverse=True)
    return block, np.unique(hour % period, return_inverse=True)[1].astype(np.int64)
