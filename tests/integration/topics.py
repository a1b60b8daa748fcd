"""What several tests do with topics: make them, fill them, trim them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from streams.kafka.client import connection
from streams.settings import Kafka

Sent = tuple[int, bytes | None, bytes | None]
"""Partition, key and value of a record."""


async def create(kafka: Kafka, name: str, partitions: int = 1, **configs: str) -> str:
    """A topic that keeps whatever it is given, however old that says it is; its whole name."""
    configs = {"retention.ms": "-1", **configs}
    admin = AIOKafkaAdminClient(**connection(kafka, "tests"))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(kafka.topic(name), partitions, 1, topic_configs=configs)])
    finally:
        await admin.close()
    return kafka.topic(name)


async def trim(kafka: Kafka, topic: str, before: Mapping[int, int]) -> None:
    """Take away what lies before an offset of each of these partitions, as retention does."""
    admin = AIOKafkaAdminClient(**connection(kafka, "tests"))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, n): RecordsToDelete(at) for n, at in before.items()})
    finally:
        await admin.close()


async def send(kafka: Kafka, topic: str, records: Iterable[Sent], *, written_ms: int | None = None) -> None:
    """Put records into a topic, each partition's in their order."""
    producer = AIOKafkaProducer(**connection(kafka, "tests"), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for partition, key, value in records:
            await producer.send(topic, value, key=key, partition=partition, timestamp_ms=written_ms)
    finally:
        await producer.stop()
