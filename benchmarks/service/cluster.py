"""A broker for the measurements, services on it, and topics that are loaded beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from aiokafka import AIOKafkaProducer

from streams.cluster import Role
from streams.kafka.client import connection
from streams.settings import Kafka, Settings, load
from tests.integration import live
from tests.integration.brokers import NO_BROKER, Broker, home

PARTITIONS = 4
"""Of the topic of calls."""

Line = tuple[int, bytes]
"""Partition and value of a record."""


@dataclass(frozen=True)
class Service:
    """A service on the broker, with topics and consumer groups of its own."""

    config: Path
    settings: Settings

    @property
    def kafka(self) -> Kafka:
        """Its cluster."""
        return self.settings.kafka

    @property
    def folder(self) -> Path:
        """Where its settings and what its workers say lie."""
        return self.config.parent

    def again(self, group: str) -> Service:
        """The same topics, for a consumer group that has read nothing of them."""
        kafka = msgspec.structs.replace(self.kafka, group=group)
        return Service(self.config, msgspec.structs.replace(self.settings, kafka=kafka))

    def load(self, lines: Sequence[Line], topic: Role = "calls", *, keys: Sequence[bytes] = ()) -> None:
        """Put records into a topic."""
        asyncio.run(send(self.kafka, self.kafka.topic(topic), lines, keys))


class Cluster:
    """A broker of its own, and any number of services on it."""

    def __init__(self, address: str, folder: Path) -> None:
        self._address, self._folder, self._made = address, folder, 0

    def service(self, *, panes: int = PARTITIONS, **given: object) -> Service:
        """A new service, its topics made; ``given`` are its settings."""
        self._made += 1
        name = f"bench{self._made}"
        folder = self._folder / name
        folder.mkdir()
        kafka = Kafka(brokers=self._address, prefix=f"{name}.", group=name, client_id=name)
        config = live.configured(folder, kafka, calls=PARTITIONS, panes=panes, **given)
        return Service(config, load(str(config), {}, {}))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of one broker, gone afterwards.

    Raises
    ------
    SystemExit
        There is no Kafka distribution.
    """
    found = home()
    if found is None:
        raise SystemExit(NO_BROKER)
    with TemporaryDirectory(prefix="driftline-bench-") as name, Broker(found, Path(name) / "kafka") as broker:
        yield Cluster(broker.address, Path(name))


async def send(kafka: Kafka, topic: str, lines: Sequence[Line], keys: Sequence[bytes]) -> None:
    """Put records into the partitions they name, each partition's in their order, with one key each or none."""
    producer = AIOKafkaProducer(
        **connection(kafka, "load"), acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=1 << 18
    )
    await producer.start()
    try:
        for name, (partition, value) in zip_longest(keys, lines):
            await producer.send(topic, value, key=name, partition=partition)
    finally:
        await producer.stop()
