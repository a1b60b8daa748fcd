"""An archive of the topic of panes of a real service: the service's own verdicts, and what may happen to an export."""

import asyncio
import json
import signal

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition

from drift.errors import SourceError
from streams import wire
from streams.archive import Archive
from streams.compaction import compact
from streams.extent import Wanted
from streams.kafka.client import connection
from streams.kafka.export import Export
from streams.observe import Clock
from streams.wire import Mark
from tests.integration import live, traffic
from tests.integration.live import Worker, sent_and_judged
from tests.streams import panes as ticks

pytestmark = pytest.mark.kafka


@pytest.mark.slow
def test_alerts_of_the_service_are_those_of_an_archive_of_its_panes_to_the_byte(config, kafka, store, tmp_path):
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(traffic.CALLS))
        assert worker.end(signal.SIGTERM) == 0
    published = asyncio.run(live.alerts(kafka))
    assert len(published) >= 3
    for command in ("export", "export", "show"):
        ran = live.driftline(config, "archive", command, str(tmp_path / "archive"), "--json")
        assert ran.returncode == 0, ran.stderr
    held = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {one["segment"] for one in held} == set(store[1])
    archive = Archive(str(tmp_path / "archive"))
    assert sum(one["calls"] for one in held) == live.judged_calls(kafka)
    for into in (False, True):
        if into:
            assert compact(archive, 1 << 41).days
        ran = live.driftline(config, "replay", "--archive", archive.address, "--as-it-was", "--json")
        assert ran.returncode == 0, ran.stderr
        assert {json.loads(line)["record_id"]: line for line in ran.stdout.splitlines()} == published


def _messages(closed, sources, idle_from=None):
    """What observers would have sent, each tick followed by a mark of every source partition."""
    by_tick = {}
    for one in closed:
        by_tick.setdefault(one.tick, []).extend(one.panes)
    for tick, sent in by_tick.items():
        yield from sent
        if idle_from is None or tick < idle_from:
            yield from (Mark(source, sources, tick + 10_000, 0) for source in range(sources))


async def _publish(kafka, messages, *, create=True):
    if create:
        admin = AIOKafkaAdminClient(**connection(kafka, "test"))
        await admin.start()
        await admin.create_topics([NewTopic(kafka.topic("panes"), 1, 1)])
        await admin.close()
    producer = AIOKafkaProducer(**connection(kafka, "test"), acks="all")
    await producer.start()
    for one in messages:
        await producer.send(kafka.topic("panes"), wire.encode(one))
    await producer.stop()


def _export(kafka, archive, wanted=None, **given):
    job = Export(kafka, archive, wanted or Wanted(), Clock(), **given)
    return job.run(), job.open


def test_an_export_goes_on_where_it_stopped_and_leaves_open_ticks_to_the_next(kafka, tmp_path):
    archive = Archive(str(tmp_path / "archive"), create=True)
    closed = ticks.plain()
    bound = closed[len(closed) // 2].tick
    early, late = ([one for one in closed if (one.tick < bound) == first] for first in (True, False))
    waiting, rest = late[:2], late[2:]
    asyncio.run(_publish(kafka, [*_messages(early, 2), *(pane for one in waiting for pane in one.panes)]))
    added, left = _export(kafka, archive)
    assert (added.added, left) == (sum(len(one.panes) for one in early), sum(len(one.panes) for one in waiting))
    assert _export(kafka, archive)[0].added == 0
    asyncio.run(_publish(kafka, _messages(rest, 2), create=False))
    added, left = _export(kafka, archive, buffer_bytes=200_000)
    assert left == 0
    found = {(one.tick, one.segment): one.panes for one in archive.closed()}
    assert found == {(one.tick, one.segment): one.panes for one in closed}


def test_a_range_and_a_segment_are_exported_alone_and_nothing_is_remembered_of_it(kafka, tmp_path):
    archive = Archive(str(tmp_path / "archive"), create=True)
    closed = ticks.plain()
    asyncio.run(_publish(kafka, _messages(closed, 2)))
    start, end = closed[8].tick, closed[20].tick
    _export(kafka, archive, Wanted(start, end, segments=("other",)))
    found = list(archive.closed())
    assert {one.segment for one in found} == {"other"}
    inside = {one.tick for one in closed if start <= one.tick < end and one.segment == "other"}
    assert [one.tick for one in found] == sorted(inside)
    assert archive.about.exports == {}


def test_ticks_that_the_topic_has_lost_a_part_of_are_left_out_and_a_gap_is_told(kafka, tmp_path):
    closed, warned = ticks.plain(), []
    archive = Archive(str(tmp_path / "archive"), create=True)
    messages = list(_messages(closed, 2))
    asyncio.run(_publish(kafka, messages[:9]))
    _export(kafka, archive)
    asyncio.run(_publish(kafka, messages[9:], create=False))
    cut = next(i for i, one in enumerate(messages) if i > 60 and not isinstance(one, Mark)) + 1  # one pane of a tick
    asyncio.run(_forget(kafka, cut))
    before = {(one.tick, one.segment) for one in archive.closed()}
    _export(kafka, archive, warn=warned.append)
    assert len(warned) == 1 and "gone, by retention: there is a gap" in warned[0]
    by_name = {(one.tick, one.segment): one.panes for one in closed}
    found = {(one.tick, one.segment): one.panes for one in archive.closed()}
    assert before < found.keys()
    assert all(by_name[name] == panes for name, panes in found.items())


async def _forget(kafka, offset):
    admin = AIOKafkaAdminClient(**connection(kafka, "test"))
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(kafka.topic("panes"), 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


def test_a_message_that_is_no_pane_is_told_by_its_place_and_without_a_topic_nothing_is_written(kafka, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"kafka": {"brokers": kafka.brokers, "prefix": kafka.prefix}}))
    with pytest.raises(SourceError, match="there is no topic"):
        _export(kafka, Archive(str(tmp_path / "archive"), create=True))
    asyncio.run(_publish(kafka, []))
    ran = live.driftline(config, "archive", "export", str(tmp_path / "archive"))
    assert ran.returncode == 2
    assert b"holds no closed ticks: nothing was written" in b" ".join(ran.stderr.split())
    asyncio.run(_publish(kafka, _messages(ticks.plain(), 2), create=False))
    asyncio.run(_send_raw(kafka, b"nonsense"))
    ran = live.driftline(config, "archive", "export", str(tmp_path / "archive"))
    assert ran.returncode == 2
    assert b"partition 0, offset" in ran.stderr
    assert not (tmp_path / "archive").exists()


async def _send_raw(kafka, data):
    producer = AIOKafkaProducer(**connection(kafka, "test"), acks="all")
    await producer.start()
    await producer.send_and_wait(kafka.topic("panes"), data)
    await producer.stop()
