"""Topics for tests of what is sent: made, and read whole."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.settings import Kafka


class Sent(NamedTuple):
    """A record of a topic, without what is not asked about."""

    key: bytes
    value: bytes


def make(kafka: Kafka, *names: str, partitions: int = 3, **configs: str) -> None:
    """Topics of these settings."""

    async def made() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.brokers)
        await admin.start()
        try:
            new = [NewTopic(kafka.topic(name), partitions, 1, topic_configs=configs) for name in names]
            await admin.create_topics(new)
        finally:
            await admin.close()

    asyncio.run(made())


def read(kafka: Kafka, name: str = "calls") -> dict[int, list[Sent]]:
    """All that a topic holds, by partition."""
    return asyncio.run(_read(kafka, name))


async def _read(kafka: Kafka, name: str) -> dict[int, list[Sent]]:
    found: dict[int, list[Sent]] = defaultdict(list)
    consumer = AIOKafkaConsumer(kafka.topic(name), bootstrap_servers=kafka.brokers, auto_offset_reset="earliest")
    async with consumer:
        parts = [TopicPartition(kafka.topic(name), one) for one in consumer.partitions_for_topic(kafka.topic(name))]
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=500)).items():
                found[part.partition] += [Sent(one.key, one.value) for one in records]
    return found


def commit(kafka: Kafka, group: str, name: str, offsets: dict[int, int]) -> None:
    """What a group has done of a topic."""

    async def committed() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.brokers, group_id=kafka.group + group)
        async with consumer:
            parts = {TopicPartition(kafka.topic(name), part): offset for part, offset in offsets.items()}
            consumer.assign(list(parts))
            await consumer.commit(parts)

    asyncio.run(committed())


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Return once it is true; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
