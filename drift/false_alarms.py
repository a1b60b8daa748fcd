"""The A/A check: how often detectors alarm where nothing drifts, beside how often they may.

Streams without drift are judged by baselines redrawn from the same calls, with random numbers that calibration never
saw. A run ends with its first alarm or with its last call; its calls until then are its exposure, so that runs without
an alarm count for what they show. Evidence alone decides: the tolerance and what is held back only make alarms rarer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.stats

from drift.baseline import Baseline
from drift.detectors.memory import FloatArray
from drift.fit import Features
from drift.parts import IntArray
from drift.trials import first_alarm, replicas, stream_blocks, unchanged, weights

WANTED = 20
"""Alarms that a check should expect at the promised rate."""

TELLING = 6.0
"""Alarms expected at the promised rate from which twice as many would be told, as often as not."""

SHORTEST, LONGEST = 10_000, 40_000
"""Calls of a run: long enough to meet what a finite baseline gets wrong, short enough to be waited for."""

AFFORDABLE = 4_000_000
"""Calls of all orders of held-back calls together: as many as by resampling."""

NEIGHBOURS = 100
"""Consecutive calls that stay together where held-back calls are put in another order."""

_TOGETHER = 20
_SALT = 0xAA
"""Beside the seed, so that no seed gives the streams of the calibration."""

Answer = Literal["kept", "broken", "not_enough_exposure"]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """Alarms in so many calls, beside one promised every ``promise`` calls."""

    alarms: int
    exposure: float
    promise: float

    @property
    def calls_per_alarm(self) -> float:
        """Calls between alarms, infinite where there was none."""
        return self.exposure / self.alarms if self.alarms else np.inf

    @property
    def expected(self) -> float:
        """Alarms that the promise allows in these calls."""
        return self.exposure / self.promise

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the calls between alarms, which come as a Poisson process.

        References
        ----------
        Garwood (1936), Fiducial limits for the Poisson distribution.
        """
        few = scipy.stats.chi2.ppf(0.025, 2 * self.alarms) / 2 if self.alarms else 0.0
        many = scipy.stats.chi2.ppf(0.975, 2 * self.alarms + 2) / 2
        return float(self.exposure / many), float(self.exposure / few) if few else np.inf

    @property
    def answer(self) -> Answer:
        """Broken where the whole interval lies below the promise; kept where a breach by half would have shown."""
        if self.interval[1] < self.promise:
            return "broken"
        return "kept" if self.expected >= TELLING or self.interval[0] > self.promise else "not_enough_exposure"


