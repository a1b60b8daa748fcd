"""One partition of the calls topic: its records to panes, and what must be committed so that nothing is lost.

A function of the partition's log: whoever takes the partition over at a committed place, which travels as the commit's
metadata, publishes the panes that the one before would have published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from drift.errors import CorruptError
from drift.pane import Pane
from streams.checks import Rejected
from streams.measure import Meter, segment_of
from streams.observe import Clock, Observer, Reached, Sight
from streams.records import Record, decode

PENDING = 50
"""Cuts that may wait to be behind the committed offset; brokers keep 4 KiB of metadata."""

OUT_OF_TIME = "late"
BEYOND = "beyond_segments"


class Cut(msgspec.Struct, frozen=True, array_like=True):
    """From this offset on the watermark is at least this event time: the partition was idle there."""

    offset: int
    watermark: int


class Committed(msgspec.Struct, frozen=True):
    """All that must be known to read on from an offset: it is committed with it.

    Attributes
    ----------
    offset
        The first call that no published pane holds, or of a tick that is open.
    newest, last, floor
        How far the log had come there: see `streams.observe.Reached`; and the highest cut before it.
    cuts
        Cuts at or behind the offset.
    published
        Ticks that end at or before this event time are published: their calls are passed over.
    done
        Calls before this offset are counted, and their letters sent.
    counts
        Calls and what became of them, up to ``done``.
    """

    offset: int = 0
    newest: int = 0
    last: int = 0
    floor: int = 0
    cuts: tuple[Cut, ...] = ()
    published: int = 0
    done: int = 0
    counts: dict[str, int] = {}

    @property
    def metadata(self) -> str:
        """Text for the commit, without the offset."""
        return msgspec.json.encode({**msgspec.structs.asdict(self), "offset": 0}).decode()

    @classmethod
    def read(cls, offset: int, metadata: str) -> Committed:
        """Of a commit; one without metadata was made by somebody else, such as a reset of the group's offsets.

        Raises
        ------
        CorruptError
            The metadata are of another program, or of a release that this one does not read.
        """
        if not metadata:
            return cls(offset=offset, done=offset)
        try:
            return msgspec.structs.replace(msgspec.json.decode(metadata, type=cls), offset=offset)
        except msgspec.MsgspecError as error:
            raise CorruptError(
                f"the group's commit at offset {offset} was not made by this release of driftline ({error}): "
                "choose another kafka.group, or reset the group's offsets"
            ) from error


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of the topic, its timestamp in milliseconds since 1970."""

    offset: int
    timestamp: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that no pane will hold, and why."""

    incoming: Incoming
    reason: str
    field: str
    detail: str


@dataclass(slots=True)
class Taken:
    """What a batch brought about: panes of the ticks that it closed, and letters."""

    panes: list[Pane] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


class Partition:
    """The open ticks of a partition and how far it has come.

    Parameters
    ----------
    segments
        Segments of a tick that are measured; the calls of further ones are counted only.
    committed
        Where to read on.
    seen
        Told of every accepted call once, as it is read for the first time.

    Attributes
    ----------
    position
        Offset of the next record to read.
    """

    def __init__(
        self,
        meter: Meter,
        sight_of: Callable[[str, int], Sight],
        clock: Clock,
        committed: Committed,
        *,
        segments: int,
        seen: Callable[[Sequence[Record]], None] = lambda records: None,
    ) -> None:
        """Take the partition over."""
        self.clock = clock
        self.position = committed.offset
        self.counts = Counter(committed.counts)
        self._observer = Observer(meter, sight_of, clock)
        self._reached = Reached(committed.newest, committed.last)
        self._floor, self._cuts = committed.floor, committed.cuts
        self._published, self._done = committed.published, committed.done
        self._segments, self._seen = segments, seen
        self._open: dict[int, tuple[Committed, set[str]]] = {}  # by tick: the place of its first call, and segments
        self._duplicates = 0

    @property
    def watermark(self) -> int:
        """Event time below which no more panes are published."""
        return max(self._reached.newest - self.clock.lateness_ms, self._floor_at(self.position), self._published)

    @property
    def open_until(self) -> int:
        """End of the last open tick, 0 where none is open."""
        return max(self._open, default=-self.clock.tick_ms) + self.clock.tick_ms

    @property
    def committed(self) -> Committed:
        """What is to be committed once all panes and letters that were given out are safe."""
        return msgspec.structs.replace(
            self._place(), cuts=self._cuts, published=self._published, done=self._done, counts=dict(self.counts)
        )

    def take(self, batch: Sequence[Incoming]) -> Taken:
        """Measure the next records of the log and close the ticks that they complete."""
        taken = Taken()
        found = [(one, self._read(one, taken)) for one in batch]
        calls = [(one, record) for one, record in found if record is not None]
        if calls:
            self._observer.add(self._admitted(calls, taken))
        if batch:
            self.position = batch[-1].offset + 1
        taken.panes = self._close()
        self._done = max(self._done, self.position)
        return taken

    def passed(self, offset: int) -> None:
        """The log was read up to here, and held no more records than were taken."""
        self.position = max(self.position, offset)

    def cut(self, now_ms: int) -> bool:
        """Let ticks close that a live call could not reach any more, since the partition was read to its end.

        The cut must be committed before ``close`` publishes what it closes: whoever takes over then closes the same.

        Returns
        -------
        bool
            Whether there is a new cut.
        """
        bound = min(self.clock.tick(now_ms - self.clock.lateness_ms), self.open_until)
        if bound <= self.watermark or len(self._cuts) >= PENDING:
            return False
        ended = [tick for tick in self._open if tick + self.clock.tick_ms <= bound]
        if not ended:
            return False
        before = tuple(cut for cut in self._cuts if cut.offset < self.position)
        self._cuts = (*before, Cut(self.position, bound))
        return True

    def close(self) -> list[Pane]:
        """Panes of the ticks that a cut has closed."""
        return self._close()

    def _close(self) -> list[Pane]:
        bound = self.watermark
        panes = self._observer.close(bound)
        for tick in [tick for tick in self._open if tick + self.clock.tick_ms <= bound]:
            del self._open[tick]
        self._published = max(self._published, self.clock.tick(bound))
        self.counts["duplicates"] += self._observer.duplicates - self._duplicates
        self._duplicates = self._observer.duplicates
        self._floor = self._place().floor
        self._cuts = tuple(cut for cut in self._cuts if cut.watermark > self._floor)
        return panes

    def _place(self) -> Committed:
        """The place of the first call that is open, or the position."""
        here = Committed(self.position, self._reached.newest, self._reached.last, self._floor_at(self.position))
        return min((place for place, _ in self._open.values()), key=lambda place: place.offset, default=here)

    def _read(self, one: Incoming, taken: Taken) -> Record | None:
        found = decode(one.value, now_ms=one.timestamp)
        if isinstance(found, Record):
            return found
        self._refuse(taken, one, found)
        return None

    def _refuse(self, taken: Taken, one: Incoming, why: Rejected) -> None:
        if one.offset >= self._done:
            self.counts["rejected"] += 1
            self.counts[f"rejected_{why.reason}"] += 1
            taken.letters.append(Letter(one, str(why.reason), why.field, why.detail))

    def _admitted(self, calls: Sequence[tuple[Incoming, Record]], taken: Taken) -> list[Record]:
        """Records of open ticks; the late, the published and those of too many segments are counted and left out."""
        at = np.array([record.event_time for _, record in calls])
        offsets = np.array([one.offset for one, _ in calls])
        ticks = at - at % self.clock.tick_ms
        newest, floors = self._reached.course(at), self._floors(offsets)
        late = ticks + self.clock.tick_ms <= np.maximum(newest[:-1] - self.clock.lateness_ms, floors)
        again = ~late & (ticks + self.clock.tick_ms <= self._published)
        lasts = [self._reached.last, *at[:-1].tolist()]
        self._count(calls, late, offsets, taken)
        kept: list[Record] = []
        for i in np.flatnonzero(~late & ~again).tolist():
            tick, record = int(ticks[i]), calls[i][1]
            if tick not in self._open:
                self._open[tick] = Committed(int(offsets[i]), int(newest[i]), lasts[i], int(floors[i])), set()
            segments, name = self._open[tick][1], segment_of(record)
            if name in segments or len(segments) < self._segments:
                segments.add(name)
                kept.append(record)
            elif offsets[i] >= self._done:
                self.counts[BEYOND] += 1
        self._reached = Reached(int(newest[-1]), int(at[-1]))
        return kept

    def _count(
        self,
        calls: Sequence[tuple[Incoming, Record]],
        late: npt.NDArray[np.bool_],
        offsets: npt.NDArray[Any],
        taken: Taken,
    ) -> None:
        fresh = offsets >= self._done
        self.counts["calls"] += int(fresh.sum())
        self._seen([calls[i][1] for i in np.flatnonzero(fresh).tolist()])
        for i in np.flatnonzero(late & fresh).tolist():
            self.counts[OUT_OF_TIME] += 1
            detail = "event_time is further behind the newest call of its partition than lateness_s allows"
            taken.letters.append(Letter(calls[i][0], OUT_OF_TIME, "event_time", detail))

    def _floor_at(self, offset: int) -> int:
        """Event time of the highest cut that holds for a record at this offset."""
        return max([self._floor, *(cut.watermark for cut in self._cuts if cut.offset <= offset)])

    def _floors(self, offsets: npt.NDArray[Any]) -> npt.NDArray[Any]:
        floors = np.full(len(offsets), self._floor)
        for cut in self._cuts:
            floors[offsets >= cut.offset] = np.maximum(floors[offsets >= cut.offset], cut.watermark)
        return floors
