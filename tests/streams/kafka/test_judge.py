"""What the judge's app leaves behind, and what its group commits."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import faust
from faust.types import TP

from streams import wire
from streams.cluster import Kafka
from streams.health import Stage
from streams.kafka.judge import Desk, Judge, without_folders
from streams.ledger import Ledger, Place
from streams.settings import Settings

PANES = TP("driftline.panes", 0)
MARK = wire.encode(wire.Mark(source=0, sources=1, watermark=0, offset=0, idle=0))


def test_the_app_makes_no_folder_where_it_is_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = faust.App("driftline-judge", broker="kafka://localhost:1", store="memory://", topic_allow_declare=False)
    without_folders(app)
    asyncio.run(app.on_first_start())
    assert list(tmp_path.iterdir()) == []


@dataclass(eq=False)
class Message:
    topic: str
    tp: TP
    partition: int
    offset: int
    acked: bool = False


async def arrive(judge, offsets):
    """Have messages come as Faust gives them to the agent, which takes what it has not read for a gap of the log."""
    consumer = judge.app.consumer
    for offset in offsets:
        last = consumer._read_offset[PANES]
        if last is not None and offset - last > 1:
            await consumer._add_gap(PANES, last + 1, offset)
        message = Message(PANES.topic, PANES, PANES.partition, offset)
        event = SimpleNamespace(message=message, value=MARK, ack=partial(consumer.ack, message))
        await judge._take(event)
        consumer._read_offset[PANES] = offset


def test_all_that_is_saved_is_committed_at_once_though_faust_was_sent_back_to_what_it_had_passed_over(monkeypatch):
    settings = Settings(kafka=Kafka(brokers="localhost:1"))
    judge = Judge(settings, None, None, Stage("judge"), SimpleNamespace(), partitions=1)
    sought = []

    async def earliest(*tps):
        return dict.fromkeys(tps, 0)

    async def seek(places):
        sought.append(places)
        judge.app.consumer._read_offset.update(places)

    async def both():
        consumer = judge.app.consumer
        monkeypatch.setattr(consumer, "earliest_offsets", earliest)
        monkeypatch.setattr(consumer, "seek_wait", seek)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        judge._table = SimpleNamespace(send_changelog=lambda *record: done, data={})
        judge.app.topics.acks_enabled_for = lambda topic: True
        judge._assigned = {0}
        judge._desks[0] = Desk(0, 1, Ledger(Place()), SimpleNamespace(counts=Counter(), kept=dict, names=[]), {})
        judge._desks[0].judging.kept = lambda position: {}
        judge._commit_what_is_saved()
        await arrive(judge, [*range(10), *range(40, 100)])
        assert sought == [{PANES: 10}]
        await arrive(judge, range(10, 100))
        before = consumer._filter_committable_offsets([PANES])
        await judge._save()
        return before, consumer._filter_committable_offsets([PANES])

    before, after = asyncio.run(both())
    assert before == {}
    assert after == {PANES: 100}
