"""Since when, and what: the change point of an alarm, the topics that moved, the marker that moved with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from drift.baseline import Baseline
from drift.block import Layout
from drift.call import MARKERS, Rows
from drift.detectors.memory import FloatArray, Memory, means
from drift.detectors.tilt import Reference
from drift.effects import Z
from drift.fit import Features
from drift.history import History
from drift.pane import Pane

SUPPORT = 2.0
"""Start points whose log likelihood ratio is within this of the best are as good: they bound the change point."""

AWAY = 500
"""Calls after which a marker's value that comes back is news again."""

SHARES = (1.0, 0.5, 0.25, 0.125)
"""Shares of a bet that a change is dated by, the likeliest of them: a whole bet rests on few calls and may be too high.

A bet that is too high loses on the very change that it saw, so that no start but the last block seems likely.
"""

EARLIER = 256
"""Calls by which a change may lie before the evidence last started anew: that start errs late, the search early."""

RARE = 0.05
"""Share of the baseline's calls below which a marker's value comes and goes without meaning."""

MANY = 64
"""Values of a marker that are remembered; one that has as many says nothing by another."""

_ALWAYS = 1 << 62

EVENTS = 32
"""Marker events that are remembered."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """When it changed: bucket of the history, event times in ms, and calls judged before it."""

    bucket: int
    at: int
    low: int
    high: int
    calls: int
    low_calls: int
    high_calls: int


def change_point(
    baseline: Baseline,
    layout: Layout,
    history: History,
    detector: str,
    state: Memory | FloatArray,
    after: int,
    now: int,
) -> ChangePoint:
    """Start that makes the past likeliest: likelihood ratio backwards from now of the change that the detector bets on.

    Parameters
    ----------
    state
        The detector's: of its memories (or ratios of a rate) the one that won most says what changed.
    after, now
        Calls judged when the detector started, and so far: what lies before its start is another story.
    """
    if isinstance(state, Memory):
        evidence = int(state.age[0, np.argmax(state.log_e[0])])
        after = max(after, now - evidence - EARLIER)
    gains = _gains(baseline, layout, detector, state, history.sums[:, : layout.width].astype(np.float64))
    every = np.cumsum(gains[:, ::-1], axis=1)[:, ::-1]
    every[:, :-1][:, history.calls[:-1] < after] = -np.inf
    ratios = every[np.argmax(every.max(axis=1))]
    bucket = int(np.argmax(ratios))
    likely = np.flatnonzero(ratios >= ratios[bucket] - SUPPORT)
    low, high = int(likely[0]), int(likely[-1])
    starts, calls = history.span[:, 0], history.calls
    return ChangePoint(
        bucket,
        int(starts[bucket]),
        int(starts[low]),
        int(history.span[high, 1]),
        int(calls[bucket]),
        int(calls[low]),
        int(calls[high + 1]) if high + 1 < len(calls) else now,
    )


def _gains(
    baseline: Baseline, layout: Layout, detector: str, state: Memory | FloatArray, sums: FloatArray
) -> FloatArray:
    """Log likelihood ratio of each row of sums for the change that the detector saw: its bets, for topics unshrunk.

    A row for each of ``SHARES`` of a bet where it is a tilt, else one: shape ``(choices, rows)``.
    """
    panel = baseline.panel
    if not isinstance(state, Memory):
        known, (flagged, n) = panel.rates[detector], layout.raised(baseline, detector, sums)
        rate = known.rate
        now = min(rate * float(known.ratios[np.argmax(state)]), 0.999)
        return np.asarray(flagged * np.log(now / rate) + (n - flagged) * np.log((1 - now) / (1 - rate)))[None]
    best = int(np.argmax(state.log_e[0]))
    if detector == "topics":
        p = baseline.fit.proportions
        q = np.maximum(p + means(state, panel.topics.size)[0][0, best], 0.3 * p)
        return np.asarray(sums[:, layout.topics] @ np.log(q / q.sum() / p))[None]
    tilt = panel.tilts[detector]
    theta = tilt.bet(*means(state, tilt.size, tilt.part))[0, best]
    reference = tilt.reference[0][0]
    if detector == "answers":
        theta = _together(baseline, theta, state.mass[0, best])
        fit = baseline.fit
        reference = Reference(fit.residuals - fit.residual_mean, fit.residual_weights / fit.compared)
    thetas = np.outer(SHARES, theta)
    centred, n = _centred(baseline, layout, detector, sums)
    return np.asarray(thetas @ centred.T - np.outer(reference.cumulant(thetas), n))


def _together(baseline: Baseline, theta: FloatArray, mass: FloatArray) -> FloatArray:
    """A bet on answers of all parts together, from bets on each part: the mean shift that they expect."""
    made, at = np.zeros(baseline.frame.answer_map.shape[1]), 0
    for one, share in zip(baseline.fit.whitening.maps, mass / max(float(mass.sum()), 1e-9), strict=True):
        made += share * theta[at : at + one.shape[1]] @ np.linalg.pinv(one)
        at += one.shape[1]
    return np.asarray(made / max(float(np.linalg.norm(made)), 1.0))


def _centred(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    if detector == "inputs":
        total, n = sums[:, layout.inputs], sums[:, layout.topics].sum(axis=1)
    elif detector == "answers":
        total, n = sums[:, layout.answers], sums[:, layout.compared]
        return total - n[:, None] * baseline.fit.residual_mean, n
    else:
        place = sums[:, layout.scalars[detector]]
        total, n = place[:, 1:3], place[:, 0]
    return total - n[:, None] * baseline.panel.tilts[detector].mean[0], n


@dataclass(frozen=True, slots=True)
class Moved:
    """A topic whose share moved: ``z`` standard deviations, positive where it grew."""

    topic: int
    before: float
    now: float
    z: float
    calls: int


def moved(baseline: Baseline, counts: FloatArray, most: int = 5) -> tuple[Moved, ...]:
    """Topics that moved most, the most significant first, from counts since the change point."""
    n, p = float(counts.sum()), baseline.fit.proportions
    if n == 0:
        return ()
    z = (counts - n * p) / np.sqrt(np.maximum(n * p * (1 - p), 1e-12) * (1 + n / baseline.fit.size))
    order = np.argsort(-np.abs(z), kind="stable")[:most]
    seen = np.maximum(counts, 0.0)  # less what is due to the hour they may be negative
    return tuple(Moved(int(k), float(p[k]), float(seen[k] / n), float(z[k]), round(float(seen[k]))) for k in order)


def along_answers(baseline: Baseline, way: FloatArray, rows: Rows) -> FloatArray:
    """How far each sampled answer lies along a drift, in residual standard deviations; NaN where it is not compared."""
    features = Features.of(baseline.frame, rows)
    known = (features.cell >= 0) & baseline.fit.known[features.cell]
    residuals = features.answers - baseline.fit.expected(baseline.frame, features.cell, features.inputs)
    return np.where(known, residuals @ way, np.nan)


FEW = 5
"""Sampled answers to a topic from which their shift is told."""


@dataclass(frozen=True, slots=True)
class TopicShift:
    """How far the sampled answers to a topic lie along a drift on average, with ``z`` and the 95 % interval."""

    topic: int
    shift: float
    low: float
    high: float
    z: float
    calls: int


def shifted_topics(baseline: Baseline, scores: FloatArray, rows: Rows, most: int = 5) -> tuple[TopicShift, ...]:
    """Topics whose answers moved most along a drift, the surest first.

    Parameters
    ----------
    scores
        Position of each sampled answer along it in residual standard deviations, NaN where it is not compared.
    """
    there = ~np.isnan(scores)
    topic, found = baseline.frame.topic(rows["topic"])[there], scores[there]
    made = []
    for one in np.unique(topic):
        here = found[topic == one]
        if len(here) < FEW:
            continue
        error = max(float(here.std()), 1.0) / len(here) ** 0.5
        shift = float(here.mean())
        made.append(TopicShift(int(one), shift, shift - Z * error, shift + Z * error, shift / error, len(here)))
    return tuple(sorted(made, key=lambda one: (-one.z, one.topic))[:most])


@dataclass(frozen=True, slots=True)
class MarkerEvent:
    """A value of a marker that was new, or back after long: hashes of it and of what was usual before."""

    field: str
    before: int
    after: int
    at: int
    calls: int


@dataclass(frozen=True, slots=True)
class Markers:
    """What each marker's values have been: usual value, when each was last seen (calls), and what was news."""

    usual: Mapping[str, int]
    seen: Mapping[str, Mapping[int, int]]
    events: tuple[MarkerEvent, ...] = ()

    @classmethod
    def of(cls, baseline: Baseline) -> Markers:
        """The baseline's markers; values that were rare in it are never news."""
        empty = cls(dict.fromkeys(MARKERS, 0), {name: {} for name in MARKERS})
        made = replace(empty.update(baseline.pane, -baseline.pane.n), events=())
        marks = baseline.pane.sums.marks
        rare = {int(mark["value"]) for mark in marks[marks["n"] < RARE * baseline.pane.n]}
        seen = {name: {v: _ALWAYS if v in rare else at for v, at in made.seen[name].items()} for name in MARKERS}
        return replace(made, seen=seen)

    def update(self, block: Pane, calls: int) -> Markers:
        """What is known after another block, before which ``calls`` calls had been judged."""
        usual, seen, events = (
            dict(self.usual),
            {name: dict(values) for name, values in self.seen.items()},
            list(self.events),
        )
        marks, found = block.sums.marks, dict[int, list[tuple[int, int]]]()
        for field, value, n in zip(marks["field"].tolist(), marks["value"].tolist(), marks["n"].tolist(), strict=True):
            if value:
                found.setdefault(field, []).append((value, n))
        for position, name in enumerate(MARKERS):
            here = found.get(position)
            if not here:
                continue
            known = seen[name]
            for value, _ in here:
                news = calls - known.get(value, -AWAY) >= AWAY and (known or usual[name])
                if news and len(known) < MANY:
                    events.append(MarkerEvent(name, usual[name], value, block.tick, calls))
                known[value] = max(known.get(value, calls), calls + block.n)
            usual[name] = max(here, key=itemgetter(1))[0]  # of several the first
            seen[name] = dict(sorted(known.items(), key=lambda item: (-item[1], item[0]))[:MANY])
        return Markers(usual, seen, tuple(events[-EVENTS:]))


def nearest(markers: Markers, point: ChangePoint, near: int = 200) -> MarkerEvent | None:
    """The marker event nearest to a change point, within its interval or 200 calls of it."""
    reach = max(near, point.high_calls - point.low_calls)
    close = [
        event for event in markers.events if abs(event.calls - point.calls) <= reach and event.before != event.after
    ]
    return min(
        close, key=lambda event: (abs(event.calls - point.calls), MARKERS_FIRST.index(event.field)), default=None
    )


MARKERS_FIRST: Sequence[str] = (
    "served_model",
    "model",
    "fingerprint",
    "prompt_version",
    "prompt_hash",
    "app_version",
    "region",
)
"""Of markers that moved together, the one that says most."""
