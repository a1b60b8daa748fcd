"""What a replay needs of a cluster besides panes: what was decided, and a topic to publish to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaProducer, ConsumerRecord

from drift.errors import CorruptError
from streams.cluster import Kafka
from streams.kafka.client import connection
from streams.kafka.following import Follower
from streams.kafka.reach import reaching
from streams.kafka.topic import partitions
from streams.moves import Decision, decode

LARGEST = 1 << 24


class Decisions(Follower):
    """Everything that was ever decided, as it was announced.

    Attributes
    ----------
    found
        Moves of all tags, and acknowledgements.
    """

    def __init__(self, kafka: Kafka, warn: Callable[[str], None]) -> None:
        super().__init__(kafka, "baselines", "replay")
        self.found: list[Decision] = []
        self._warn = warn

    def learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """Learn of a decision; what is none is told, and passed over."""
        try:
            self.found += [decode(record.value)] if record.value is not None else []
        except CorruptError as error:
            self._warn(f"{record.topic} at {record.offset} is passed over: {error}")


def decisions(kafka: Kafka, warn: Callable[[str], None]) -> tuple[Decision, ...]:
    """Moves of tags and acknowledgements that were announced by now.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no topic for them.
    """

    async def read() -> Decisions:
        one = Decisions(kafka, warn)
        await one.start()
        await one.stop()
        return one

    return tuple(asyncio.run(read()).found)


def publish(kafka: Kafka, topic: str, records: Sequence[tuple[str, str, bytes]]) -> None:
    """Send records of alarms, each with its segment as the key and the trial's name in the header ``judged_by``.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no such topic.
    """

    async def send() -> None:
        async with reaching(kafka):
            producer = AIOKafkaProducer(
                **connection(kafka, "replay"), acks="all", enable_idempotence=True, max_request_size=LARGEST
            )
            try:
                await producer.start()
                waiting = [
                    await producer.send(topic, data, key=segment.encode(), headers=[("judged_by", name.encode())])
                    for segment, name, data in records
                ]
                await asyncio.gather(*waiting)
            finally:
                await producer.stop()

    asyncio.run(send())


def check_topic(kafka: Kafka, topic: str) -> None:
    """Refuse to publish to a topic that is not there.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no such topic.
    """
    asyncio.run(partitions(kafka, topic, "replay"))
