"""Other detectors of answers, to be compared at the same realised run length on the same streams without drift.

``unconditional`` is the ``answers`` detector, learnt from the same calls with inputs that are all alike; ``rff-mmd``
the squared maximum mean discrepancy of the answers' embeddings by 512 random Fourier features (Rahimi and Recht 2007;
Gretton et al. 2012) over windows of 40 to 1,280 calls, each scaled to what no drift gives it (Wilson and Hilferty
1931), the largest of which counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.kinds.calls import IntArray, Seen, draw, pool
from benchmarks.kinds.cases import Population
from benchmarks.kinds.courses import Course, FloatArray
from benchmarks.kinds.judged import BEFORE, HORIZON, SEED, TICK, Made, generator, panes
from drift import baseline as baselines
from drift import verdict
from drift.baseline import Baseline, build
from drift.budget import Budget
from drift.state import Judge, start

FEATURES = 512
WINDOWS = (4, 8, 16, 32, 64, 128)
"""Ticks of each."""

COMPARED = ("none", "model")

NEVER = Budget(1e13, "calls")
"""A budget at which no alarm is raised: detectors are read as they run."""

ENOUGH = 20.0
"""Evidence beyond which a stream need not be read on: e to the 20th calls between false alarms."""

NAMES = ("unconditional", "rff-mmd")


@dataclass(frozen=True)
class Alone:
    """Each detector of answers over one stream without drift and over its changes: name, then case, to course."""

    baseline: int
    stream: int
    courses: Mapping[str, Mapping[str, Course]]


class Mmd:
    """Random Fourier features of answers, against a baseline's."""

    def __init__(self, drawn: IntArray) -> None:
        """Bandwidth and moments from the baseline's answers."""
        rng = np.random.default_rng(SEED)
        x = pool().outputs[drawn]
        pairs = rng.integers(0, len(x), (2, 4000))
        distance = np.linalg.norm(x[pairs[0]] - x[pairs[1]], axis=1)
        width = float(np.median(distance[distance > 0]))
        self.frequency = rng.normal(size=(x.shape[1], FEATURES)) / width
        self.phase = rng.uniform(0, 2 * np.pi, FEATURES)
        self.size = len(x)
        seen = self.see(drawn)
        self.mean = seen.mean(axis=0)
        covariance = np.cov(seen.T)
        self.variance = float(np.trace(covariance))
        self.freedom = self.variance**2 / float((covariance**2).sum())

    def see(self, calls: IntArray) -> FloatArray:
        """Features of calls, ``(n, 512)``."""
        distinct, back = np.unique(calls, return_inverse=True)
        x = pool().outputs[distinct]
        return (np.sqrt(2 / FEATURES) * np.cos(x @ self.frequency + self.phase))[back]

    def course(self, calls: IntArray) -> FloatArray:
        """Statistic after each tick: the largest standardised discrepancy of the windows that end there."""
        centred = self.see(calls) - self.mean
        sums = np.cumsum(centred.reshape(-1, TICK, FEATURES).sum(axis=1), axis=0)
        sums = np.concatenate([np.zeros((1, FEATURES)), sums])
        best = np.full(len(sums) - 1, -np.inf)
        scale = 2 / (9 * self.freedom)
        for window in WINDOWS:
            n = window * TICK
            square = ((sums[window:] - sums[:-window]) ** 2).sum(axis=1) / n / (1 + n / self.size) / self.variance
            best[window - 1 :] = np.maximum(best[window - 1 :], (np.cbrt(square) - (1 - scale)) / np.sqrt(scale))
        return best


@dataclass(frozen=True)
class Rivals:
    """The detectors of one baseline."""

    population: Population
    number: int
    made: Made

    @cached_property
    def blind(self) -> tuple[Baseline, Seen]:
        """The baseline without its inputs."""
        seen = self.made.seen.blind()
        ticks = panes(
            seen, self.made.drawn, -len(self.made.drawn), generator("blind", self.number), baselines.REFERENCE
        )
        return build(seen.lens, ticks, [TICK] * len(ticks), force=True, runs=0), seen

    @cached_property
    def mmd(self) -> Mmd:
        """RFF-MMD against the baseline's answers."""
        return Mmd(self.made.drawn)

    def alone(self, stream: int) -> Alone:
        """Every detector over one stream and all changes of it."""
        rng = generator(self.population.name, "stream", self.number, stream)
        before = draw(self.population.before, BEFORE, rng)
        after = {}
        for case in (one for one in self.population.cases if one.injected in COMPARED):
            rng = generator(self.population.name, case.name, self.number, stream)
            after[case.name] = draw(case.now, HORIZON, rng)
        blind, unseen = self.blind
        seen = {name: self.mmd.course(np.concatenate([before, calls])) for name, calls in after.items()}
        courses = {
            "unconditional": _evidence(blind, unseen, before, after),
            "rff-mmd": {name: Course.of(course, TICK) for name, course in seen.items()},
        }
        return Alone(self.number, stream, courses)


def _evidence(baseline: Baseline, seen: Seen, before: IntArray, after: Mapping[str, IntArray]) -> dict[str, Course]:
    """Evidence of a baseline's detector of answers, read as it runs: nothing is raised, so nothing starts anew."""
    judge = Judge(baseline, NEVER)
    rng = np.random.default_rng(SEED)
    state, head = start(judge), []
    for pane in panes(seen, before, 0, rng):
        state, _ = verdict.judge(judge, state, pane)
        head.append(state.statistics["answers"])
    courses = {}
    for name, calls in after.items():
        then, course = state, list(head)
        for pane in panes(seen, calls, BEFORE, rng):
            then, _ = verdict.judge(judge, then, pane)
            course.append(then.statistics["answers"])
            if course[-1] > ENOUGH:
                break
        courses[name] = Course.of(course, TICK)
    return courses
