"""Alerts of a real broker in a book: those from before, those that follow, whatever the broker does."""

from __future__ import annotations

import asyncio

import pytest

from streams.kafka import alerts
from streams.kafka.alerts import TOPIC, Alerts
from streams.settings import Kafka
from tests.integration import topics
from tests.streams.test_alert_book import record

pytestmark = pytest.mark.kafka

PATIENCE_S = 30


def shown(following: Alerts) -> list[tuple[int, str]]:
    return [(int(one.head.alert_id, 16), one.state) for one in following.book.alarms()]


async def until(wanted, following: Alerts) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not wanted():
            assert following.failed is None
            await asyncio.sleep(0.05)


def test_alerts_of_every_partition_are_in_the_book_and_new_ones_follow(kafka: Kafka) -> None:
    async def steps() -> None:
        topic = await topics.create(kafka, TOPIC, partitions=3)
        found = [(0, b"a", record(1)), (1, b"b", record(2)), (2, b"c", b"{}"), (1, b"b", record(2, "resolved"))]
        await topics.send(kafka, topic, [*found, (0, b"a", None)])
        following = Alerts(kafka)
        assert "still being read" in following.book.waiting
        await following.start()
        try:
            assert following.book.waiting == ""
            assert shown(following) == [(2, "resolved"), (1, "firing")]
            assert following.book.counts == {"unreadable": 1}
            await topics.send(kafka, topic, [(2, b"c", record(3)), (0, b"a", record(1, "acknowledged"))])
            wanted = [(3, "firing"), (2, "resolved"), (1, "acknowledged")]
            await until(lambda: shown(following) == wanted, following)
        finally:
            await following.stop()

    asyncio.run(steps())


def test_whatever_cannot_be_followed_is_told_and_tried_again(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "RETRY_S", 0.1)

    async def steps() -> list[str]:
        said: list[str] = []
        following = Alerts(kafka, warn=said.append)
        following.begin()
        try:
            await until(lambda: f"there is no topic '{kafka.topic(TOPIC)}'" in following.book.waiting, following)
            topic = await topics.create(kafka, TOPIC)
            await topics.send(kafka, topic, [(0, b"a", record(1))])
            await until(lambda: not following.book.waiting and shown(following) == [(1, "firing")], following)
        finally:
            await following.stop()
        return said

    assert "no topic" in asyncio.run(steps())[0]


def test_a_broker_that_goes_away_is_waited_for(own_broker) -> None:
    async def steps() -> None:
        with own_broker() as broker:
            kafka = Kafka(brokers=broker.address)
            topic = await topics.create(kafka, TOPIC)
            following = Alerts(kafka)
            await following.start()
            try:
                broker.kill()
                await asyncio.sleep(3)
                assert following.failed is None
                await asyncio.to_thread(broker.start)
                await topics.send(kafka, topic, [(0, b"a", record(1))])
                await until(lambda: shown(following) == [(1, "firing")], following)
            finally:
                await following.stop()

    asyncio.run(steps())
