"""Topics read like files: the same calls, baselines and lenses, whatever the partitions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import Result

from drift import pane as panes
from drift.errors import BrokenOffError, SettingsError, SourceError
from streams.evidence import instant
from streams.extent import Wanted
from streams.kafka.client import connection
from streams.kafka.read import TopicLines
from streams.observe import Clock
from streams.records import decode
from streams.settings import Kafka
from streams.store import Store
from tests.integration import topics
from tests.integration.commands import invoked
from tests.streams import traffic

pytestmark = pytest.mark.kafka

SEGMENT, PARTITIONS = traffic.SEGMENT, 4


def driftline(kafka: Kafka, store: Path, *arguments: str) -> Result:
    return invoked(kafka, *arguments, store=store)


def done(result: Result) -> dict:
    """What a command told programs."""
    assert result.exception is None, (result.exception, result.stderr)
    return json.loads(result.stdout)


def spread(lines: list[bytes]) -> list[topics.Sent]:
    """Lines over the partitions, by chance alone."""
    return [(hash_of(line) % PARTITIONS, None, line) for line in lines]


def hash_of(line: bytes) -> int:
    return sum(line) * 7 + len(line)


def filled(kafka: Kafka, lines: list[bytes], name: str = "calls", **configs: str) -> str:
    topic = asyncio.run(topics.create(kafka, name, PARTITIONS, **configs))
    asyncio.run(topics.send(kafka, topic, spread(lines)))
    return topic


def lines_of(kafka: Kafka, topic: str, wanted: Wanted | None = None) -> list[bytes]:
    return [line.data for line in TopicLines(kafka, topic, wanted or Wanted(), Clock()).lines()]


def test_a_baseline_of_a_topic_is_that_of_the_file_but_for_the_name_of_its_source(kafka: Kafka, tmp_path: Path) -> None:
    lines = traffic.lines(traffic.calls(0, 400))
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(lines))
    filled(kafka, lines)
    store = tmp_path / "store"
    by_file = done(driftline(kafka, store, "baseline", "build", str(tmp_path / "calls.jsonl"), "--json"))
    by_topic = done(driftline(kafka, store, "baseline", "build", "kafka:", "--json"))
    again = done(driftline(kafka, store, "baseline", "build", f"kafka:{kafka.topic('calls')}", "--json"))
    assert by_topic["facts"]["source"] == f"kafka:{kafka.topic('calls')}"
    assert again["baseline"] == by_topic["baseline"]
    one, other = (Store(str(store)).baseline(found["baseline"]) for found in (by_file, by_topic))
    assert panes.encode(one.pane) == panes.encode(other.pane)
    assert one.lens.id == other.lens.id
    assert by_file["detectors"] == by_topic["detectors"]


def test_a_lens_of_a_topic_is_that_of_the_file(kafka: Kafka, tmp_path: Path) -> None:
    lines = traffic.lines(traffic.calls(0, 300))
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(lines))
    filled(kafka, lines)
    fitted = [
        driftline(kafka, tmp_path, "lens", "fit", source, "--json")
        for source in ("kafka:", str(tmp_path / "calls.jsonl"))
    ]
    assert done(fitted[0]) == done(fitted[1])


def test_a_topic_without_records_and_one_that_is_not_there_are_told(kafka: Kafka, tmp_path: Path) -> None:
    filled(kafka, [])
    empty = driftline(kafka, tmp_path, "baseline", "check", "kafka:")
    assert isinstance(empty.exception, SourceError) and "holds no records" in str(empty.exception)
    wrong = driftline(kafka, tmp_path, "baseline", "build", f"kafka:{kafka.topic('call')}")
    assert isinstance(wrong.exception, SourceError)
    assert f"no topic '{kafka.topic('call')}' in the cluster; there is" in str(wrong.exception)
    assert kafka.topic("calls") in str(wrong.exception)


def test_without_a_cluster_a_topic_cannot_be_read(tmp_path: Path) -> None:
    none = driftline(Kafka(), tmp_path, "lens", "fit", "kafka:")
    assert isinstance(none.exception, SettingsError) and "no Kafka cluster is named" in str(none.exception)
    away = driftline(Kafka(brokers="127.0.0.1:9"), tmp_path, "lens", "fit", "kafka:")
    assert isinstance(away.exception, SourceError) and "nobody listens on 127.0.0.1:9" in str(away.exception)


def test_what_was_trimmed_is_not_waited_for(kafka: Kafka) -> None:
    lines = traffic.lines(traffic.calls(0, 300))
    topic = filled(kafka, lines)
    kept = [[line for number, _, line in spread(lines) if number == n] for n in range(PARTITIONS)]
    before = {0: 10, 1: len(kept[1]), 2: 1}
    asyncio.run(topics.trim(kafka, topic, before))
    wanted = [line for n, part in enumerate(kept) for line in part[before.get(n, 0) :]]
    assert sorted(lines_of(kafka, topic)) == sorted(wanted)


def test_bad_records_are_counted_with_their_place(kafka: Kafka, tmp_path: Path) -> None:
    lines = traffic.lines(traffic.calls(0, 300))
    topic = filled(kafka, lines)
    nameless = msgspec.json.encode({k: v for k, v in traffic.calls(0, 1)[0].items() if k != "call_id"})
    early = traffic.lines(traffic.calls(0, 1, event_time=traffic.START_MS + 3_600_000))[0]
    asyncio.run(topics.send(kafka, topic, [(1, None, b"no call"), (2, b"key", None), (2, None, nameless)]))
    asyncio.run(topics.send(kafka, topic, [(3, None, early)], written_ms=traffic.START_MS))
    letters = tmp_path / "letters.jsonl"
    result = driftline(kafka, tmp_path, "lens", "fit", "kafka:", "--json", "--dead-letters", str(letters))
    done(result)
    told = [json.loads(line) for line in letters.read_text().splitlines()]
    assert sorted((one["partition"], one["reason"], one["field"]) for one in told) == [
        (1, "not_json", ""),
        (2, "missing_field", "call_id"),
        (2, "not_json", ""),
        (3, "in_future", "event_time"),
    ]
    sizes = [
        sum(number == n for number, _, _ in spread(traffic.lines(traffic.calls(0, 300)))) for n in range(PARTITIONS)
    ]
    assert sorted((one["partition"], one["offset"]) for one in told) == [
        (1, sizes[1]), (2, sizes[2]), (2, sizes[2] + 1), (3, sizes[3])
    ]  # fmt: skip
    assert "rejected records: 4 (not_json 2" in result.stderr and "the first, partition" in result.stderr


def test_a_topic_of_something_else_is_refused_with_the_remedy(kafka: Kafka, tmp_path: Path) -> None:
    filled(kafka, [b'{"service": "bot", "text": "hello"}'] * 3, "other")
    result = driftline(kafka, tmp_path, "lens", "fit", f"kafka:{kafka.topic('other')}")
    assert "none of its 3 records is a call record" in str(result.exception)
    assert "Its fields are service, text" in str(result.exception)


def test_a_range_of_a_topic_is_jumped_to_and_not_read_beyond(kafka: Kafka, tmp_path: Path) -> None:
    calls = traffic.calls(0, 4000)
    topic = asyncio.run(topics.create(kafka, "calls", PARTITIONS))

    async def written() -> None:
        producer = AIOKafkaProducer(**connection(kafka, "tests"))
        await producer.start()
        for line, call in zip(traffic.lines(calls), calls, strict=True):
            await producer.send(
                topic, line, partition=hash_of(line) % PARTITIONS, timestamp_ms=call["event_time"] + 2000
            )
        await producer.stop()

    asyncio.run(written())
    start, end = calls[2000]["event_time"], calls[2500]["event_time"]
    source, taken, read = TopicLines(kafka, topic, Wanted(start, end), Clock()), [], 0
    for line in source.lines():
        record = decode(line.data, now_ms=traffic.NOW_MS)
        read += 1
        taken += [record.call_id] if source.extent.take(line.partition, record) else []
    assert sorted(taken) == sorted(f"c{number}" for number in range(2000, 2500))
    assert read < 2000  # five minutes before, and five after, are 500 calls each
    span = ("--from", instant(start), "--to", instant(end))
    assert done(driftline(kafka, tmp_path, "baseline", "build", "kafka:", *span, "--json"))["calls"] == 500


def test_the_first_calls_are_those_of_a_file(kafka: Kafka, tmp_path: Path) -> None:
    lines = traffic.lines(traffic.calls(0, 3000))
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(lines))
    filled(kafka, lines)
    some = ("--first", "300", "--segment", SEGMENT, "--json")
    by_file = done(driftline(kafka, tmp_path, "baseline", "build", str(tmp_path / "calls.jsonl"), *some))
    by_topic = done(driftline(kafka, tmp_path, "baseline", "build", "kafka:", *some))
    assert by_topic["calls"] == by_file["calls"] >= 300
    assert by_topic["detectors"] == by_file["detectors"] and by_topic["lens"] == by_file["lens"]


def test_only_what_was_committed_is_read_and_reading_ends_after_a_transaction(kafka: Kafka) -> None:
    topic = asyncio.run(topics.create(kafka, "calls"))

    async def transactions() -> None:
        producer = AIOKafkaProducer(**connection(kafka, "tests"), transactional_id=kafka.group)
        await producer.start()
        async with producer.transaction():
            await producer.send(topic, b"kept")
        await producer.begin_transaction()
        await producer.send(topic, b"taken back")
        await producer.abort_transaction()
        await producer.stop()

    asyncio.run(transactions())
    assert lines_of(kafka, topic) == [b"kept"]


def test_reading_joins_no_group_and_ends_where_the_topic_ended_when_it_began(kafka: Kafka) -> None:
    topic = filled(kafka, [b"%d" % number for number in range(100)])
    source, read = TopicLines(kafka, topic, Wanted(), Clock()).lines(), []
    read.append(next(source).data)
    asyncio.run(topics.send(kafka, topic, spread([b"later"] * 50)))
    read += [line.data for line in source]
    assert sorted(read) == sorted(b"%d" % number for number in range(100))

    async def groups() -> list[str]:
        admin = AIOKafkaAdminClient(**connection(kafka, "tests"))
        await admin.start()
        found = [name for name, _ in await admin.list_consumer_groups()]
        await admin.close()
        return found

    assert not [name for name in asyncio.run(groups()) if name.startswith(kafka.group)]


def test_a_cluster_that_goes_away_breaks_reading_off(own_broker) -> None:
    with own_broker() as broker:
        kafka = Kafka(brokers=broker.address)
        topic = filled(kafka, [b"x" * 100_000] * 100)
        source = TopicLines(kafka, topic, Wanted(), Clock(), patience_s=3).lines()
        next(source)
        broker.kill()
        with pytest.raises(BrokenOffError, match=f"topic {topic} is cut off: .* for 3 s"):
            list(source)


def test_watch_does_not_judge_a_topic_and_names_what_does(kafka: Kafka, tmp_path: Path) -> None:
    result = driftline(kafka, tmp_path, "watch", "kafka:")
    assert isinstance(result.exception, SettingsError) and "'driftline run'" in str(result.exception)
