"""A series before there is a baseline: an adaptive window compares its later part with its earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite

import numpy as np
from river.drift import ADWIN

from drift.detectors.memory import FloatArray
from drift.errors import EmptySampleError, ShapeError

DELTA = 0.002
"""Of logs of lengths and times; of 1,000 steady fills of 3,000 calls none alarmed (docs/decisions/0017)."""

RARE_DELTA = 0.05
"""Of rare calls, whose bound is loose: at .002 an error rate that rose tenfold early was mostly missed."""

MIN_SAMPLES = 100
"""Values before any alarm."""

MIN_SIDE = 30
"""Values on either side that the window compares: fewer show the tail of their distribution rather than their mean."""

MIN_PART = 10
"""Values on either side once it is known that something changed, and only the place is looked for."""


@dataclass(frozen=True, slots=True)
class Window:
    """A series so far: River's adaptive window [1]_, and how many values it was given.

    It is a value: ``update`` works on a copy. Its size grows with the logarithm of the values in it.

    References
    ----------
    .. [1] Bifet and Gavaldà (2007), Learning from Time-Changing Data with Adaptive Windowing.
    """

    adwin: ADWIN
    seen: int = 0

    @classmethod
    def start(cls, delta: float = DELTA) -> Window:
        """Nothing seen; ``delta`` bounds the chance of a false alarm at each look, between 0 and 1."""
        return cls(ADWIN(delta=delta, grace_period=MIN_SAMPLES, min_window_length=MIN_SIDE))

    def update(self, values: Iterable[float]) -> tuple[Window, list[tuple[int, int]]]:
        """The series with more values, in order, and the stretches of it that changed inside.

        Returns
        -------
        Window
            After an alarm the window begins anew, with the next value: what is found later is a further change.
        list of (int, int)
            Of each alarm the first value of its window and the one behind its last, counted from the series' start.

        Raises
        ------
        ShapeError
            A value is not finite: it would silence the window for good.
        """
        adwin, seen, changed = deepcopy(self.adwin), self.seen, []
        for value in values:
            if not isfinite(value):
                raise ShapeError(f"values must be finite, got {value}")
            held = 0 if adwin.drift_detected else int(adwin.width)
            adwin.update(value)
            seen += 1
            if adwin.drift_detected:
                changed.append((seen - 1 - held, seen))
        return Window(adwin, seen), changed


@dataclass(frozen=True, slots=True)
class Cut:
    """Two parts of a series: values in each, and their means in the values' unit."""

    samples_before: int
    samples: int
    before: float
    now: float


def split(values: FloatArray) -> Cut:
    """The parts ``(n,)`` values fall into: those whose means differ most for their sizes, by least squares.

    The window's own cut is too early: it gives up its oldest values until the rest agree, not at the change.

    Raises
    ------
    EmptySampleError
        There are fewer than `MIN_PART` values for each part.
    """
    n = len(values)
    if n < 2 * MIN_PART:
        raise EmptySampleError(f"values must be at least {2 * MIN_PART}, got {n}")
    sizes = np.arange(MIN_PART, n - MIN_PART + 1)
    sums = np.cumsum(values)
    before, now = sums[sizes - 1] / sizes, (sums[-1] - sums[sizes - 1]) / (n - sizes)
    best = int(np.argmax((now - before) ** 2 * sizes * (n - sizes)))
    size = int(sizes[best])
    return Cut(size, n - size, float(before[best]), float(now[best]))
