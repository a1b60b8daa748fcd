"""What would be noticed of a drift, and after how many calls: streams into which it is put, judged by the hundred.

A stream begins without drift; what passes its threshold there is a false alarm. Evidence passes thresholds here as it
does when judging. That an alarm wants an effect above tolerance too is asked of the effect that the drift has when
chance has no part in it; that `model` and lengths may be held back for up to 256 calls is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats

from drift.baseline import Baseline
from drift.block import Layout
from drift.detectors.memory import FloatArray
from drift.effects import Effect
from drift.fit import Features
from drift.inject import Injection, drifting, expected
from drift.parts import IntArray
from drift.replicas import Replicas
from drift.trials import block_sizes, first_alarm, replicas, unchanged, weights

ENOUGH = 0.999
"""Of its tolerance, from which on an effect counts as reaching it."""

_TOGETHER = 20
_SALT = 0xBB

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How streams are made.

    Parameters
    ----------
    streams
        How many.
    before, horizon
        Calls without drift, and with it.
    gradual
        Calls over which its share grows to the whole; 0: at once.
    own
        Whether streams are drawn from the baseline's own calls, each judged by a baseline redrawn from them; else from
        other calls, each call once, by the baseline as it is.
    """

    streams: int = 40
    before: int = 2000
    horizon: int = 8000
    gradual: int = 0
    own: bool = False
    seed: int = 0

    @property
    def length(self) -> int:
        """Calls of a stream."""
        return self.before + self.horizon


@dataclass(frozen=True, slots=True, eq=False)
class Noticed:
    """Calls from the change to the first alarm of each stream that had raised none before, infinite without one.

    ``false`` counts the other streams.
    """

    delay: FloatArray
    false: int

    @property
    def found(self) -> int:
        """Streams in which the drift was noticed."""
        return int(np.isfinite(self.delay).sum())

    @property
    def share(self) -> float:
        """Of the streams without a false alarm; not a number where there is none."""
        return self.found / len(self.delay) if len(self.delay) else np.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Exact 95 % interval of the share (Clopper, Pearson 1934)."""
        if not len(self.delay):
            return 0.0, 1.0
        low, high = scipy.stats.binomtest(self.found, len(self.delay)).proportion_ci()
        return float(low), float(high)

    def quantile(self, share: float) -> float:
        """Calls after which this share of the streams have noticed, infinite where fewer do within the horizon."""
        if not len(self.delay):
            return np.inf
        return float(np.sort(self.delay)[max(int(np.ceil(share * len(self.delay))) - 1, 0)])


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a drift of one size did: calls until each detector's first alarm ``(R,)``, and the effect it has in truth.

    ``before`` are the calls of each stream without drift.
    """

    first: Mapping[str, FloatArray]
    effects: Mapping[str, Effect]
    tolerances: Mapping[str, float]
    before: int

    @property
    def affected(self) -> tuple[str, ...]:
        """Detectors to which the drift is large enough to matter, the most affected first."""
        named = [name for name in self.first if self._weight(name) >= ENOUGH]
        return tuple(sorted(named, key=lambda name: -self._weight(name)))

    @property
    def strongest(self) -> str:
        """The detector whose effect comes nearest to its tolerance or exceeds it most."""
        return max(self.first, key=self._weight)

    def _weight(self, name: str) -> float:
        found = self.effects.get(name)
        return 0.0 if found is None else found.size / max(self.tolerances[name], 1e-12)

    def noticed(self, *names: str) -> Noticed:
        """By any of these detectors."""
        first = np.min([self.first[name] for name in names], axis=0)
        early = first <= self.before
        return Noticed(first[~early] - self.before, int(early.sum()))

    @property
    def leader(self) -> str:
        """The affected detector that is first most often; empty where none is at all."""
        names = self.affected
        first = np.array([self.first[name] for name in names]).reshape(len(names), -1)
        late = np.where(first > self.before, first, np.inf)
        raised = np.isfinite(late).any(axis=0) if names else np.zeros(0, bool)
        return names[np.bincount(late[:, raised].argmin(axis=0)).argmax()] if raised.any() else ""

    @property
    def false_alarms(self) -> int:
        """Streams in which any detector raised an alarm before the change."""
        return int((np.min(list(self.first.values()), axis=0) <= self.before).sum())


def backtest(
    baseline: Baseline,
    injection: Injection,
    plan: Plan,
    thresholds: Mapping[str, float],
    tolerances: Mapping[str, float],
    *,
    progress: Progress = lambda done: None,
) -> Outcome:
    """Outcome of one drift; the same plan draws the same calls for every drift."""
    rng = np.random.default_rng([plan.seed, _SALT])
    calls = Features.of(baseline.frame, injection.rows)
    first: dict[str, list[FloatArray]] = {}
    for low in range(0, plan.streams, _TOGETHER):
        count = min(_TOGETHER, plan.streams - low)
        judges, drawn = _stream(baseline, calls, injection.calls, plan, count, rng)
        ramp = _ramp(judges.clock, judges.sizes, plan)
        put_in = drifting(injection, drawn, ramp, np.random.default_rng([plan.seed, _SALT, low]))
        for name, course in judges.courses(put_in).items():
            first.setdefault(name, []).append(first_alarm(course, thresholds[name], judges.clock))
        progress((low + count) / plan.streams)
    effects = expected(baseline, Layout.of(baseline), injection, rng)
    return Outcome({name: np.concatenate(parts) for name, parts in first.items()}, effects, tolerances, plan.before)


def _stream(
    baseline: Baseline, calls: Features, own: int, plan: Plan, count: int, rng: np.random.Generator
) -> tuple[Replicas, IntArray]:
    """Judges of so many streams, and positions of the calls of each before any drift is put in."""
    sizes = _blocks(baseline, plan, rng)
    total = int(sizes.sum())
    if plan.own:
        judges = replicas(baseline, calls, sizes, weights(baseline, count, rng))
        return judges, rng.integers(0, own, (count, total))
    judges = unchanged(baseline, calls, sizes, count)
    return judges, np.stack([rng.permutation(own)[:total] for _ in range(count)])


def _blocks(baseline: Baseline, plan: Plan, rng: np.random.Generator) -> IntArray:
    """Blocks of a stream, of which one ends where the drift begins and one with the stream."""
    return np.concatenate([_cut(block_sizes(baseline, n, rng), n) for n in (plan.before, plan.horizon)])


def _cut(sizes: IntArray, total: int) -> IntArray:
    """The first blocks, the last of them cut, that hold so many calls."""
    made = np.diff(np.minimum(np.cumsum(sizes), total), prepend=0)
    return made[made > 0]


def _ramp(clock: FloatArray, sizes: IntArray, plan: Plan) -> FloatArray:
    """Part of the drift that is there at each call of a stream, 0 to 1."""
    since = np.arange(1, int(sizes.sum()) + 1) - plan.before
    if not plan.gradual:
        return (since > 0).astype(np.float64)
    return np.clip(since / plan.gradual, 0.0, 1.0)
