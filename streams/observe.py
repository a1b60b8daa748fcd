"""Calls to panes: pure but for the embedder, the same for a file and a topic's partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from drift.call import Rows
from drift.lens import Lens
from drift.pane import SAMPLE, Pane, Texts
from streams.measure import Measured, Meter, segment_of
from streams.records import Record

TICK_MS = 10_000
LATENESS_MS = 300_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Event time in ticks: their length, and how far behind the newest call one may come, both in milliseconds."""

    tick_ms: int = TICK_MS
    lateness_ms: int = LATENESS_MS

    def tick(self, at: int) -> int:
        """Start of the tick of an event time."""
        return at - at % self.tick_ms


@dataclass(slots=True)
class _Open:
    """Calls of a tick that is still open."""

    parts: list[Measured] = field(default_factory=list)


class Observer:
    """One partition's open ticks.

    A call is late, and left out, if its tick had ended before the newest event time that came before it, less the
    allowed lateness: that is decided by the order of the log alone, never by batches.

    Parameters
    ----------
    lens_of
        The lens of each segment.
    sample
        Calls that a pane keeps as rows.
    """

    def __init__(
        self, meter: Meter, lens_of: Callable[[str], Lens], clock: Clock | None = None, *, sample: int = SAMPLE
    ) -> None:
        """Start with nothing seen."""
        self.clock = clock or Clock()
        self.newest = 0
        self.duplicates = 0
        self._meter, self._lens_of, self._sample = meter, lens_of, sample
        self._open: dict[tuple[int, str], _Open] = {}

    @property
    def watermark(self) -> int:
        """Event time below which nothing more is accepted."""
        return self.newest - self.clock.lateness_ms

    def admit(self, records: Sequence[Record]) -> list[bool]:
        """Whether each of the next records of the log is in time."""
        if not records:
            return []
        at = np.array([record.event_time for record in records])
        newest = np.maximum.accumulate(np.concatenate([[self.newest], at]))
        self.newest = int(newest[-1])
        ends = at - at % self.clock.tick_ms + self.clock.tick_ms
        return [bool(ok) for ok in ends > newest[:-1] - self.clock.lateness_ms]

    def add(self, records: Sequence[Record]) -> None:
        """Measure records that were admitted."""
        by_lens: dict[str, tuple[Lens, list[Record]]] = {}
        for record in records:
            lens = self._lens_of(segment_of(record))
            by_lens.setdefault(lens.id, (lens, []))[1].append(record)
        for lens, group in by_lens.values():
            self._sort(group, self._meter.measure(lens, group))

    def _sort(self, records: Sequence[Record], measured: Measured) -> None:
        places: dict[tuple[int, str], list[int]] = {}
        for i, record in enumerate(records):
            places.setdefault((self.clock.tick(record.event_time), segment_of(record)), []).append(i)
        for place, chosen in places.items():
            texts = tuple(measured.texts[i] for i in chosen) if measured.texts else ()
            self._open.setdefault(place, _Open()).parts.append(Measured(measured.rows[chosen], texts, measured.names))

    def close(self, watermark: int | None = None) -> list[Pane]:
        """Panes of the ticks that ended at or before the watermark, in order of time, then segment."""
        bound = self.watermark if watermark is None else watermark
        done = sorted(place for place in self._open if place[0] + self.clock.tick_ms <= bound)
        return [self._pane(*place, self._open.pop(place)) for place in done]

    def finish(self) -> list[Pane]:
        """Panes of all ticks: the log has ended."""
        return self.close(self.newest + 2 * self.clock.tick_ms)

    def _pane(self, tick: int, segment: str, opened: _Open) -> Pane:
        rows = np.concatenate([part.rows for part in opened.parts])
        texts = [pair for part in opened.parts for pair in part.texts]
        rows, texts = self._distinct(rows, texts)
        used = {int(code) for code in np.unique(np.concatenate([rows["stratum"], rows["markers"].ravel()]))}
        names = {code: name for part in opened.parts for code, name in part.names.items() if code in used}
        span = (tick, tick + self.clock.tick_ms)
        return Pane.of(self._lens_of(segment).id, segment, span, rows, texts, names, size=self._sample)

    def _distinct(self, rows: Rows, texts: list[Texts]) -> tuple[Rows, list[Texts]]:
        """Calls whose id occurs once, or the one of smallest content hash."""
        order = np.lexsort([rows["content"], rows["call"]])
        calls = rows["call"][order]
        kept = np.sort(order[np.concatenate([[True], calls[1:] != calls[:-1]])])
        self.duplicates += len(rows) - len(kept)
        if len(kept) == len(rows):
            return rows, texts
        return rows[kept], [texts[i] for i in kept] if texts else []
