"""Topics of the cluster: looked at, created and altered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from drift.errors import ClusterError
from streams.kafka.client import connection
from streams.kafka.reach import PATIENCE_MS, reaching
from streams.settings import Kafka
from streams.topics import Difference, Found, Wanted

SEEN_S = 30
"""Seconds within which what was changed must be seen."""

_OWN = 1
"""Where a value in force comes from, as brokers number it: the topic itself."""


_SAFE = 3
"""With so many copies a record counts as written once two have it: the loss of one broker then loses nothing."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How many brokers there are, and those of the topics asked for that exist, by name."""

    brokers: int
    topics: dict[str, Found]


class Topics:
    """An administrator of topics; see `administering`."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def look(self, names: Collection[str]) -> Cluster:
        """The cluster, and which of these topics it has."""
        brokers = len((await self._admin.describe_cluster())["brokers"])
        present = [name for name in await self._admin.list_topics() if name in set(names)]
        if not present:
            return Cluster(brokers, {})
        configs = await self._configs(present)
        found = {}
        for one in await self._admin.describe_topics(present):
            _raise(one["error_code"], one["topic"])
            parts = one["partitions"]
            in_force, own = configs[one["topic"]]
            copies = min((len(part["replicas"]) for part in parts), default=0)
            found[one["topic"]] = Found(one["topic"], len(parts), copies, in_force, own)
        return Cluster(brokers, found)

    async def create(self, wanted: Sequence[Wanted], brokers: int) -> None:
        """Create topics and wait until they are seen; one that is there by now is left as it is."""
        if not wanted:
            return
        new = []
        for one in wanted:
            copies = one.copies_of(brokers)
            config = dict(one.config) | ({"min.insync.replicas": "2"} if copies >= _SAFE else {})
            new.append(NewTopic(one.name, one.partitions, copies, topic_configs=config))
        answer = await self._admin.create_topics(new, timeout_ms=PATIENCE_MS)
        for name, code, *said in answer.topic_errors:
            if code != errors.TopicAlreadyExistsError.errno:
                _raise(code, name, *said)
        await self._seen({one.name: one.partitions for one in wanted})

    async def alter(self, found: Found, changes: Sequence[Difference]) -> None:
        """Make changes that can be made: more partitions, other settings; those that are not named stay."""
        config = {one.what: one.wanted for one in changes if one.what != "partitions"}
        if config:
            # what is not sent would go back to the cluster's default
            resource = ConfigResource(ConfigResourceType.TOPIC, found.name, {**found.own, **config})
            for answer in await self._admin.alter_configs([resource]):
                for code, said, _, name in answer.resources:
                    _raise(code, name, said)
            await self._set(found.name, config)
        for one in changes:
            if one.what == "partitions":
                await self._admin.create_partitions({found.name: NewPartitions(int(one.wanted))})
                await self._seen({found.name: int(one.wanted)})

    async def _configs(self, names: Sequence[str]) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
        """Values in force of each topic, and those among them that it sets itself."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found = {}
        for answer in await self._admin.describe_configs(resources):
            for code, said, _, name, entries in answer.resources:
                _raise(code, name, said)
                values = [(entry[0], entry[1], entry[3]) for entry in entries]
                found[name] = (
                    {key: value or "" for key, value, _ in values},
                    {key: value or "" for key, value, source in values if source == _OWN},
                )
        return found

    async def _set(self, name: str, config: dict[str, str]) -> None:
        """Wait until a topic's settings are in force."""
        async with asyncio.timeout(SEEN_S):
            while not config.items() <= (await self._configs([name]))[name][1].items():
                await asyncio.sleep(0.1)

    async def _seen(self, wanted: dict[str, int]) -> None:
        """Wait until topics have their partitions, each of them with a leader."""
        async with asyncio.timeout(SEEN_S):
            while True:
                found = await self._admin.describe_topics(list(wanted))
                ready = {one["topic"]: sum(part["leader"] >= 0 for part in one["partitions"]) for one in found}
                if all(ready.get(name, 0) >= number for name, number in wanted.items()):
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def administering(kafka: Kafka) -> AsyncIterator[Topics]:
    """An administrator of the cluster's topics.

    Raises
    ------
    ClusterError
        The cluster cannot be reached, or refuses what is asked.
    """
    async with reaching(kafka):
        admin = AIOKafkaAdminClient(**connection(kafka, "admin"), request_timeout_ms=PATIENCE_MS)
        try:
            await admin.start()
            yield Topics(admin)
        finally:
            await admin.close()


def _raise(code: int, name: str, said: Any = None) -> None:
    """Turn an answer that is an error into one."""
    kind = errors.for_code(code)
    if kind is errors.NoError:
        return
    if "AuthorizationFailed" in kind.__name__:
        raise ClusterError(f"access to topic {name} is denied: grant create, describe and alter by an ACL")
    raise ClusterError(f"topic {name}: {said or kind.__name__}")
