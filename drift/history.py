"""The recent past of a segment in bounded space: sums of blocks, finer the younger they are.

Nine blocks as they came, then nine pairs, nine fours and so on: enough to date a change and to say what it was. At most
63 buckets of some 200 sums: 50 KB, and as much again for each value of a declared field, of which there are at most 24.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drift.detectors.memory import FloatArray

A_LEVEL = 9
LEVELS = 7


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Buckets, oldest first.

    Parameters
    ----------
    sums
        What each adds up, shape ``(buckets, width)``; whole numbers or feature sums, float32.
    calls
        Calls of the segment judged before each bucket began, ``(buckets,)``.
    span
        Event times of start and end, ``(buckets, 2)``.
    level
        A bucket of level l holds 2**l blocks.
    """

    sums: npt.NDArray[np.float32]
    calls: npt.NDArray[np.int64]
    span: npt.NDArray[np.int64]
    level: npt.NDArray[np.int8]

    @classmethod
    def start(cls, width: int) -> History:
        """No past."""
        empty = np.zeros(0, np.int64)
        return cls(np.zeros((0, width), np.float32), empty, np.zeros((0, 2), np.int64), np.zeros(0, np.int8))

    def push(self, sums: FloatArray, calls: int, span: tuple[int, int]) -> History:
        """The past with one more block, older ones joined so that it stays bounded."""
        grown = History(
            np.concatenate([self.sums, sums[None].astype(np.float32)]),
            np.append(self.calls, calls),
            np.concatenate([self.span, [span]]),
            np.append(self.level, np.int8(0)),
        )
        for level in range(LEVELS):
            there = np.flatnonzero(grown.level == level)
            if len(there) <= A_LEVEL:
                break
            grown = grown._join(there[0]) if level < LEVELS - 1 else grown._from(1)
        return grown

    def _join(self, first: int) -> History:
        sums, span, level = self.sums.copy(), self.span.copy(), self.level.copy()
        sums[first] += sums[first + 1]
        span[first, 1] = span[first + 1, 1]
        level[first] += 1
        keep = np.arange(len(sums)) != first + 1
        return History(sums[keep], self.calls[keep], span[keep], level[keep])

    def _from(self, first: int) -> History:
        return History(self.sums[first:], self.calls[first:], self.span[first:], self.level[first:])

    def since(self, bucket: int) -> FloatArray:
        """Sum of the buckets from this one on."""
        return np.asarray(self.sums[bucket:].sum(axis=0, dtype=np.float64))

    def reaching(self, calls: int, now: int) -> int:
        """The youngest bucket from which on at least ``calls`` calls lie before ``now``, the oldest if none."""
        reached = np.flatnonzero(self.calls <= now - calls)
        return int(reached[-1]) if len(reached) else 0