@dataclass(frozen=True, slots=True, eq=False)
class RunLengths:
    """Calls until the first alarm of each detector in each run ``(R,)``, infinite without one, and the runs' calls."""

    first: Mapping[str, FloatArray]
    length: FloatArray

    @property
    def family(self) -> FloatArray:
        """Calls until the first alarm of any detector, ``(R,)``."""
        return np.asarray(np.min(list(self.first.values()), axis=0))

    def tally(self, promise: float, detector: str | None = None) -> Tally:
        """Alarms and exposure of all detectors together, or of one alone."""
        first = self.family if detector is None else self.first[detector]
        return Tally(int(np.isfinite(first).sum()), float(np.minimum(first, self.length).sum()), promise)

    def survival(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Calls and the share of runs without an alarm until then, with its 95 % band; runs that ended are censored.

        Before the first alarm and where none is left nothing bounds the band: it is not a number there.
        """
        seen = np.isfinite(self.family)
        runs = scipy.stats.CensoredData(self.family[seen], right=self.length[~seen])
        found: Any = scipy.stats.ecdf(runs).sf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            band = found.confidence_interval(method="log-log")
        return found.quantiles, found.probabilities, band.low.probabilities, band.high.probabilities


def run_length(promise: float, runs: int) -> int:
    """Calls of each of so many runs that ``WANTED`` alarms are to be expected of, as far as is affordable."""
    return int(np.clip(WANTED * promise / runs, SHORTEST, LONGEST))


def orders(calls: int, runs: int) -> int:
    """Orders of so many held-back calls that are affordable, ten at least and no more than ``runs``."""
    return min(max(AFFORDABLE // max(calls, 1), 10), runs)


def own_alarm_every(thresholds: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How often each detector may alarm by its guaranteed threshold, in calls: its share of the budget."""
    return {name: float(np.exp(sure)) for name, (_, sure) in thresholds.items()}


def calibrating(baseline: Baseline, thresholds: Mapping[str, float]) -> RunLengths | None:
    """Run lengths of calibration's own runs at these thresholds; None where a baseline was not calibrated.

    The runs have set the thresholds, so they flatter: new ones are a check.
    """
    made = baseline.calibration
    if made is None:
        return None
    first = {name: record.first(thresholds[name], made.runs) for name, record in made.records.items()}
    return RunLengths(first, np.full(made.runs, made.length))


def resampled(
    baseline: Baseline,
    thresholds: Sequence[Mapping[str, float]],
    *,
    runs: int,
    length: int,
    seed: int = 0,
    progress: Progress = lambda done: None,
) -> list[RunLengths]:
    """Run lengths under each of some sets of thresholds, the same streams under all of them.

    Parameters
    ----------
    length
        Calls of a run, fewer where blocks are of few calls.
    """
    rng = np.random.default_rng([seed, _SALT])
    made: list[list[RunLengths]] = [[] for _ in thresholds]
    for low in range(0, runs, _TOGETHER):
        count = min(_TOGETHER, runs - low)
        sizes = stream_blocks(baseline, length, rng)
        judges = replicas(baseline, baseline.features, sizes, weights(baseline, count, rng))
        courses = judges.courses(rng.integers(0, len(baseline.features.topic), (count, int(sizes.sum()))))
        for found, wanted in zip(made, thresholds, strict=True):
            found.append(_run_lengths(courses, wanted, judges.clock))
        progress((low + count) / runs)
    return [_together(parts) for parts in made]


def reordered(
    baseline: Baseline,
    calls: Features,
    sizes: IntArray,
    thresholds: Mapping[str, float],
    *,
    runs: int,
    seed: int = 0,
    progress: Progress = lambda done: None,
) -> RunLengths:
    """Run lengths of held-back calls in other orders, judged by the baseline as it is.

    Runs of ``NEIGHBOURS`` consecutive calls are shuffled: every order holds the same calls. Drawn with replacement they
    would differ from the baseline by their own sampling error once more, and alarm.

    Parameters
    ----------
    calls
        In the order in which they came.
    sizes
        Calls of their blocks, ``(T,)``, no more than there are in all.
    """
    rng = np.random.default_rng([seed, _SALT, 1])
    total, parts = int(sizes.sum()), list[RunLengths]()
    together = np.array_split(np.arange(total), max(round(total / NEIGHBOURS), 1))
    for low in range(0, runs, _TOGETHER):
        count = min(_TOGETHER, runs - low)
        orders = [rng.permutation(len(together)) for _ in range(count)]
        drawn = np.stack([np.concatenate([together[i] for i in order]) for order in orders])
        judges = unchanged(baseline, calls, sizes, count)
        parts.append(_run_lengths(judges.courses(drawn), thresholds, judges.clock))
        progress((low + count) / runs)
    return _together(parts)


def _run_lengths(courses: Mapping[str, FloatArray], thresholds: Mapping[str, float], clock: FloatArray) -> RunLengths:
    first = {name: first_alarm(course, thresholds[name], clock) for name, course in courses.items()}
    return RunLengths(first, np.full(next(iter(courses.values())).shape[1], clock[-1]))


def _together(parts: Sequence[RunLengths]) -> RunLengths:
    first = {name: np.concatenate([part.first[name] for part in parts]) for name in parts[0].first}
    return RunLengths(first, np.concatenate([part.length for part in parts]))
