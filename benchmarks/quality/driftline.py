"""Driftline's detectors over the same streams, by the code that calibrates them.

Each detector of a kind alone, and all of them together as they alarm: the most by which any exceeds the threshold that
the baseline's own calibration gives it for its share of one false alarm in 10,000 calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.kinds.calls import IntArray, Seen
from benchmarks.kinds.courses import FloatArray
from benchmarks.kinds.judged import TICK, panes
from benchmarks.quality.matching import RUN_LENGTH, Courses, Run, statistic_course
from benchmarks.quality.workloads import Case, Family, generator
from drift import baseline as baselines
from drift.baseline import Baseline, build
from drift.bins import to_bins
from drift.budget import Budget
from drift.call import FLAGS, NO_TOPIC, ROW, SERIES, Rows
from drift.fit import Features
from drift.pane import Pane
from drift.replicas import Replicas
from models.base import load_embedder
from streams.measure import Meter

SEEDS, CALM, CHANGED = 10, 6, 4
"""Baselines, and streams of each: what the peers that cost little have."""

SHOWN: Mapping[str, tuple[str, ...]] = {
    "topics": ("topics", "inputs"),
    "models": ("answers", "output_length"),
    "lengths": ("output_length",),
    "flags": ("error",),
}
"""Detectors of each kind of family; the others of a baseline have nothing to see there."""


@dataclass(frozen=True)
class Made:
    """A baseline, and all calls that may be drawn in its coordinates."""

    baseline: Baseline
    rows: Rows

    def courses(self, drawn: IntArray) -> dict[str, FloatArray]:
        """Evidence of each detector over streams of calls ``(R, n)``."""
        baseline, replicas = self.baseline, len(drawn)
        sizes = np.full(drawn.shape[1] // TICK, TICK)
        rated = {name: [one] * replicas for name, one in baseline.panel.rates.items()}
        features = Features.of(baseline.frame, self.rows)
        return Replicas(baseline.frame, features, [baseline.fit] * replicas, sizes, rated).courses(drawn)


def courses(family: Family, cases: Sequence[Case], *, quick: bool) -> Iterator[Courses]:
    """Each detector, and all together, over a family."""
    seeds, calm, changed = (2, 2, 2) if quick else (SEEDS, CALM, CHANGED)
    names = [f"Driftline: {name}" for name in SHOWN[family.kind]]
    names += ["Driftline: all together"] if len(names) > 1 else []
    still: dict[str, list[Run]] = {name: [] for name in names}
    moved: dict[str, dict[str, list[Run]]] = {name: {case.name: [] for case in cases} for name in names}
    for seed in range(seeds):
        made, rows_of = _made(family, seed)
        quiet = np.stack([family.calm(seed, stream) for stream in range(calm)])
        for name, runs in _runs(made, names, rows_of(quiet), seed).items():
            still[name] += runs
        for case in cases:
            drawn = np.stack([case.changed(seed, stream) for stream in range(changed)])
            for name, runs in _runs(made, names, rows_of(drawn), seed).items():
                moved[name][case.name] += runs
    for name in names:
        yield Courses(name, still[name], moved[name], 0.0 if name.endswith("together") else None)


def _runs(made: Made, names: Sequence[str], drawn: IntArray, seed: int) -> dict[str, list[Run]]:
    found = made.courses(drawn)
    if names[-1].endswith("together"):
        thresholds = made.baseline.thresholds(Budget(RUN_LENGTH, "calls"))
        found["all together"] = np.max([course - thresholds[name][0] for name, course in found.items()], axis=0)
    return {
        name: [
            Run(seed, stream, statistic_course(one))
            for stream, one in enumerate(found[name.removeprefix("Driftline: ")].T)
        ]
        for name in names
    }


def _made(family: Family, seed: int) -> tuple[Made, Callable[[IntArray], IntArray]]:
    """A baseline, and the way from calls as they are drawn to its rows."""
    drawn, rng = family.baseline(seed), generator(family.name, "calls", seed)
    if family.kind in ("topics", "models"):
        pool = family.pool
        lens = pool.meter.fit_lens([pool.records[place] for place in drawn])
        measured = pool.meter.measure(lens, pool.records)
        names = {code: name for known in measured.names for code, name in known.items()}
        seen = Seen(lens, measured, names, np.arange(len(pool.records)))
        ticks = panes(seen, drawn, -len(drawn), rng, baselines.REFERENCE)
        return Made(build(lens, ticks, [TICK] * len(ticks), force=True), measured.rows), lambda calls: calls
    lens = Meter(load_embedder()).default_lens()
    values = np.arange(family.calm(seed, 0, 200_000).max() * 4)
    rows = _bare(values, family.kind)
    own = rows[drawn]
    own["key"], own["call"] = rng.integers(0, 1 << 63, (2, len(own)))
    own["asked"] = np.arange(len(own)) + 1
    ticks = [
        Pane.of(lens.id, "quality", (TICK * low, TICK * low + TICK), own[low : low + TICK], (), {}, size=len(own))
        for low in range(0, len(own), TICK)
    ]
    made = build(lens, ticks, [TICK] * len(ticks), force=True, runs=0)
    return Made(made, rows), lambda calls: np.minimum(calls, len(rows) - 1)


def _bare(values: IntArray, kind: str) -> Rows:
    """Calls that have nothing but a length, or an error."""
    rows = np.zeros(len(values), ROW)
    rows["topic"] = NO_TOPIC
    series = np.full((len(values), len(SERIES)), np.nan)
    if kind == "lengths":
        series[:, SERIES.index("output_tokens")] = values
    else:
        rows["flags"][:, FLAGS.index("error")] = values > 0
    rows["bins"] = to_bins(series)
    return rows
