"""Whether the service has judged what is in the topic of calls: how far its consumer groups are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, NotCoordinatorForGroupError

from drift.errors import BrokenOffError, SourceError
from streams.kafka.client import connection
from streams.settings import Kafka

STAGES: tuple[tuple[Literal["observe", "judge"], Literal["calls", "panes"]], ...] = (
    ("observe", "calls"),
    ("judge", "panes"),
)
"""Stages, and the topics their consumer groups read."""
POLL_S = 0.5


@asynccontextmanager
async def positions(kafka: Kafka) -> AsyncIterator[Positions]:
    """A connection to ask for several positions.

    Raises
    ------
    BrokenOffError
        The brokers cannot be reached, now or meanwhile.
    """
    arguments = connection(kafka, "judged")
    consumer = AIOKafkaConsumer(**arguments, enable_auto_commit=False)
    admin = AIOKafkaAdminClient(**arguments)
    try:
        await consumer.start()
        await admin.start()
        yield Positions(kafka, consumer, admin)
    except (KafkaError, OSError) as error:
        raise BrokenOffError(f"Kafka at {kafka.brokers} cannot be asked: {error}") from error
    finally:
        await consumer.stop()
        await admin.close()


class Positions:
    """Ends of topics, and what groups have committed."""

    def __init__(self, kafka: Kafka, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        self._kafka, self._consumer, self._admin = kafka, consumer, admin

    async def ends(self, topic: str) -> dict[int, int]:
        """Offset behind the last record of each partition.

        Raises
        ------
        SourceError
            There is no such topic.
        """
        parts = await self._partitions(topic)
        return {part.partition: end for part, end in (await self._consumer.end_offsets(parts)).items()}

    async def lag(self, group: str, topic: str, ends: Mapping[int, int] | None = None) -> dict[int, int]:
        """Records of each partition, before these ends or the present ones, that the group has not committed yet.

        Where it has committed nothing at all, these are all that the partition still holds.
        """
        ends = await self.ends(topic) if ends is None else ends
        done = await self._committed(group, topic)
        if missing := ends.keys() - done.keys():
            starts = await self._consumer.beginning_offsets([TopicPartition(topic, one) for one in missing])
            done |= {part.partition: start for part, start in starts.items()}
        return {partition: max(0, end - done[partition]) for partition, end in sorted(ends.items())}

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        (found,) = await self._admin.describe_topics([topic])
        if not found["partitions"]:
            raise SourceError(
                f"there is no topic {topic} at {self._kafka.brokers}: driftline topics create makes it; "
                "or is the setting kafka.prefix another one?"
            )
        return sorted(TopicPartition(topic, one["partition"]) for one in found["partitions"])

    async def _committed(self, group: str, topic: str) -> dict[int, int]:
        """Offsets the group has committed; none where it never was."""
        try:
            found = await self._admin.list_consumer_group_offsets(group)
        except (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError):  # no group has ever been, or moves
            return {}
        return {part.partition: at.offset for part, at in found.items() if part.topic == topic and at.offset >= 0}


async def until_judged(
    kafka: Kafka, timeout_s: float, progress: Callable[[str, int], None], *, settle_s: float
) -> None:
    """Wait until the service has judged all calls that are in the topic now.

    That is once observers have committed them and the judge has committed the panes that were there then; and once
    more, ``settle_s`` later, when each idle partition has said again that it is: that closes the last ticks.

    Parameters
    ----------
    timeout_s
        How long to wait.
    progress
        Told what is being waited for, and how many records that are still.

    Raises
    ------
    SourceError
        A topic does not exist.
    BrokenOffError
        It took longer, or the brokers cannot be reached; the message says what is missing.
    """
    behind = f"Kafka at {kafka.brokers} has not answered"
    try:
        async with asyncio.timeout(timeout_s), positions(kafka) as look:
            for pause_s in (0.0, settle_s):
                await asyncio.sleep(pause_s)
                for stage, name in STAGES:
                    group, topic = kafka.consumers(stage), kafka.topic(name)
                    ends, first = await look.ends(topic), None
                    while left := {one: n for one, n in (await look.lag(group, topic, ends)).items() if n}:
                        first = first or (sum(left.values()), time.monotonic())
                        behind = _behind(group, topic, left, *first)
                        progress(f"waiting for group {group}", sum(left.values()))
                        await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise BrokenOffError(f"not judged after {timeout_s:g} s: {behind}; is driftline run running?") from error


def _behind(group: str, topic: str, left: Mapping[int, int], at_first: int, since: float) -> str:
    parts = ", ".join(f"partition {partition} by {count:,}" for partition, count in left.items())
    now = f"group {group} is {sum(left.values()):,} records behind the end of {topic} ({parts})"
    return f"{now}, was {at_first:,} behind {time.monotonic() - since:.0f} s before"
