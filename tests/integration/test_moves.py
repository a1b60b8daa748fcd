"""Moves of tags through a real broker: announced, followed, made up for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drift.errors import SettingsError, SourceError
from streams.kafka.moves import TOPIC, Moves, announce, announced, sync
from streams.moves import Announced, encode
from streams.settings import Kafka
from streams.store import Store
from tests.integration import topics
from tests.streams.test_store import some_baseline

pytestmark = pytest.mark.kafka

SEGMENT, WHEN = "bot/answer", "2026-01-05T10:00:00.000Z"
PATIENCE_S = 30


def move(sequence: int, effective: int, tag: str = "prod") -> Announced:
    return Announced(SEGMENT, tag, sequence, f"{sequence:016x}", "a" * 16, effective, WHEN, "ann", "launch")


async def announce_one(kafka: Kafka) -> None:
    await announce(kafka, [move(1, 0)])


async def start(kafka: Kafka) -> None:
    await Moves(kafka, "prod").start()


async def until(wanted, moves: Moves) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not wanted():
            assert moves.failed is None
            await asyncio.sleep(0.05)


def test_who_starts_later_knows_every_move_and_who_has_started_hears_of_new_ones(kafka: Kafka) -> None:
    async def steps() -> None:
        await topics.create(kafka, TOPIC, **{"cleanup.policy": "compact"})
        await announce(kafka, [move(1, 0), move(1, 0, "next"), move(2, 60_000)])
        await announce(kafka, [move(2, 60_000)])  # once more
        moves = Moves(kafka, "prod")
        await moves.start()
        try:
            assert moves.timetable.moves(SEGMENT) == [move(1, 0), move(2, 60_000)]
            await announce(kafka, [move(3, 90_000)])
            await until(lambda: moves.timetable.at(SEGMENT, 90_000) == move(3, 90_000), moves)
        finally:
            await moves.stop()
        assert moves.failed is None

    asyncio.run(steps())


def test_following_begins_where_nothing_was_ever_announced(kafka: Kafka) -> None:
    async def steps() -> None:
        await topics.create(kafka, TOPIC, partitions=2)
        moves = Moves(kafka, "prod")
        await moves.start()
        await moves.stop()
        assert list(moves.timetable.segments) == []

    asyncio.run(steps())


def test_what_is_no_move_is_told_and_passed_over(kafka: Kafka) -> None:
    async def steps() -> list[str]:
        topic = await topics.create(kafka, TOPIC)
        said: list[str] = []
        found = [(0, b"x", b"{}"), (0, b"y", None), (0, b"z", encode(move(1, 0)))]
        await topics.send(kafka, topic, found)
        moves = Moves(kafka, "prod", warn=said.append)
        await moves.start()
        await moves.stop()
        assert moves.timetable.moves(SEGMENT) == [move(1, 0)]
        return said

    (said,) = asyncio.run(steps())
    assert "partition 0, offset 0 is passed over: neither a move of a tag nor" in said


@pytest.mark.parametrize(
    "act", [lambda kafka: announce(kafka, [move(1, 0)]), lambda kafka: Moves(kafka, "prod").start()]
)
def test_a_cluster_without_the_topic_is_told(kafka: Kafka, act) -> None:
    with pytest.raises(SourceError, match=f"no topic '{kafka.topic(TOPIC)}' in the cluster.*driftline topics create"):
        asyncio.run(act(kafka))


@pytest.mark.parametrize(
    "act", [lambda kafka: announce(kafka, [move(1, 0)]), lambda kafka: Moves(kafka, "prod").start()]
)
def test_a_cluster_that_is_away_or_not_named_is_told(act) -> None:
    with pytest.raises(SourceError, match=r"nobody listens on 127\.0\.0\.1:9.*check kafka.brokers"):
        asyncio.run(act(Kafka(brokers="127.0.0.1:9")))
    with pytest.raises(SettingsError, match="no Kafka cluster is named"):
        asyncio.run(act(Kafka(brokers="")))


def test_a_broker_that_goes_away_is_waited_for(own_broker) -> None:
    async def steps() -> None:
        with own_broker() as broker:
            kafka = Kafka(brokers=broker.address)
            await topics.create(kafka, TOPIC)
            moves = Moves(kafka, "prod")
            await moves.start()
            try:
                broker.kill()
                await asyncio.sleep(3)
                assert moves.failed is None
                await asyncio.to_thread(broker.start)
                await announce(kafka, [move(1, 0)])
                await until(lambda: moves.timetable.at(SEGMENT, 0) == move(1, 0), moves)
            finally:
                await moves.stop()

    asyncio.run(steps())


def test_moves_made_without_the_cluster_are_made_up_for_once(kafka: Kafka, tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    store = Store(str(tmp_path / "store"), now=lambda: now)
    first, second = some_baseline(1), some_baseline(2)

    async def steps() -> list[list[Announced]]:
        await topics.create(kafka, TOPIC, **{"cleanup.policy": "compact"})
        moves = Moves(kafka, "prod")
        await moves.start()
        found = [await sync(store, kafka, "prod", moves.timetable)]  # there is no store yet
        for one in (first, second):
            store.put_baseline(one)
            store.tag("bot", "prod", one.id)
        store.tag("bot", "next", first.id)
        await announce(kafka, [announced(store.history("bot", "prod")[0], first.lens.id)])
        await until(lambda: moves.timetable.moves("bot"), moves)
        found.append(await sync(store, kafka, "prod", moves.timetable))
        await until(lambda: len(moves.timetable.moves("bot")) == 2, moves)
        found.append(await sync(store, kafka, "prod", moves.timetable))
        known = moves.timetable.moves("bot")
        await moves.stop()
        return [*found, known]

    none, told, again, known = asyncio.run(steps())
    assert (none, again) == ([], [])
    ahead = round(now.timestamp() * 1000) + 300_000
    assert [(one.baseline, one.lens, one.effective) for one in told] == [(second.id, second.lens.id, ahead)]
    assert [one.effective for one in known] == [0, ahead]


def test_a_move_whose_baseline_is_gone_is_told_and_keeps_no_other_back(kafka: Kafka, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    first, second = some_baseline(1), some_baseline(2)
    for one in (first, second):
        store.put_baseline(one)
        store.tag("bot", "prod", one.id)
    (tmp_path / "baselines" / f"{first.id}.safetensors").unlink()

    async def steps() -> tuple[list[Announced], list[str]]:
        await topics.create(kafka, TOPIC)
        moves, said = Moves(kafka, "prod"), list[str]()
        found = await sync(store, kafka, "prod", moves.timetable, said.append)
        return found, said

    found, (said,) = asyncio.run(steps())
    assert [one.baseline for one in found] == [second.id]
    assert "cannot be announced" in said and first.id in said
