"""Streams without drift, judged by a fresh baseline: record highs of the evidence, from which false alarms follow."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch
from zlib import crc32

import numpy as np
import xxhash

from benchmarks.calibration.calls import FloatArray, IntArray, Population, Seen, times
from drift import baseline as baselines
from drift import seasons
from drift.baseline import Baseline, build
from drift.budget import Budget
from drift.calibration import Records
from drift.fit import Features
from drift.pane import Pane
from drift.replicas import Replicas
from drift.seasons import slot_of

SEED = 8
TICK = 10
A_DAY = 5000
"""Calls a day, fewer where a baseline is smaller: each covers whole days."""

LENGTH = 20_000
"""Calls of a stream."""

TOGETHER = 25


@dataclass(frozen=True)
class Cell:
    """One baseline: of a population, of so many calls, with a swing of its sources' shares over the day."""

    population: str
    size: int
    swing: float
    number: int
    pooled: bool = False
    """Whether hours are taken to be alike although they are known: what there was before."""

    def generator(self, what: str) -> np.random.Generator:
        """Random numbers of their own; a baseline that takes hours to be alike is of the same calls."""
        names = (self.population, self.size, self.swing, self.number, what)
        return np.random.default_rng([SEED, *(crc32(str(name).encode()) for name in names)])


@dataclass(frozen=True)
class Judged:
    """A baseline's bytes, record highs of each of its detectors on its streams, and how many and long these are."""

    baseline: bytes
    records: Mapping[str, Records]
    streams: int
    length: float

    def alarms(self, every: float, *, guaranteed: bool = False) -> dict[str, Alarms]:
        """Alarms of all detectors together (``any``) and of each, at the thresholds of this budget in calls."""
        thresholds = baselines.decode(self.baseline).thresholds(Budget(every, "calls"))
        first = {name: one.first(thresholds[name][guaranteed], self.streams) for name, one in self.records.items()}
        first = {"any": np.min(list(first.values()), axis=0), **first}
        return {name: Alarms.of(at, self.length) for name, at in first.items()}


@dataclass(frozen=True)
class Alarms:
    """Streams that raised an alarm, and the calls until then or the end of the stream, of all streams together."""

    count: int
    calls: float

    @classmethod
    def of(cls, first: FloatArray, length: float) -> Alarms:
        """First alarms of streams, infinite where there is none."""
        return cls(int((first <= length).sum()), float(np.minimum(first, length).sum()))

    def __add__(self, other: Alarms) -> Alarms:
        return Alarms(self.count + other.count, self.calls + other.calls)


def judged(population: Population, cell: Cell, streams: int, cache: Path, runs: int) -> Judged:
    """Streams of a cell, from disk where the code is the same."""
    key = xxhash.xxh3_64_hexdigest(repr((cell, streams, LENGTH, TICK, A_DAY, runs, _code())).encode())
    file = cache / f"{key}.pickle"
    if file.exists():
        kept: Judged = pickle.loads(file.read_bytes())
        return kept
    made = _judged(population, cell, streams, runs)
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as partly:
        partly.write(pickle.dumps(made))
    Path(partly.name).rename(file)
    return made


@once
def _code() -> str:
    """Address of the code that baselines, streams and evidence depend on."""
    root = Path(__file__).parents[2]
    files = [file for folder in ("drift", "models", "benchmarks/calibration") for file in (root / folder).rglob("*.py")]
    files += [root / "streams" / "measure.py", root / "benchmarks" / "kinds" / "calls.py"]
    kept = [file.read_bytes() for file in sorted(files) if file.name != "__main__.py"]
    return xxhash.xxh3_64_hexdigest(b"".join(kept))


def _judged(population: Population, cell: Cell, streams: int, runs: int) -> Judged:
    rng, a_day = cell.generator("baseline"), min(A_DAY, cell.size)
    at = times(0, cell.size, a_day)
    baseline, seen = _baseline(population, at, population.draw(at, cell.swing, rng)[0], rng, cell, runs)
    calls = Features.of(baseline.frame, seen.rows)
    later = times(cell.size, LENGTH, a_day)
    slots = None if baseline.fit.seasons is None else slot_of(later[TICK // 2 :: TICK], baseline.frame.slots)
    sizes, found = np.full(LENGTH // TICK, TICK), {}
    rng = cell.generator("streams")
    for low in range(0, streams, TOGETHER):
        count = min(TOGETHER, streams - low)
        rated = {name: [rate] * count for name, rate in baseline.panel.rates.items()}
        replicas = Replicas(baseline.frame, calls, [baseline.fit] * count, sizes, rated, slots)
        for name, course in replicas.courses(population.draw(later, cell.swing, rng, count)).items():
            found.setdefault(name, []).append(_highs(course, low))
    records = {
        name: Records(*(np.concatenate(part) for part in zip(*parts, strict=True))) for name, parts in found.items()
    }
    return Judged(baselines.encode(baseline), records, streams, float(LENGTH))


def _highs(course: FloatArray, first: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Run, calls and height of each record high of courses ``(T, R)``."""
    before = np.vstack([np.full((1, course.shape[1]), -np.inf), np.maximum.accumulate(course, axis=0)[:-1]])
    run, block = np.nonzero((course > before).T)
    return run + first, (block + 1.0) * TICK, course[block, run]


def _baseline(
    population: Population, at: IntArray, drawn: IntArray, rng: np.random.Generator, cell: Cell, runs: int
) -> tuple[Baseline, Seen]:
    """Baseline of calls of a population at these times, and all its calls through the baseline's lens."""
    lens = population.meter.fit_lens([population.records[place] for place in drawn[: baselines.REFERENCE]])
    seen = Seen.of(population, lens)
    rows = seen.rows[drawn]
    rows["key"], rows["call"] = rng.integers(0, 1 << 64, (2, len(rows)), np.uint64)
    rows["at"] = at
    ticks = []
    for low, high in pairwise(range(0, len(rows) + 1, TICK)):
        span = int(at[low]), int(at[high - 1]) + 1
        ticks.append(Pane.of(lens.id, "calibration", span, rows[low:high], (), seen.names, size=baselines.REFERENCE))
    if cell.pooled:
        with patch.object(seasons, "count", lambda at: 1):
            return build(lens, ticks, [TICK] * len(ticks), force=True, runs=runs), seen
    return build(lens, ticks, [TICK] * len(ticks), force=True, runs=runs), seen
