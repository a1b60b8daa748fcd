"""What a peer is: a detector that learns from a baseline and says a statistic as a stream goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.kinds.courses import Course, FloatArray
from benchmarks.quality.matching import TICK, statistic_course

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """What calls are: a kind of family, and behind each row its embedding and its text; values are their own."""

    kind: str
    vectors: npt.NDArray[np.float32] | None
    texts: Sequence[str] | None

    def values(self, calls: IntArray) -> npt.NDArray[np.floating]:
        """Embeddings ``(n, 256)``, or values ``(n,)``."""
        return calls.astype(np.float64) if self.vectors is None else self.vectors[calls]

    def scalars(self, calls: IntArray) -> FloatArray:
        """Logarithms of lengths, flags as they are."""
        values = calls.astype(np.float64)
        return np.log(values) if self.kind == "lengths" else values

    def words(self, calls: IntArray) -> list[str]:
        """Texts of calls."""
        assert self.texts is not None, f"{self.kind} has no texts"
        return [self.texts[call] for call in calls]


Statistic = Iterator[float]
"""A value after every so many calls."""

Watch = Callable[[IntArray, float], Course]
"""Statistic of a stream; it may end where the statistic has reached the second argument."""


@dataclass(frozen=True)
class Peer:
    """A detector beside Driftline.

    ``calm`` and ``changed`` say how many streams a seed it is given, ``lead`` how many calls before the change: fewer
    than all where it is dear and remembers no more than its window. ``families`` are the only ones it is given.
    """

    name: str
    fit: Callable[[Data, IntArray], Watch]
    kinds: tuple[str, ...]
    default: float | None = None
    every: int = TICK
    seeds: int = 10
    calm: int = 6
    changed: int = 4
    lead: int = 2000
    families: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("numpy", "scipy")


def whole(made: FloatArray, window: int) -> Course:
    """Course of a statistic whose first value stands after a whole window."""
    return statistic_course(made, TICK, window - TICK)


def stepwise(steps: Iterator[float], stop: float, every: int, first: int = 0) -> Course:
    """Course of a statistic that is dear, read until it reaches ``stop``."""
    seen = []
    for value in steps:
        seen.append(value)
        if value >= stop:
            break
    return statistic_course(seen, every, first)


def windows(calls: IntArray, size: int, every: int) -> Iterator[IntArray]:
    """Each window of so many calls that is looked at."""
    return (calls[end - size : end] for end in range(size, len(calls) + 1, every))


def ticks(values: npt.NDArray[np.floating]) -> Iterator[npt.NDArray[np.floating]]:
    """Values of each tick."""
    return (values[low:high] for low, high in pairwise(range(0, len(values) + 1, TICK)))
