"""Calls measured again, partition by partition, as the live observer does: their panes, and how far they reach.

Everything goes through `streams.partition.Partition`, so that panes are those of the live service, byte for byte, where
the embedder is exact, the lens the same, and no idle partition had let ticks close before their last calls came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from drift import pane as panes
from models.base import Embedder
from streams.building import in_order, observed
from streams.measure import Meter, Unseen, segment_of
from streams.measures import ArchivedMeter
from streams.observe import EVER, Clock, Observer, Sight
from streams.partition import Committed, Incoming, Partition, Taken
from streams.records import Record
from streams.replaying import Span
from streams.wire import Mark, Message, Sent

FAST = 1
"""Level of compression of panes, as the observer's: equal panes are equal bytes."""


class _Chosen(Partition):
    """A partition of which only some segments and ticks are measured; what is late is decided by all of its calls."""

    chosen: Collection[str] | None = None
    span = Span()

    def _admitted(self, calls: Sequence[tuple[Incoming, Record]], taken: Taken) -> list[Record]:
        found = super()._admitted(calls, taken)
        return [one for one in found if _wanted(one, self.clock, self.span, self.chosen)]


def _wanted(record: Record, clock: Clock, span: Span, chosen: Collection[str] | None) -> bool:
    return span.holds(clock.tick(record.event_time)) and (chosen is None or segment_of(record) in chosen)


class Remeasuring:
    """Several partitions of calls.

    Parameters
    ----------
    sources
        Their numbers.
    chosen
        Segments to measure, None for all.
    starts
        Offset of each partition's first record.
    """

    def __init__(
        self,
        meter: Meter,
        sight_of: Callable[[str, int], Sight],
        clock: Clock,
        sources: Iterable[int],
        *,
        segments: int,
        span: Span,
        chosen: Collection[str] | None = None,
        starts: Callable[[int], int] = lambda source: 0,
    ) -> None:
        self._partitions: dict[int, _Chosen] = {}
        self._clock, self._span = clock, span
        for source in sources:
            place = Committed(offset=starts(source), done=starts(source))
            one = _Chosen(meter, sight_of, clock, place, segments=segments)
            one.chosen, one.span = chosen, span
            self._partitions[source] = one

    @property
    def counts(self) -> Counter[str]:
        """Calls and what became of them."""
        return sum((one.counts for one in self._partitions.values()), Counter())

    def begin(self) -> list[Message]:
        """What is to be said before anything is read: how many partitions there are."""
        return [Mark(source, len(self._partitions), 0, 0) for source in self._partitions]

    def take(self, source: int, batch: Sequence[Incoming]) -> list[Message]:
        """Panes of the ticks that the next records of a partition complete, and how far it reaches then."""
        one = self._partitions[source]
        return self._told(source, one.take(batch).panes, self._clock.tick(max(one.watermark, 0)))

    def beyond(self, source: int) -> bool:
        """Whether whatever follows in a partition is too late for the span."""
        return self._span.end is not None and self._partitions[source].watermark >= self._span.end + self._clock.tick_ms

    def end(self, source: int) -> list[Message]:
        """The last panes of a partition: its log has ended, or the rest of it is not wanted."""
        one = self._partitions[source]
        one.cut(EVER)
        return self._told(source, one.close(), EVER)

    def _told(self, source: int, found: Sequence[panes.Pane], watermark: int) -> list[Message]:
        position = self._partitions[source].position
        return [*_sent(source, found), Mark(source, len(self._partitions), watermark, position)]


class FromMeasures:
    """Calls whose measures an archive keeps, a day at a time, as one partition that none of them is late in.

    Parameters
    ----------
    chosen
        Segments to measure, None for all.
    """

    def __init__(
        self,
        embedder: Embedder,
        sight_of: Callable[[str, int], Sight],
        clock: Clock,
        *,
        span: Span,
        chosen: Collection[str] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._embedder, self._sight_of, self._clock = embedder, sight_of, clock
        self._span, self._chosen = span, chosen

    def begin(self) -> list[Message]:
        """What is to be said before anything is read."""
        return [Mark(0, 1, 0, 0)]

    def take(self, source: int, day: Unseen) -> list[Message]:
        """Panes of a day: no tick reaches into another."""
        meter, clock = ArchivedMeter(self._embedder, [day]), self._clock
        records = in_order(one for one in meter.records if _wanted(one, clock, self._span, self._chosen))
        observer = Observer(meter, self._sight_of, clock)
        found = observed(observer, records)
        self.counts.update(calls=len(records), duplicates=observer.duplicates)
        return [*_sent(source, found), Mark(source, 1, max((one.end for one in found), default=0), 0)]

    def beyond(self, source: int) -> bool:
        """Never: only the days that are wanted are read."""
        return False

    def end(self, source: int) -> list[Message]:
        """There is no more."""
        return [Mark(source, 1, EVER, 0)]


def _sent(source: int, found: Iterable[panes.Pane]) -> list[Message]:
    return [
        Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, panes.encode(pane, level=FAST))
        for pane in found
    ]
