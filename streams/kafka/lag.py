"""How far the consumer groups are behind, and who is in them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.client import connection
from streams.kafka.reach import PATIENCE_MS, reaching
from streams.settings import Kafka

_PATIENCE_S = 15
_STARTING = (
    errors.GroupCoordinatorNotAvailableError,
    errors.GroupLoadInProgressError,
    errors.NotCoordinatorForGroupError,
)


@dataclass(frozen=True, slots=True)
class Behind:
    """How far a group is behind in one partition; ``committed`` is None where it has committed nothing."""

    partition: int
    committed: int | None
    begin: int
    end: int

    @property
    def lag(self) -> int:
        """Records that are still to be read; those that were deleted meanwhile do not count."""
        return self.end - max(self.begin, self.committed or 0)


@dataclass(frozen=True, slots=True)
class Lag:
    """A group, the topic it reads, and its members: the hosts they run on."""

    group: str
    topic: str
    partitions: tuple[Behind, ...]
    hosts: tuple[str, ...]

    @property
    def total(self) -> int:
        """Records of all partitions that are still to be read."""
        return sum(one.lag for one in self.partitions)

    @property
    def idle(self) -> bool:
        """Whether the group has never committed anything."""
        return all(one.committed is None for one in self.partitions)


async def lags(kafka: Kafka) -> list[Lag]:
    """Both groups of the service: observers on calls, judges on panes; none of a topic that is not there.

    Raises
    ------
    ClusterError
        The cluster cannot be reached, or refuses what is asked.
    """
    pairs = ((kafka.consumers("observe"), kafka.topic("calls")), (kafka.consumers("judge"), kafka.topic("panes")))
    async with reaching(kafka):
        admin = AIOKafkaAdminClient(**connection(kafka, "admin"), request_timeout_ms=PATIENCE_MS)
        consumer = AIOKafkaConsumer(
            **connection(kafka, "lag"), request_timeout_ms=PATIENCE_MS, enable_auto_commit=False
        )
        try:
            await admin.start()
            await consumer.start()
            found = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics([t for _, t in pairs])}
            return [await _lag(admin, consumer, *pair, found[pair[1]]) for pair in pairs if found.get(pair[1])]
        finally:
            await consumer.stop()
            await admin.close()


async def _lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, topic: str, number: int) -> Lag:
    coordinator = await _coordinator(admin, group)
    partitions = [TopicPartition(topic, one) for one in range(number)]
    begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    committed = await admin.list_consumer_group_offsets(group, coordinator, partitions)
    behind = tuple(
        Behind(one.partition, None if (at := committed[one].offset) < 0 else at, begins[one], ends[one])
        for one in partitions
    )
    return Lag(group, topic, behind, await _hosts(admin, group, coordinator))


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """The broker that keeps a group's offsets; a new cluster takes a moment to have one."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                found: int = await admin.find_coordinator(group)
                return found
            except _STARTING:
                await asyncio.sleep(0.2)


async def _hosts(admin: AIOKafkaAdminClient, group: str, coordinator: int) -> tuple[str, ...]:
    answers: list[Any] = await admin.describe_consumer_groups([group], coordinator)
    members = [member for answer in answers for one in answer.groups for member in one[5]]
    return tuple(sorted(str(member[2]).lstrip("/") for member in members))
