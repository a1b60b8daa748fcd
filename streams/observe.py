"""Calls to panes: pure but for the embedder, the same for a file and a topic's partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.call import NOTHING, Declared
from drift.lens import Lens
from drift.pane import SAMPLE, Pane
from streams.measure import Measured, Meter, joined, segment_of
from streams.records import Record

TICK_MS = 10_000
LATENESS_MS = 300_000

EVER = 2**63 - 1
"""A watermark that no tick reaches beyond: the log has ended."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Event time in ticks: their length, and how far behind the newest call one may come, both in milliseconds."""

    tick_ms: int = TICK_MS
    lateness_ms: int = LATENESS_MS

    def tick(self, at: int) -> int:
        """Start of the tick of an event time."""
        return at - at % self.tick_ms


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a log has come: the largest event time that two calls in a row have reached, and that of the last one."""

    newest: int = 0
    last: int = 0

    def course(self, at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The newest event time before each of the next calls and after the last of them, shape ``(n + 1,)``."""
        reached = np.minimum(at, np.concatenate([[self.last], at[:-1]]))
        return np.maximum.accumulate(np.concatenate([[self.newest], reached]))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """How the calls of a segment are seen: through which lens, with which declared fields and scores."""

    lens: Lens
    declared: Declared = NOTHING

    @classmethod
    def of(cls, baseline: Baseline) -> Sight:
        """As a baseline's own calls were seen."""
        return cls(baseline.lens, baseline.declared)

    @property
    def key(self) -> tuple[str, Declared]:
        """Equal for equal ways of seeing."""
        return self.lens.id, self.declared


@dataclass(frozen=True, slots=True)
class _Open:
    """An open tick of a segment: how it is seen from its first call on, and what was measured."""

    sight: Sight
    parts: list[Measured]


class Observer:
    """One partition's open ticks.

    A call is late, and left out, if its tick had ended before the newest event time that came before it, less the
    allowed lateness: that is decided by the order of the log alone, never by batches. The newest event time is the
    largest that two calls in a row have reached: one call of a wrong clock makes no other late. It waits in its own
    tick until that closes.

    Parameters
    ----------
    sight_of
        How a segment is seen in the tick that starts at an event time.
    sample
        Calls that a pane keeps as rows.
    """

    def __init__(
        self,
        meter: Meter,
        sight_of: Callable[[str, int], Sight],
        clock: Clock | None = None,
        *,
        sample: int = SAMPLE,
    ) -> None:
        """Start with nothing seen."""
        self.clock = clock or Clock()
        self.reached = Reached()
        self.duplicates = 0
        self._meter, self._sight_of, self._sample = meter, sight_of, sample
        self._open: dict[tuple[int, str], _Open] = {}

    @property
    def watermark(self) -> int:
        """Event time below which nothing more is accepted."""
        return self.reached.newest - self.clock.lateness_ms

    def admit(self, records: Sequence[Record]) -> list[bool]:
        """Whether each of the next records of the log is in time."""
        if not records:
            return []
        at = np.array([record.event_time for record in records])
        newest = self.reached.course(at)
        self.reached = Reached(int(newest[-1]), int(at[-1]))
        ends = at - at % self.clock.tick_ms + self.clock.tick_ms
        return [bool(ok) for ok in ends > newest[:-1] - self.clock.lateness_ms]

    def add(self, records: Sequence[Record]) -> None:
        """Measure records that were admitted."""
        by_segment: dict[str, list[Record]] = {}
        for record in records:
            by_segment.setdefault(segment_of(record), []).append(record)
        alike: dict[tuple[str, Declared], tuple[Sight, list[tuple[str, list[Record]]]]] = {}
        for segment, found in by_segment.items():
            for sight, calls in self._seen(segment, found):
                alike.setdefault(sight.key, (sight, []))[1].append((segment, calls))
        for sight, parts in alike.values():
            measured = self._meter.measure(sight.lens, [one for _, calls in parts for one in calls], sight.declared)
            low = 0
            for segment, calls in parts:
                self._sort(segment, measured, np.arange(low, low + len(calls)))
                low += len(calls)

    def _seen(self, segment: str, records: list[Record]) -> list[tuple[Sight, list[Record]]]:
        """Records of a segment by how they are seen, which a tick's first call settles for all of it."""
        sights: dict[int, Sight] = {}
        for tick in {self.clock.tick(record.event_time) for record in records}:
            if (tick, segment) not in self._open:
                self._open[tick, segment] = _Open(self._sight_of(segment, tick), [])
            sights[tick] = self._open[tick, segment].sight
        kinds = {sight.key: sight for sight in sights.values()}
        if len(kinds) == 1:
            return [(sight, records) for sight in kinds.values()]
        groups: dict[tuple[str, Declared], list[Record]] = {key: [] for key in kinds}
        for record in records:
            groups[sights[self.clock.tick(record.event_time)].key].append(record)
        return [(sight, groups[key]) for key, sight in kinds.items()]

    def _sort(self, segment: str, measured: Measured, chosen: npt.NDArray[np.intp]) -> None:
        """Put the chosen calls, all of one segment, to their ticks."""
        at = measured.rows["at"][chosen]
        ticks = at - at % self.clock.tick_ms
        order = np.argsort(ticks, kind="stable")
        bounds = np.flatnonzero(np.diff(ticks[order])) + 1
        for low, high in pairwise([0, *bounds.tolist(), len(order)]):
            inside = order[low:high]
            self._open[int(ticks[inside[0]]), segment].parts.append(measured.take(chosen[inside]))

    def close(self, watermark: int | None = None) -> list[Pane]:
        """Panes of the ticks that ended at or before the watermark, in order of time, then segment."""
        bound = self.watermark if watermark is None else watermark
        done = sorted(place for place in self._open if place[0] + self.clock.tick_ms <= bound)
        return [self._pane(*place, self._open.pop(place)) for place in done]

    def finish(self) -> list[Pane]:
        """Panes of all ticks: the log has ended."""
        return self.close(EVER)

    def _pane(self, tick: int, segment: str, seen: _Open) -> Pane:
        calls = self._distinct(joined(seen.parts))
        shared = {id(names): names for names in calls.names}.values()
        names = {code: name for names in shared for code, name in names.items()}
        span, texts = (tick, tick + self.clock.tick_ms), self._meter.shown(calls.texts)
        return Pane.of(seen.sight.lens.id, segment, span, calls.rows, texts, names, size=self._sample)

    def _distinct(self, calls: Measured) -> Measured:
        """Calls whose id occurs once, or the one of smallest content hash."""
        call = calls.rows["call"]
        repeated = len(call) - len(set(call.tolist()))
        if not repeated:
            return calls
        self.duplicates += repeated
        order = np.lexsort([calls.rows["content"], call])
        call = call[order]
        return calls.take(np.sort(order[np.concatenate([[True], call[1:] != call[:-1]])]))
