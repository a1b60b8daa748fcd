"""River's detectors of change in a series. They learn from the stream itself: the baseline is played to them first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley

from benchmarks.kinds.courses import Course
from benchmarks.quality.matching import TICK, statistic_course
from benchmarks.quality.peers.base import Data, IntArray, Peer, Watch, stepwise, ticks

KINDS = ("lengths", "flags")
DELTAS = 0.002 * np.geomspace(1, 5000, 16)
"""ADWIN's significance, default .002. It is so cautious that values beyond 1 are needed to raise an alarm at all."""

LAMBDAS = 50 * np.geomspace(0.04, 10, 16)
"""Page–Hinkley's threshold, default 50."""

MEMORY = 500
"""Calls of the baseline that KSWIN is played: its window is 100."""


def over_a_grid(make: Callable[[float], Any], grid: Iterable[float], height: Callable[[float], float]) -> Any:
    """A detector whose knob must be set beforehand: the height of a check is the strictest setting that has alarmed.

    Alarms while the baseline is played are not counted; the detector starts anew at each, as River does.
    """

    def fit(data: Data, baseline: IntArray) -> Watch:
        before = data.scalars(baseline).tolist()

        def watch(calls: IntArray, _: float) -> Course:
            values = data.scalars(calls).tolist()
            statistic = np.full(len(values) // TICK, -np.inf)
            for knob in grid:
                first = alarmed(make(float(knob)), before, values)
                statistic[first // TICK :] = np.maximum(statistic[first // TICK :], height(float(knob)))
            return statistic_course(statistic)

        return watch

    return fit


def alarmed(detector: Any, before: list[float], values: list[float]) -> int:
    """Number of the value that raised the first alarm, their count where none did."""
    for value in before:
        detector.update(value)
    for number, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            return number
    return len(values)


def kswin(data: Data, baseline: IntArray) -> Watch:
    """KSWIN with its default windows: minus the logarithm of its p-value, at the end of each tick."""

    def watch(calls: IntArray, stop: float) -> Course:
        detector = KSWIN(alpha=0, window=data.scalars(baseline[-MEMORY:]).tolist(), seed=0)

        def smallest(tick: Iterable[float]) -> float:
            found = 1.0
            for value in tick:
                detector.update(value)
                found = min(found, detector.p_value or found)
            return float(-np.log10(found))

        return stepwise(map(smallest, ticks(data.scalars(calls))), stop, TICK)

    return watch


PEERS = (
    Peer(
        "River ADWIN",
        over_a_grid(lambda delta: ADWIN(delta=delta), DELTAS, lambda delta: -np.log10(delta)),
        KINDS,
        default=float(-np.log10(0.002)),
        calm=4,
        changed=2,
        packages=("river",),
    ),
    Peer(
        "River PageHinkley",
        over_a_grid(lambda most: PageHinkley(threshold=most), LAMBDAS, lambda most: most),
        KINDS,
        default=50.0,
        calm=4,
        changed=2,
        packages=("river",),
    ),
    Peer(
        "River KSWIN",
        kswin,
        KINDS,
        default=float(-np.log10(0.005)),
        seeds=5,
        calm=2,
        changed=1,
        lead=MEMORY,
        packages=("river",),
    ),
)
