"""Detectors at one realised run length: thresholds from streams without a change, delays on streams with one.

Needs numpy alone, for the peers' environment imports it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.kinds.courses import Course, FloatArray
from benchmarks.kinds.courses import threshold as lowest

BEFORE, HORIZON = 2000, 8000
LENGTH = BEFORE + HORIZON
TICK = 10
"""Calls between two checks, unless a detector says otherwise."""

RUN_LENGTH = 10_000.0
"""Calls to a false alarm at which detectors are compared."""


@dataclass(frozen=True)
class Run:
    """A stream through a detector learnt from a seed's baseline: the record highs of its statistic."""

    seed: int
    stream: int
    course: Course


@dataclass(frozen=True)
class Courses:
    """A detector over a family: streams of ``LENGTH`` calls without a change, and by case streams with one.

    ``default`` is the threshold that its documentation gives or computes, ``None`` where there is none.
    """

    detector: str
    calm: Sequence[Run]
    changed: Mapping[str, Sequence[Run]]
    default: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alarms:
    """Alarms of streams without a change, each read to its first one, and calls read."""

    count: int
    calls: float

    @property
    def run_length(self) -> float:
        """Calls to an alarm, infinite without any."""
        return self.calls / self.count if self.count else np.inf


@dataclass(frozen=True)
class Delays:
    """Calls from change to alarm, a miss counting as the horizon, of runs without an alarm before the change."""

    calls: FloatArray
    missed: int
    discarded: int

    @property
    def mean(self) -> float:
        """Mean delay, NaN of none."""
        return float(self.calls.mean()) if len(self.calls) else np.nan

    @property
    def error(self) -> float:
        """Standard error of the mean, NaN of fewer than two."""
        return float(self.calls.std(ddof=1) / np.sqrt(len(self.calls))) if len(self.calls) > 1 else np.nan


def statistic_course(statistic: Sequence[float] | FloatArray, every: int = TICK, first: int = 0) -> Course:
    """Record highs of a statistic that was looked at every so many calls, from call ``first`` of its stream on."""
    made = Course.of(statistic, every)
    return Course(made.at + first, made.height)


def threshold(calm: Sequence[Run], run_length: float = RUN_LENGTH) -> float:
    """Lowest threshold at which streams without a change hold at most one alarm in so many calls."""
    return lowest([run.course for run in calm], run_length, LENGTH)


def false_alarms(calm: Sequence[Run], at: float) -> Alarms:
    """First alarms of streams without a change at a threshold."""
    first = np.array([run.course.passes(at) for run in calm])
    return Alarms(int(np.isfinite(first).sum()), float(np.minimum(first, LENGTH).sum()))


def delays(runs: Sequence[Run], at: float) -> Delays:
    """Delays at a threshold."""
    first = np.array([run.course.passes(at) for run in runs])
    after = first[first > BEFORE] - BEFORE
    return Delays(np.minimum(after, HORIZON), int((after > HORIZON).sum()), int((first <= BEFORE).sum()))


def blind(run_length: float = RUN_LENGTH) -> tuple[float, float]:
    """Mean delay and share missed of a detector that sees nothing and alarms at the same rate all the same.

    Its alarms are memoryless, so those discarded before the change leave no trace.

    Examples
    --------
    >>> [round(one, 2) for one in blind(8000 / np.log(2))]
    [5770.78, 0.5]
    """
    missed = np.exp(-HORIZON / run_length)
    return run_length * (1 - missed), missed
