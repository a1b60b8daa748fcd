"""One topic followed by itself: all that was ever written, then what is written."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from streams.cluster import Role
from streams.kafka.reach import reaching
from streams.kafka.topic import reader
from streams.settings import Kafka

_POLL_MS = 1000


class Follower:
    """Follows all partitions of a topic, in no group and committing nothing.

    Parameters
    ----------
    topic
        The topic, by its role.
    name
        What the client is called.
    """

    def __init__(self, kafka: Kafka, topic: Role, name: str) -> None:
        self._kafka, self._topic, self._name = kafka, kafka.topic(topic), name
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """Learn of a record."""
        raise NotImplementedError

    @property
    def failed(self) -> BaseException | None:
        """What ended the following, None while all is well; a broker that is away is waited for."""
        ended = self._task is not None and self._task.done() and not self._task.cancelled()
        return self._task.exception() if ended and self._task else None

    def begin(self) -> None:
        """Follow, and wait for nothing."""
        self._task = asyncio.create_task(self.follow(), name=f"follower of {self._topic}")

    async def start(self) -> None:
        """Read all that was written, then follow.

        Raises
        ------
        SettingsError
            No cluster is named.
        SourceError
            The cluster cannot be reached, or has no such topic.
        """
        self.begin()
        assert self._task is not None
        caught_up = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait((self._task, caught_up), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            caught_up.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Follow no longer; harmless where nothing was started."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # told by ``failed``
                await self._task

    async def follow(self) -> None:
        """Follow until cancelled; what ends it otherwise is raised."""
        async with reader(self._kafka, self._topic, self._name) as consumer, reaching(self._kafka):
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                if not self._caught_up.is_set() and await _reached(consumer, ends):
                    self._caught_up.set()
                    self.caught_up()
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self.learn(record)

    def caught_up(self) -> None:
        """Told once all that had been written has been learnt."""


async def _reached(consumer: AIOKafkaConsumer, ends: dict[object, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
