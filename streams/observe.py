"""Calls to panes: pure but for the embedder, the same for a file and a topic's partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

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


class Observer:
    """One partition's open ticks.

    A call is late, and left out, if its tick had ended before the newest event time that came before it, less the
    allowed lateness: that is decided by the order of the log alone, never by batches. The newest event time is the
    largest that two calls in a row have reached: one call of a wrong clock makes no other late. It waits in its own
    tick until that closes.

    Parameters
    ----------
    lens_of
        The lens of each segment.
    sample
        Calls that a pane keeps as rows.
    declared_of
        The declared fields of each segment with their admitted values, and the names of its scores.
    """

    def __init__(
        self,
        meter: Meter,
        lens_of: Callable[[str], Lens],
        clock: Clock | None = None,
        *,
        sample: int = SAMPLE,
        declared_of: Callable[[str], Declared] = lambda segment: NOTHING,
    ) -> None:
        """Start with nothing seen."""
        self.clock = clock or Clock()
        self.newest = 0
        self._last = 0
        self.duplicates = 0
        self._meter, self._lens_of, self._declared_of, self._sample = meter, lens_of, declared_of, sample
        self._open: dict[tuple[int, str], list[Measured]] = {}

    @property
    def watermark(self) -> int:
        """Event time below which nothing more is accepted."""
        return self.newest - self.clock.lateness_ms

    def admit(self, records: Sequence[Record]) -> list[bool]:
        """Whether each of the next records of the log is in time."""
        if not records:
            return []
        at = np.array([record.event_time for record in records])
        reached = np.minimum(at, np.concatenate([[self._last], at[:-1]]))  # by two in a row
        newest = np.maximum.accumulate(np.concatenate([[self.newest], reached]))
        self.newest, self._last = int(newest[-1]), int(at[-1])
        ends = at - at % self.clock.tick_ms + self.clock.tick_ms
        return [bool(ok) for ok in ends > newest[:-1] - self.clock.lateness_ms]

    def add(self, records: Sequence[Record]) -> None:
        """Measure records that were admitted."""
        by_segment: dict[str, list[Record]] = {}
        for record in records:
            by_segment.setdefault(segment_of(record), []).append(record)
        alike: dict[tuple[str, Declared], tuple[Lens, list[str]]] = {}
        for segment in by_segment:
            lens, declared = self._lens_of(segment), self._declared_of(segment)
            alike.setdefault((lens.id, declared), (lens, []))[1].append(segment)
        for (_, declared), (lens, segments) in alike.items():
            calls = [record for segment in segments for record in by_segment[segment]]
            measured = self._meter.measure(lens, calls, declared)
            low = 0
            for segment in segments:
                high = low + len(by_segment[segment])
                self._sort(segment, measured, np.arange(low, high))
                low = high

    def _sort(self, segment: str, measured: Measured, chosen: npt.NDArray[np.intp]) -> None:
        """Put the chosen calls, all of one segment, to their ticks."""
        at = measured.rows["at"][chosen]
        ticks = at - at % self.clock.tick_ms
        order = np.argsort(ticks, kind="stable")
        bounds = np.flatnonzero(np.diff(ticks[order])) + 1
        for low, high in pairwise([0, *bounds.tolist(), len(order)]):
            inside = order[low:high]
            self._open.setdefault((int(ticks[inside[0]]), segment), []).append(measured.take(chosen[inside]))

    def close(self, watermark: int | None = None) -> list[Pane]:
        """Panes of the ticks that ended at or before the watermark, in order of time, then segment."""
        bound = self.watermark if watermark is None else watermark
        done = sorted(place for place in self._open if place[0] + self.clock.tick_ms <= bound)
        return [self._pane(*place, self._open.pop(place)) for place in done]

    def finish(self) -> list[Pane]:
        """Panes of all ticks: the log has ended."""
        return self.close(EVER)

    def _pane(self, tick: int, segment: str, parts: list[Measured]) -> Pane:
        calls = self._distinct(joined(parts))
        shared = {id(names): names for names in calls.names}.values()
        names = {code: name for names in shared for code, name in names.items()}
        span, texts = (tick, tick + self.clock.tick_ms), self._meter.shown(calls.texts)
        return Pane.of(self._lens_of(segment).id, segment, span, calls.rows, texts, names, size=self._sample)

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
