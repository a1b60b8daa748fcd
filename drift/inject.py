"""Drift put into calls that did not drift: what takes the place of which calls, and of how many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drift.baseline import Baseline
from drift.bins import EDGES, MISSING, to_bins
from drift.block import Block, Layout
from drift.call import FLAGS, SERIES, Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect, effect
from drift.errors import EmptySampleError, SettingsError
from drift.pane import Pane
from drift.parts import IntArray

MANY = 1e9
"""Calls of which an expected effect is told: so many that chance has no part in it."""

ANSWER_LENGTH = ("output_chars", "output_tokens")
TIMES = ("latency_ms", "ttft_ms")

Replace = Callable[[IntArray, np.random.Generator], IntArray]


@dataclass(frozen=True, slots=True, eq=False)
class Injection:
    """Calls that can be drawn, and what takes the place of those that were drawn once they drift.

    Parameters
    ----------
    rows
        The calls as they were, then whatever is put in.
    calls
        How many of them are the calls as they were.
    share
        Share of calls that are replaced when all of the drift is there.
    replace
        From positions of drawn calls to those of what takes their place, the same shape.
    """

    rows: Rows
    calls: int
    share: float
    replace: Replace


def more_of(rows: Rows, topic: IntArray, chosen: int, more: float) -> Injection:
    """A topic's share of the calls grows by ``more``, at the cost of all others alike.

    Parameters
    ----------
    topic
        Of each call, ``(n,)``.

    Raises
    ------
    EmptySampleError
        No call is of the topic.
    SettingsError
        More than all calls would be.
    """
    here = np.flatnonzero(topic == chosen)
    if not len(here):
        raise EmptySampleError(f"no call is of topic {chosen}: choose another one")
    share = len(here) / len(rows)
    if share + more > 1:
        raise SettingsError(f"--size {more:.0%}: the topic has {share:.0%} of all calls already: ask for less")
    return Injection(rows, len(rows), more / (1 - share), lambda drawn, rng: rng.choice(here, drawn.shape))


def calls_of(rows: Rows, others: Rows, share: float) -> Injection:
    """A share of the calls is drawn from elsewhere.

    Raises
    ------
    SettingsError
        It is more than all of them.
    """
    _check(share)
    n = len(rows)
    both = np.concatenate([rows, others])
    return Injection(both, n, share, lambda drawn, rng: rng.integers(n, len(both), drawn.shape))


def answers_of(rows: Rows, topic: IntArray, others: Rows, other_topic: IntArray, share: float) -> Injection:
    """A share of the calls is replaced by calls from elsewhere to questions of the same topic, so that the mix stays.

    Raises
    ------
    EmptySampleError
        No question from elsewhere is of a topic that the calls are of.
    SettingsError
        The share is more than all of them.
    """
    _check(share)
    order = np.argsort(other_topic, kind="stable")
    ordered = other_topic[order]
    first, last = (np.searchsorted(ordered, topic, side=side) for side in ("left", "right"))
    if not ((last > first) & (topic >= 0)).any():
        raise EmptySampleError(
            "--from: none of its questions is of a topic of these calls: give answers to like questions"
        )

    def replace(drawn: IntArray, rng: np.random.Generator) -> IntArray:
        low, count = first[drawn], (last - first)[drawn]
        there = (count > 0) & (topic[drawn] >= 0)
        pick = low + (rng.random(drawn.shape) * count).astype(np.int64)
        return np.where(there, len(rows) + order[np.where(there, pick, 0)], drawn)

    return Injection(np.concatenate([rows, others]), len(rows), share, replace)


def _check(share: float) -> None:
    if share > 1:
        raise SettingsError(f"--size {share:.0%} is more than all calls: ask for 100 % at most")


def stretched(rows: Rows, series: Sequence[str], factor: float, rng: np.random.Generator) -> Injection:
    """Every call has these measures multiplied by a factor.

    A value is taken to lie anywhere in its bin, and what is no whole number is rounded up or down by chance: so a
    change that is smaller than a bin moves the mean as it should.

    Raises
    ------
    EmptySampleError
        No call has any of them.
    """
    changed, places = rows.copy(), [SERIES.index(name) for name in series]
    bins = changed["bins"][:, places]
    if (bins == MISSING).all():
        raise EmptySampleError(f"no call has {' or '.join(series)}: there is nothing to multiply")
    width = np.diff(EDGES, append=EDGES[-1] + 1)
    values = EDGES[bins] + (width[bins] > 1) * rng.random(bins.shape) * width[bins]
    whole = np.floor(values * factor + rng.random(bins.shape) * (width[bins] == 1))
    changed["bins"][:, places] = to_bins(np.where(bins == MISSING, np.nan, whole))
    return _in_place(rows, changed, 1.0)


def flagged(rows: Rows, flag: str, more: float) -> Injection:
    """Calls with a flag become more by this share of all; where that leaves no answer, the answer is taken away.

    Raises
    ------
    SettingsError
        More than all calls would have it.
    """
    place = FLAGS.index(flag)
    share = float((rows["flags"][:, place] > 0).mean())
    if share + more > 1:
        raise SettingsError(f"--size {more:.0%}: {share:.0%} of all calls have the flag already: ask for less")
    changed = rows.copy()
    changed["flags"][:, place] = 1
    if flag != "truncated":
        changed["answered"] = 0
        changed["bins"][:, [SERIES.index(name) for name in ANSWER_LENGTH]] = MISSING
        changed["features"][:, 1:] = 0
    return _in_place(rows, changed, more / (1 - share))


def _in_place(rows: Rows, changed: Rows, share: float) -> Injection:
    return Injection(np.concatenate([rows, changed]), len(rows), share, lambda drawn, rng: drawn + len(rows))


def drifting(injection: Injection, drawn: IntArray, ramp: FloatArray, rng: np.random.Generator) -> IntArray:
    """Positions of drawn calls ``(R, n)`` with the drift put in, of which the part ``ramp`` is there at each, ``(n,)``.

    A call that is already flagged stays so, and one that is replaced anyway is replaced once.
    """
    hit = rng.random(drawn.shape) < injection.share * ramp
    return np.where(hit, injection.replace(drawn, rng), drawn)


def expected(baseline: Baseline, layout: Layout, injection: Injection, rng: np.random.Generator) -> dict[str, Effect]:
    """The effect that each detector will have seen of the whole drift when chance has no part in it any more."""
    every = np.arange(injection.calls)
    before = _sums(baseline, layout, injection.rows[: injection.calls])
    after = _sums(baseline, layout, injection.rows[injection.replace(every, rng)])
    mixed = (1 - injection.share) * before + injection.share * after
    scale = MANY / injection.calls
    found = {name: effect(baseline, layout, name, scale * mixed, scale * before) for name in baseline.panel.names}
    return {name: one for name, one in found.items() if one is not None}


def _sums(baseline: Baseline, layout: Layout, rows: Rows) -> FloatArray:
    pane = Pane.of(baseline.lens.id, baseline.segment, (0, 1), rows, (), {})
    return Block(baseline, layout, pane, 1.0).vector
