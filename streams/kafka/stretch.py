"""Partitions of a topic between two offsets each, read in no group, committing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import NamedTuple

from aiokafka import ConsumerRecord

from drift.errors import BrokenOffError, SettingsError
from streams.kafka.reach import reaching
from streams.kafka.read import PATIENCE_S, more
from streams.kafka.topic import reader
from streams.records import DEFAULT_LIMITS
from streams.replaying import Span
from streams.settings import Kafka

SKEW_MS = 3_600_000
"""How far the clocks of apps, brokers and workers may differ at most."""


class Stretch(NamedTuple):
    """Offsets of a partition: from ``start`` until before ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many."""
        return max(self.end - self.start, 0)


def stretches(
    kafka: Kafka, topic: str, span: Span, lateness_ms: int, wanted: Mapping[int, tuple[int | None, int | None]]
) -> dict[int, Stretch]:
    """What must be read of each partition, as far as it reaches now.

    Nothing that bears on a tick of the span was written earlier than this before it: no call is accepted that was
    written longer than five minutes before its event time, and a watermark stays behind by the lateness; for clocks
    that differ there is an hour more.

    Parameters
    ----------
    wanted
        Offsets by partition, where they are given: of the others nothing is read then.

    Raises
    ------
    SettingsError
        Offsets are given of a partition that there is not, or that it does not hold.
    """
    return asyncio.run(_stretches(kafka, topic, span, lateness_ms, wanted))


async def _stretches(
    kafka: Kafka, topic: str, span: Span, lateness_ms: int, wanted: Mapping[int, tuple[int | None, int | None]]
) -> dict[int, Stretch]:
    async with reader(kafka, topic, "replay") as consumer, reaching(kafka):
        every = sorted(consumer.assignment())
        starts, ends = await consumer.beginning_offsets(every), await consumer.end_offsets(every)
        if span.start is not None and not wanted:
            written = max(span.start - DEFAULT_LIMITS.ahead_ms - lateness_ms - SKEW_MS, 0)
            places = await consumer.offsets_for_times(dict.fromkeys(every, written))
            starts = {one: max(starts[one], place.offset) if place else ends[one] for one, place in places.items()}
    found = {one.partition: Stretch(starts[one], ends[one]) for one in every}
    return {number: _given(topic, number, found, *given) for number, given in sorted(wanted.items())} or found


def _given(topic: str, number: int, found: Mapping[int, Stretch], start: int | None, end: int | None) -> Stretch:
    if number not in found:
        raise SettingsError(
            f"--offsets: topic {topic} has no partition {number}; it has 0 to {max(found)}, {len(found)} of them"
        )
    there = found[number]
    low, high = there.start if start is None else start, there.end if end is None else end
    if not there.start <= low < high <= there.end:
        raise SettingsError(
            f"--offsets {number}:{low}-{high}: partition {number} of topic {topic} holds {there.start}-{there.end}"
        )
    return Stretch(low, high)


class Batch(NamedTuple):
    """Records of a partition, and the offset up to which it was read with them."""

    partition: int
    records: list[ConsumerRecord[bytes, bytes]]
    position: int


class Stretches:
    """Reads stretches of a topic; whoever has enough of a partition says so by ``leave``.

    Attributes
    ----------
    patience_s
        Seconds without any answer after which reading breaks off.
    """

    def __init__(
        self, kafka: Kafka, topic: str, wanted: Mapping[int, Stretch], *, patience_s: float = PATIENCE_S
    ) -> None:
        """Prepare; nothing is connected before ``batches`` is read."""
        self.patience_s = patience_s
        self._kafka, self._topic, self._wanted = kafka, topic, dict(wanted)
        self._left = {number for number, one in wanted.items() if one.size}

    def leave(self, partition: int) -> None:
        """Read no more of a partition."""
        self._left.discard(partition)

    def batches(self) -> Iterator[Batch]:
        """Records as they come, those of a partition in their order; the last of each comes though it is empty.

        Raises
        ------
        SourceError
            The cluster cannot be reached, or has no such topic.
        BrokenOffError
            The cluster went away meanwhile, or the topic no longer holds what is to be read.
        """
        if not self._left:
            return
        batches = self._batches()

        async def following() -> Batch | None:
            return await anext(batches, None)

        with asyncio.Runner() as runner:
            try:
                while (batch := runner.run(following())) is not None:
                    yield batch
            finally:
                runner.run(batches.aclose())

    async def _batches(self) -> AsyncGenerator[Batch, None]:
        async with reader(self._kafka, self._topic, "replay", set(self._left)) as consumer, reaching(self._kafka):
            at = {one: self._wanted[one.partition].start for one in sorted(consumer.assignment())}
            earliest = await consumer.beginning_offsets(list(at))
            for one, start in at.items():
                if earliest[one] > start:
                    raise BrokenOffError(
                        f"topic {self._topic}, partition {one.partition}: messages {start} to {earliest[one]} are "
                        "gone, by retention: replay from a later time"
                    )
                consumer.seek(one, start)
            while left := [one for one in at if one.partition in self._left]:
                here = {one: at[one] for one in left}
                found, now = await more(self._kafka, consumer, here, self.patience_s, "replay again")
                at |= now
                for one in left:
                    end = self._wanted[one.partition].end
                    if at[one] >= end:
                        self.leave(one.partition)
                    if one in found or at[one] >= end:
                        records = [record for record in found.get(one, []) if record.offset < end]
                        yield Batch(one.partition, records, min(at[one], end))
