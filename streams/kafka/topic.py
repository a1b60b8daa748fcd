"""One topic read whole, by a consumer that belongs to no group and commits nothing."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient

from drift.errors import SourceError
from streams.kafka.client import connection
from streams.kafka.reach import reaching
from streams.settings import Kafka

FETCH = 1 << 22
"""Bytes of a partition that are asked for at once."""

_LOOKS, _LOOK_S = 10, 0.5


@asynccontextmanager
async def reader(
    kafka: Kafka, topic: str, role: str, only: Collection[int] | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of all partitions of a topic, from their beginnings; of transactions only what was committed.

    Parameters
    ----------
    only
        Of these partitions only.

    Raises
    ------
    SettingsError
        No cluster is named.
    ClusterError
        The cluster cannot be reached.
    SourceError
        It has no such topic.
    """
    found = [one for one in await partitions(kafka, topic, role) if only is None or one.partition in only]
    consumer = AIOKafkaConsumer(
        **connection(kafka, role),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=FETCH,
    )
    try:
        async with reaching(kafka):
            await consumer.start()
        consumer.assign(found)
        yield consumer
    finally:
        await stop(consumer)


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, even one whose broker is away: its own stopping would then pass for a cancellation of ours."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        await consumer._client.close()  # what it had not come to
        if (task := asyncio.current_task()) and task.cancelling():
            raise


async def partitions(kafka: Kafka, topic: str, role: str) -> list[TopicPartition]:
    """The partitions of a topic.

    Raises
    ------
    SettingsError
        No cluster is named.
    ClusterError
        The cluster cannot be reached.
    SourceError
        It has no such topic.
    """
    async with reaching(kafka):
        client = AIOKafkaClient(**connection(kafka, role))
        try:
            await client.bootstrap()
            cluster = await client.fetch_all_metadata()
            for _ in range(_LOOKS):  # a broker that has just started knows no topic at all for a moment
                if cluster.topics():
                    break
                await asyncio.sleep(_LOOK_S)
                cluster = await client.fetch_all_metadata()
        finally:
            await client.close()
    numbers = cluster.partitions_for_topic(topic)
    if not numbers:
        raise SourceError(_missing(topic, cluster.topics()))
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def _missing(topic: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(topic, known, 3, 0.4)
    hint = f"; there is {', '.join(near)}" if near else ""
    remedy = "check its name and kafka.prefix, or make it: driftline topics create"
    return f"there is no topic {topic!r} in the cluster{hint}: {remedy}"
