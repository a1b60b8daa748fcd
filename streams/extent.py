"""How far a log in partitions must be read for the calls that are wanted: decided by event times alone.

Nothing here depends on how the records of different partitions are interleaved when they are read.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.measure import segment_of
from streams.observe import Clock
from streams.records import Record


@dataclass(frozen=True, slots=True)
class Wanted:
    """Calls from ``start`` until before ``end``; of some segments, where they are named, only the ``first``."""

    start: int | None = None
    end: int | None = None
    first: int | None = None
    segments: tuple[str, ...] = ()

    def holds(self, at: int) -> bool:
        """Whether an event time lies between start and end."""
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)


@dataclass(slots=True)
class _Partition:
    """The largest event time that two calls in a row have reached, and that of the last one."""

    newest: int = 0
    last: int = 0

    def take(self, at: int) -> None:
        self.newest, self.last = max(self.newest, min(at, self.last)), at


@dataclass(slots=True)
class Extent:
    """What was read so far of a log in partitions, and whether more is needed.

    A partition need not be read beyond the point where whatever follows is late for the wanted calls. Where the first
    calls of named segments are wanted, late ones are left out, and all partitions may stop once nothing that is in time
    can come before the last of those.

    Attributes
    ----------
    late
        Calls left out for being late.
    """

    wanted: Wanted
    clock: Clock
    late: int = 0
    _partitions: dict[int, _Partition] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _times: dict[str, list[int]] = field(default_factory=dict)

    def begin(self, numbers: Iterable[int]) -> None:
        """Nothing is read yet of these partitions."""
        self._partitions = {number: _Partition() for number in numbers}
        self._times = {name: [] for name in self.wanted.segments}

    def take(self, number: int, record: Record) -> bool:
        """Whether the next call of a partition is wanted."""
        partition, at = self._partitions[number], record.event_time
        late = self.clock.tick(at) + self.clock.tick_ms <= partition.newest - self.clock.lateness_ms
        partition.take(at)
        if not self.wanted.holds(at):
            return False
        if self.wanted.first and late:
            self.late += 1
            return False
        self._count(record)
        return True

    def end(self, number: int) -> None:
        """A partition was read to its end."""
        self._ended.add(number)

    def beyond(self, number: int) -> bool:
        """Whether whatever follows in a partition is too late to be wanted."""
        return self.wanted.end is not None and self._watermark(number) >= self.wanted.end

    @property
    def enough(self) -> bool:
        """Whether the first calls of all named segments are there."""
        wanted = self.wanted.first
        if not (wanted and self._times) or any(len(times) < wanted for times in self._times.values()):
            return False
        last = max(self.clock.tick(times[-1]) + self.clock.tick_ms for times in self._times.values())
        return all(self._watermark(number) >= last for number in self._partitions if number not in self._ended)

    def _watermark(self, number: int) -> int:
        return self._partitions[number].newest - self.clock.lateness_ms

    def _count(self, record: Record) -> None:
        """Keep the earliest times of a named segment, as many as are wanted."""
        times, first = self._times.get(segment_of(record)) if self._times else None, self.wanted.first
        if times is not None and first and (len(times) < first or record.event_time < times[-1]):
            insort(times, record.event_time)
            del times[first:]
