"""A topic read like a file: as far as it reached when reading began, without a consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from drift.errors import BrokenOffError
from streams.extent import Extent, Wanted
from streams.kafka.reach import reaching
from streams.kafka.topic import reader
from streams.observe import Clock
from streams.records import DEFAULT_LIMITS
from streams.settings import Kafka
from streams.sources import Line

PATIENCE_S = 60.0
"""Seconds without any answer after which reading breaks off."""

_POLL_MS = 500
_BATCH = 2000


class Span(NamedTuple):
    """Offsets of a partition that are to be read."""

    start: int
    end: int


class TopicLines:
    """Records of a topic: one partition's in their order, those of several as they come.

    Parameters
    ----------
    wanted, clock
        Which calls are wanted, and when one is late. Records written before any wanted call are jumped over, and
        reading stops as soon as none can follow; for that each call must be shown to ``extent`` before the next record
        is asked for.

    Attributes
    ----------
    extent
        How far the topic was read.
    """

    def __init__(
        self, kafka: Kafka, topic: str, wanted: Wanted, clock: Clock, *, patience_s: float = PATIENCE_S
    ) -> None:
        self.extent = Extent(wanted, clock)
        self._kafka, self._topic, self._patience_s = kafka, topic, patience_s

    def lines(self, progress: Callable[[float], None] = lambda share: None) -> Iterator[Line]:
        """Records with their partition, offset and time of writing; ``progress`` is told the share that was read.

        Raises
        ------
        SettingsError
            No cluster is named.
        SourceError
            The cluster cannot be reached, or has no such topic.
        BrokenOffError
            The cluster went away meanwhile.
        """
        batches = self._batches(progress)

        async def following() -> list[Line] | None:
            return await anext(batches, None)

        with asyncio.Runner() as runner:
            try:
                while (batch := runner.run(following())) is not None:
                    for line in batch:
                        if not self.extent.beyond(line.partition):  # by what came just before
                            yield line
            finally:
                runner.run(batches.aclose())

    async def _batches(self, progress: Callable[[float], None]) -> AsyncGenerator[list[Line], None]:
        async with reader(self._kafka, self._topic, "read") as consumer, reaching(self._kafka):
            spans = await self._spans(consumer)
            self.extent.begin([one.partition for one in spans])
            at = {one: span.start for one, span in spans.items()}
            total = sum(span.end - span.start for span in spans.values())
            while left := self._left(spans, at):
                here = {one: at[one] for one in left}
                found, now = await more(self._kafka, consumer, here, self._patience_s, "read it again")
                for partition, records in found.items():
                    yield [_line(record) for record in records if record.offset < spans[partition].end]
                at |= now
                progress(sum(min(at[one], span.end) - span.start for one, span in spans.items()) / total)

    async def _spans(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, Span]:
        """What is there now, less what was written too early to be wanted."""
        found = consumer.assignment()
        starts, ends = await consumer.beginning_offsets(found), await consumer.end_offsets(found)
        since = self.extent.wanted.start
        if since is not None:  # no call is accepted that was written longer than this before its event time
            written = max(since - DEFAULT_LIMITS.ahead_ms, 0)
            places = await consumer.offsets_for_times(dict.fromkeys(found, written))
            starts = {one: max(starts[one], place.offset) if place else ends[one] for one, place in places.items()}
        for one in found:
            consumer.seek(one, starts[one])
        return {one: Span(starts[one], ends[one]) for one in sorted(found)}

    def _left(self, spans: Mapping[TopicPartition, Span], at: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Partitions of which more must be read."""
        left = []
        for one, span in spans.items():
            if at[one] < span.end and not self.extent.beyond(one.partition):
                left.append(one)
            else:
                self.extent.end(one.partition)
        return [] if self.extent.enough else left


async def more(
    kafka: Kafka, consumer: AIOKafkaConsumer, at: Mapping[TopicPartition, int], patience_s: float, then: str
) -> tuple[dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]], dict[TopicPartition, int]]:
    """The next records of these partitions, and where they stand then, which moves over what holds no records too.

    Parameters
    ----------
    at
        Where each of them stands; all are of one topic.
    patience_s
        Seconds without any answer after which reading breaks off.
    then
        What is to be done once the brokers run again.

    Raises
    ------
    BrokenOffError
        There was no answer for too long.
    """
    try:
        async with asyncio.timeout(patience_s):
            while True:
                found = await consumer.getmany(*at, timeout_ms=_POLL_MS, max_records=_BATCH)
                now = {one: await consumer.position(one) for one in at}
                if now != at:
                    return found, now
    except TimeoutError as error:
        raise BrokenOffError(
            f"topic {next(iter(at)).topic} is cut off: Kafka at {kafka.brokers} gave no more records for "
            f"{patience_s:.0f} s; see that the brokers run, then {then}"
        ) from error


def _line(record: ConsumerRecord[bytes, bytes]) -> Line:
    written = record.timestamp if record.timestamp >= 0 else None
    return Line(record.offset, record.value or b"", partition=record.partition, written_ms=written)
