"""Closed ticks of the topic of panes, read in no group, into an archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from drift.errors import CorruptError
from streams import wire
from streams.archive import BUFFER_BYTES, Added, Archive
from streams.archive_rows import Row
from streams.extent import Wanted
from streams.kafka.read import PATIENCE_S, Span, TopicLines
from streams.kafka.stretch import SKEW_MS
from streams.ledger import Closed, Ledger, Place
from streams.observe import Clock
from streams.settings import Kafka
from streams.wire import Mark, Message

Warn = Callable[[str], None]


class Export:
    """One export of a topic into an archive, as far as the topic reaches when reading begins.

    Parameters
    ----------
    wanted
        Ticks from its start until before its end, of its segments. Where it names none of these, the export goes on
        where the last one stopped.

    Attributes
    ----------
    open
        After it has run: panes of ticks that are not complete yet.
    """

    def __init__(
        self,
        kafka: Kafka,
        archive: Archive,
        wanted: Wanted,
        clock: Clock,
        *,
        warn: Warn = lambda text: None,
        patience_s: float = PATIENCE_S,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self.open = 0
        self._added = Added()
        self._archive, self._wanted, self._buffer_bytes = archive, wanted, buffer_bytes
        self._topic = kafka.topic("panes")
        self._name = f"{self._topic} at {kafka.brokers}"
        self._whole = wanted == Wanted()
        places = archive.places(self._name) if self._whole else {}
        written = None if wanted.start is None else wanted.start - clock.lateness_ms - SKEW_MS
        self._lines = _PaneLines(kafka, self._topic, Wanted(written), clock, places, warn, patience_s=patience_s)
        self._logs: dict[int, _Log] = {}
        self._rows: list[Row] = []
        self._held = 0

    def run(self, progress: Callable[[float], None] = lambda share: None) -> Added:
        """Read and write.

        Raises
        ------
        SettingsError
            No cluster is named.
        SourceError
            The cluster cannot be reached or has no such topic, or the archive cannot be written.
        BrokenOffError
            The cluster went away meanwhile; what was written by then is whole, the next export goes on from there.
        CorruptError
            A message is no pane.
        """
        for line in self._lines.lines(progress):
            place = f"topic {self._topic}, partition {line.partition}, offset {line.number}"
            try:
                message = wire.decode(line.data)
                log = self._log(line.partition)
                for closed in log.add(line.number, message):
                    self._keep(line.partition, closed)
            except CorruptError as error:
                raise CorruptError(f"{place}: {error}; export up to its time by --to, and from behind it on") from error
            if self._wanted.end is not None and log.ledger.closed >= self._wanted.end:
                self._lines.done.add(line.partition)
            if self._held >= self._buffer_bytes:
                self._write()
        self._write()
        self.open = sum(log.ledger.held for log in self._logs.values())
        return self._added

    def _log(self, partition: int) -> _Log:
        if partition not in self._logs:
            self._logs[partition] = _Log(self._lines.places[partition], self._lines.cut[partition])
        return self._logs[partition]

    def _keep(self, partition: int, closed: Closed) -> None:
        wanted = self._wanted
        if wanted.holds(closed.tick) and (not wanted.segments or closed.segment in wanted.segments):
            self._rows += [Row.of(sent, partition, closed.offset) for sent in closed.panes]
            self._held += sum(len(sent.pane) for sent in closed.panes)

    def _write(self) -> None:
        if self._rows:
            self._added = self._added.plus(self._archive.add(self._rows))
        if self._whole and self._logs:
            there = self._archive.places(self._name)
            self._archive.exported(self._name, there | {n: log.ledger.place for n, log in self._logs.items()})
        self._rows, self._held = [], 0


class _Log:
    """One partition of the topic: its ledger and, where its beginning is gone, which ticks may lack panes by that."""

    def __init__(self, place: Place, cut: bool) -> None:
        self.ledger, self._cut = Ledger(place), cut
        self._first: dict[int, int] = {}  # by source: the first watermark that was seen

    def add(self, offset: int, message: Message) -> list[Closed]:
        if self._cut and isinstance(message, Mark):
            self._first.setdefault(message.source, message.watermark)
        closed = self.ledger.add(offset, message)
        if not self._cut or not closed:
            return closed
        sure = max(self._first.values())
        return [one for one in closed if one.panes[0].end > sure]


class _PaneLines(TopicLines):
    """Messages of the topic of panes from where an export stopped.

    Attributes
    ----------
    places, cut
        By partition: where its ledger begins, and whether messages before that are gone.
    done
        Partitions of which no more is wanted.
    """

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        wanted: Wanted,
        clock: Clock,
        places: Mapping[int, Place],
        warn: Warn,
        *,
        patience_s: float,
    ) -> None:
        super().__init__(kafka, topic, wanted, clock, patience_s=patience_s)
        self.places, self.cut, self.done = dict(places), dict[int, bool](), set[int]()
        self._warn = warn

    async def _spans(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, Span]:
        spans = await super()._spans(consumer)
        earliest = await consumer.beginning_offsets(list(spans))
        for one, span in spans.items():
            place, which = self.places.get(one.partition), f"topic {one.topic}, partition {one.partition}"
            if place and place.offset > span.end:
                self._warn(f"{which} was exported to offset {place.offset}, but ends at {span.end}: it was made anew")
            elif place and place.offset < span.start:
                self._warn(f"{which}: messages {place.offset} to {span.start} are gone, by retention: there is a gap")
            elif place:
                consumer.seek(one, place.offset)
                spans[one] = Span(place.offset, span.end)
                self.cut[one.partition] = False
                continue
            self.places[one.partition] = Place(offset=span.start)
            self.cut[one.partition] = earliest[one] > 0
        return spans

    def _left(self, spans: Mapping[TopicPartition, Span], at: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        return [one for one in super()._left(spans, at) if one.partition not in self.done]
