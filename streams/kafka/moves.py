"""Decisions through the cluster, moves of tags above all: announced by whoever makes one, followed by every worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer, ConsumerRecord

from drift.errors import CorruptError, SourceError
from streams.kafka.client import connection
from streams.kafka.following import Follower
from streams.kafka.reach import reaching
from streams.kafka.topic import partitions
from streams.moves import Announced, Decision, Timetable, decode, encode
from streams.settings import Kafka
from streams.store import Move, Store

TOPIC: Final = "baselines"

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


class Moves(Follower):
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
        super().__init__(kafka, TOPIC, "moves")
        self.timetable = Timetable(tag)
        self._warn = warn

    def learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """Learn of a move; what is none is told, and passed over."""
        if record.value is None:  # somebody took the record away; what it said has been said
            return
        try:
            self.timetable.learn(decode(record.value))
        except CorruptError as error:
            place = f"{record.topic}, partition {record.partition}, offset {record.offset}"
            self._warn(f"{place} is passed over: {error}; remove it by a record of its key without a value")
