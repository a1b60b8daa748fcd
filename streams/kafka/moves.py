"""Decisions through the cluster, moves of tags above all: announced by whoever makes one, followed by every worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from drift.errors import CorruptError, SourceError
from streams.kafka.client import connection
from streams.kafka.reach import reaching
from streams.kafka.topic import partitions, reader
from streams.moves import Announced, Decision, Timetable, decode, encode
from streams.settings import Kafka
from streams.store import Move, Store

TOPIC: Final = "baselines"

_POLL_MS = 1000

Warn = Callable[[str], None]


async def announce(kafka: Kafka, decisions: Sequence[Decision]) -> None:
    """Tell every worker of moves of tags and of acknowledgements; telling one again is harmless.

    Raises
    ------
    SettingsError
        No cluster is named.
    SourceError
        The cluster cannot be reached, or has no topic for moves.
    """
    topic = kafka.topic(TOPIC)
    await partitions(kafka, topic, "moves")
    async with reaching(kafka):
        producer = AIOKafkaProducer(**connection(kafka, "moves"), acks="all", enable_idempotence=True)
        try:
            await producer.start()
            for one in decisions:
                await producer.send_and_wait(topic, encode(one), key=one.name.encode())
        finally:
            await producer.stop()


def announced(move: Move, lens: str) -> Announced:
    """A move of the store as it is announced, with the lens of its baseline."""
    return Announced(
        move.segment,
        move.tag,
        move.sequence,
        move.baseline,
        lens,
        move.holds_from,
        move.moved_at,
        move.by,
        move.why,
        move.previous,
    )


async def sync(
    store: Store, kafka: Kafka, tag: str, timetable: Timetable, warn: Warn = lambda text: None
) -> list[Announced]:
    """Announce what the store knows of a tag and the topic lacks: moves by somebody who could not reach the cluster.

    Parameters
    ----------
    timetable
        What the topic was found to hold.
    warn
        Told of moves that cannot be announced, for their baseline is gone from the store.

    Returns
    -------
    list[Announced]
        What was announced; the timetable learns of it as of any other move.

    Raises
    ------
    SourceError
        The store or the cluster cannot be reached.
    """
    missing = await asyncio.to_thread(lambda: list(_missing(store, tag, timetable, warn)))
    if missing:
        await announce(kafka, missing)
    return missing


def _missing(store: Store, tag: str, timetable: Timetable, warn: Warn) -> Iterable[Announced]:
    for last in store.tags() if store.exists() else ():
        if last.tag != tag:
            continue
        known = {move.sequence for move in timetable.moves(last.segment)}
        for move in store.history(last.segment, tag):
            if move.sequence not in known:
                try:
                    yield announced(move, store.entry(move.baseline).lens)
                except (SourceError, CorruptError) as error:
                    warn(f"{move.segment}@{move.tag} was moved at {move.moved_at}, which cannot be announced: {error}")


class Moves:
    """Follows the moves of a tag.

    Parameters
    ----------
    tag
        The tag; moves of others are passed over.
    warn
        Told of records that are no moves; they are passed over.

    Attributes
    ----------
    timetable
        All moves seen so far; after ``start`` at least those that had been announced before.
    """

    def __init__(self, kafka: Kafka, tag: str, *, warn: Warn = lambda text: None) -> None:
        self.timetable = Timetable(tag)
        self._kafka, self._warn = kafka, warn
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def failed(self) -> BaseException | None:
        """What ended the following, None while all is well; a broker that is away is waited for."""
        ended = self._task is not None and self._task.done() and not self._task.cancelled()
        return self._task.exception() if ended and self._task else None

    async def start(self) -> None:
        """Read all that was announced, then follow.

        Raises
        ------
        SettingsError
            No cluster is named.
        SourceError
            The cluster cannot be reached, or has no topic for moves.
        """
        self._task = asyncio.create_task(self._follow(), name="moves of tags")
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

    async def _follow(self) -> None:
        async with reader(self._kafka, self._kafka.topic(TOPIC), "moves") as consumer, reaching(self._kafka):
            ends = await consumer.end_offsets(consumer.assignment())
            while True:
                if not self._caught_up.is_set() and await _reached(consumer, ends):
                    self._caught_up.set()
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for record in records:
                        self._learn(record)

    def _learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if record.value is None:  # somebody took the record away; what it said has been said
            return
        try:
            self.timetable.learn(decode(record.value))
        except CorruptError as error:
            place = f"{record.topic}, partition {record.partition}, offset {record.offset}"
            self._warn(f"{place} is passed over: {error}; remove it by a record of its key without a value")


async def _reached(consumer: AIOKafkaConsumer, ends: dict[object, int]) -> bool:
    return all([await consumer.position(partition) >= end for partition, end in ends.items()])
