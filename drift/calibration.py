"""Thresholds from a baseline and a false-alarm budget.

The baseline is redrawn from its own calls and everything that depends on it is fitted again, then a stream is drawn and
judged: so the error of a finite baseline is part of what is calibrated (Gandy, Kvaløy 2013, Guaranteed conditional
performance of control charts via bootstrap methods). Kept are the record highs of every run, from which the thresholds
of any budget follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from drift import codec, seasons
from drift.detectors.memory import FloatArray
from drift.fit import Features, fit, rates
from drift.frame import Frame
from drift.parts import IntArray
from drift.replicas import Replicas, recounted
from drift.resample import refit, stream

VERSION = 1
"""Raised when the same calls would have other record highs: what was kept is then made anew."""

RUNS = 100
LENGTH = 20_000
"""Calls of a run."""

MARGIN = 1.5
"""The target is raised by this factor: it lifts the tenth percentile over baselines above the promise."""

FARTHER, STEEPER = 10.0, 0.25
"""Beyond so many times the baseline's calls the target is raised further, by this power of how far it lies beyond.

Resamples keep the lens and the coordinates that were made of the baseline's own calls, and say nothing of what these
got wrong: from 10,000 to 100,000 calls the promise lost a factor of two with 1,000 calls, a quarter with 3,000.
"""

FEWEST = 400
"""Calls below which resampling says too little: thresholds are then the guaranteed ones."""

WELL_MEASURED = 12
"""Alarms from which a rate is read off the runs; beyond, a line in log run length is drawn through two such points."""

STEEP = 0.3
"""Least slope of that line, in nats of evidence a nat of run length: short runs may suggest a flatter one."""

_TOGETHER = 50


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Record highs of one detector over all runs: calls seen when each was set, and its height.

    They stand run by run, each later and higher than the one of its run before it.
    """

    run: IntArray
    at: FloatArray
    height: FloatArray

    def first(self, threshold: float, runs: int) -> FloatArray:
        """Calls until each run first reached the threshold, infinite where it never did, shape ``(runs,)``."""
        bounds = np.searchsorted(self.run, np.arange(runs + 1))
        low, high = bounds[:-1], bounds[1:]
        for _ in range(int((high - low).max(initial=0)).bit_length()):  # halves what is left of every run at once
            middle = (low + high) // 2
            below = self.height.take(middle, mode="clip") < threshold
            below &= low < high
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return np.where(low < bounds[1:], self.at.take(low, mode="clip"), np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What the runs showed: record highs of each detector, the runs' number and length in calls, which are of rates."""

    records: Mapping[str, Records]
    runs: int
    length: float
    rated: frozenset[str] = frozenset()

    def thresholds(self, calls: float, shares: Mapping[str, float]) -> dict[str, float]:
        """Thresholds at which all detectors together alarm once in ``calls`` calls.

        Each has its share of the alarms at first. Rates keep to it, and to no less than their guaranteed threshold: a
        resample says nothing of a flag that hardly ever was. What they leave of the budget, and what detectors save by
        alarming together, is given to the others. It is measured, never extrapolated: thresholds rise with the budget.
        """
        measured = min(calls, self.runs * self.length / WELL_MEASURED)
        near, alone = self._alone(measured, shares), self._alone(calls, shares)
        kept = [record.first(near[name], self.runs) for name, record in self.records.items() if name in self.rated]
        free = [name for name in self.records if name not in self.rated]
        saved = self._height([(self.records[name], near[name]) for name in free], measured, kept) if free else 0.0
        return {name: threshold + saved * (name in free) for name, threshold in alone.items()}

    def _alone(self, calls: float, shares: Mapping[str, float]) -> dict[str, float]:
        """Thresholds whose rates of alarm add up to the budget."""
        whole, found = sum(shares[name] for name in self.records), {}
        for name, record in self.records.items():
            every = calls * whole / shares[name]
            found[name] = self._solve([(record, 0.0)], every)
            if name in self.rated:
                found[name] = max(found[name], guaranteed(every, 1.0))
        return found

    def _solve(self, family: Sequence[tuple[Records, float]], calls: float) -> float:
        """Height above each member's own at which the family alarms once in ``calls``; beyond the runs, on a line."""
        exposure = self.runs * self.length
        if exposure / calls >= WELL_MEASURED:
            return self._height(family, calls)
        near, far = exposure / (3 * WELL_MEASURED), exposure / WELL_MEASURED
        low, high = self._height(family, near), self._height(family, far)
        slope = max((high - low) / np.log(far / near), STEEP)
        return float(high + slope * np.log(calls / far))

    def _height(
        self, family: Sequence[tuple[Records, float]], calls: float, others: Sequence[FloatArray] = ()
    ) -> float:
        """Height above each member's own at which these and ``others``, by their times, alarm once in ``calls``."""
        every = np.concatenate([record.height - above for record, above in family])
        low, high = float(every.min()), float(every.max()) + 1e-9
        for _ in range(40):
            middle = (low + high) / 2
            first = np.min([*others, *(record.first(above + middle, self.runs) for record, above in family)], axis=0)
            alarms = np.isfinite(first).sum()
            run_length = np.minimum(first, self.length).sum() / max(alarms, 1e-9)
            low, high = (middle, high) if run_length < calls else (low, middle)
        return high


def guaranteed(calls: float, share: float) -> float:
    """Threshold of an e-detector with this share of one false alarm in ``calls``, the baseline taken as exact."""
    return float(np.log(calls / share))


def calibrate(
    frame: Frame,
    features: Features,
    blocks: Sequence[int],
    *,
    runs: int = RUNS,
    length: int = LENGTH,
    seed: int = 0,
    progress: Callable[[float], None] = lambda done: None,
) -> Calibration:
    """Record highs of every detector on streams without drift, each under a baseline of its own.

    Parameters
    ----------
    blocks
        Calls in each of the baseline's own blocks: the streams have blocks like them.
    progress
        Told the share that is done.
    """
    rng = np.random.default_rng(seed)
    n = len(features.topic)
    original = fit(frame, features, np.ones(n))
    known = rates(features, original.scales)
    truth = seasons.learn(features, original.scales, original.proportions, frame.slots, likely=True)
    made = stream(features, frame.slots, blocks, length, rng)
    together = _TOGETHER if made.slots is None else _TOGETHER // 2  # each group begins at an hour of its own
    found: dict[str, list[tuple[IntArray, FloatArray, FloatArray]]] = {}
    for low in range(0, runs, together):
        count = min(together, runs - low)
        picked = [rng.integers(0, n, n) for _ in range(count)]
        fits = [refit(frame, features, original, truth, each) for each in picked]
        if low and made.slots is not None:
            made = stream(features, frame.slots, blocks, length, rng)
        clock = np.cumsum(made.sizes).astype(np.float64)
        rated = recounted(known, features, original.scales, [np.bincount(each, minlength=n) for each in picked])
        replicas = Replicas(frame, features, fits, made.sizes, rated, made.slots, original.scales)
        courses = replicas.courses(rng.integers(0, n, (count, made.calls)))
        for name, course in courses.items():
            for r in range(count):
                highs = np.flatnonzero(course[:, r] > np.maximum.accumulate(np.append(-np.inf, course[:-1, r])))
                found.setdefault(name, []).append((np.full(len(highs), low + r), clock[highs], course[highs, r]))
        progress((low + count) / runs)
    records = {
        name: Records(*(np.concatenate(part) for part in zip(*parts, strict=True))) for name, parts in found.items()
    }
    return Calibration(records, runs, float(made.calls), frozenset(known))


def promised(
    calibration: Calibration | None, shares: Mapping[str, float], calls: float, size: int
) -> dict[str, tuple[float, float]]:
    """Threshold and guaranteed threshold of each detector for one false alarm of them all in ``calls`` calls.

    Rates add up: the detectors that were calibrated share their part of the budget as a family, with a margin.
    The guaranteed threshold takes the baseline as exact; where the runs ask for more, more it is.

    Parameters
    ----------
    shares
        Share of the false alarms that each detector may raise; they add up to one.
    size
        Reference calls of the baseline.
    """
    sure = {name: guaranteed(calls, share) for name, share in shares.items()}
    found = {name: (threshold, threshold) for name, threshold in sure.items()}
    if calibration is not None and (known := [name for name in shares if name in calibration.records]):
        part = calls / sum(shares[name] for name in known) * MARGIN * max(calls / (FARTHER * size), 1.0) ** STEEPER
        found |= {name: (h, sure[name]) for name, h in calibration.thresholds(part, shares).items()}
    return found


def encode(calibration: Calibration) -> bytes:
    """Bytes of a calibration."""
    records = [[name, one.run, one.at, one.height] for name, one in calibration.records.items()]
    about = {"calibration": VERSION, "runs": calibration.runs, "length": calibration.length}
    return codec.pack({**about, "rated": sorted(calibration.rated), "records": records})


def decode(data: bytes) -> Calibration:
    """Calibration of these bytes.

    Raises
    ------
    CorruptError
        They are damaged, or of another version.
    """
    tree = codec.unpack(data, "calibration", VERSION)
    records = {
        name: Records(np.asarray(run, np.int64), np.asarray(at, np.float64), np.asarray(height, np.float64))
        for name, run, at, height in tree["records"]
    }
    return Calibration(records, tree["runs"], tree["length"], frozenset(tree["rated"]))
