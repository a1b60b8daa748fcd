"""The live service when what it needs is lost, changed or strange: the same verdicts all the same, or clear words."""

import asyncio
import json
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams import wire
from streams.cluster import Kafka
from streams.kafka.client import connection
from tests.integration import live, traffic
from tests.integration.live import Worker, judged_calls, sent_and_judged
from tests.integration.traffic import halves

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def forget(kafka, how):
    """Lose what the judge had saved, or all of it but the last record."""

    async def both():
        admin = AIOKafkaAdminClient(**connection(kafka, "test"))
        await admin.start()
        topic = kafka.topic("state")
        if how == "emptied":
            await admin.delete_topics([topic])
        else:  # as somebody might who is short of space
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"cleanup.policy": "delete"})])
            async with live.consumer(kafka) as one:
                tps = await live.partitions_of(one, topic)
                found = await one.end_offsets(tps)
            await admin.delete_records(
                {tp: RecordsToDelete(before_offset=max(end - 1, 0)) for tp, end in found.items()}
            )
        await admin.close()

    asyncio.run(both())


@pytest.mark.parametrize("how", ["emptied", "trimmed"])
def test_a_judge_that_lost_what_it_had_saved_reads_the_panes_again(config, kafka, watched, how):
    first, rest = halves()
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, first)
        assert worker.end() == 0
        forget(kafka, how)
        assert live.driftline(config, "topics", "create", "--alter").returncode == 0
        worker.start()
        worker.until_ready()
        sent_and_judged(config, kafka, rest)
    assert asyncio.run(live.alerts(kafka)) == watched
    assert how == "emptied" or "all panes are read again" in worker.said.read_text()


def test_partitions_that_are_added_to_the_calls_are_read_too(config, kafka, watched):
    first, rest = halves()
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, first)
        config.write_text(config.read_text().replace("partitions: 6", "partitions: 8"))
        assert live.driftline(config, "topics", "create", "--alter").returncode == 0
        while len(worker.get("/health")[1]["stages"]["observe"]["partitions"]) < 8:
            time.sleep(0.5)
        sent_and_judged(config, kafka, rest)
    assert asyncio.run(live.alerts(kafka)) == watched
    counts = asyncio.run(live.counts(kafka))
    assert judged_calls(kafka) + counts["late"] + counts["duplicates"] == counts["calls"]


@pytest.mark.parametrize("role", ["calls", "panes"])
def test_a_topic_that_vanishes_ends_the_worker_with_a_clear_word(config, kafka, role):
    async def delete():
        admin = AIOKafkaAdminClient(**connection(kafka, "test"))
        await admin.start()
        await admin.delete_topics([kafka.topic(role)])
        await admin.close()

    with Worker(config) as worker:
        worker.until_ready()
        asyncio.run(delete())
        assert worker.wait() == 2
        said = worker.said.read_text()
    assert f"there is no topic {kafka.topic(role)!r}" in said and "driftline topics create" in said


def test_a_worker_waits_for_a_broker_that_is_not_there_yet(tmp_path, own_broker, store):
    broker = own_broker()
    broker.start()
    kafka = Kafka(brokers=broker.address, prefix="early.", group="early")
    config = live.configured(tmp_path, kafka, live=live.QUICK, store=str(store[0]))
    broker.stop()
    with Worker(config) as worker:
        worker.until_answering()
        assert worker.get("/live")[0] == 200
        while broker.address not in json.dumps(told := worker.get("/ready")):
            time.sleep(0.1)
        assert told[0] == 503
        broker.start()
        worker.until_ready()
        assert worker.end() == 0
    assert worker.said.read_text().count("waiting for it") == 1


def test_panes_of_an_unknown_lens_and_what_is_no_pane_are_counted_and_passed_over(config, kafka, watched):
    async def mislead():
        producer = AIOKafkaProducer(**connection(kafka, "test"))
        await producer.start()
        await producer.send_and_wait(kafka.topic("panes"), b"no pane", partition=0)
        for app in range(traffic.APPS):
            tick = traffic.START_MS - traffic.START_MS % 10_000
            strange = wire.Sent(7, f"app{app}/answer", tick, tick + 10_000, 3, "f" * 16, b"")
            await producer.send_and_wait(kafka.topic("panes"), wire.encode(strange), partition=0)
        await producer.stop()

    asyncio.run(mislead())
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(traffic.CALLS))
        counts = worker.get("/health")[1]["stages"]["judge"]["counts"]
    assert (counts["unknown_lens_calls"], counts["corrupt_messages"]) == (3 * traffic.APPS, 1)
    assert "seen through lens ffff" in worker.said.read_text()


def test_a_baseline_that_the_store_lacks_ends_the_worker_with_a_clear_word(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=live.QUICK)
    ids = traffic.baselines(tmp_path / "store")
    with Worker(config) as worker:
        worker.until_ready()
        time.sleep(2)
        (tmp_path / "store" / "baselines" / f"{ids['app1/answer']}.safetensors").unlink()
        asyncio.run(live.send(kafka, traffic.lines(100)))
        assert worker.wait() == 2
    said = worker.said.read_text()
    assert ids["app1/answer"] in said and "with several workers the store must be one that all of them reach" in said


def test_calls_that_come_in_transactions_are_judged_to_the_last(config, kafka):
    async def send():
        producer = AIOKafkaProducer(**connection(kafka, "test"), transactional_id="test")
        await producer.start()
        async with producer.transaction():
            for call in traffic.calls(100):
                await producer.send(kafka.topic("calls"), json.dumps(call).encode(), key=call["call_id"].encode())
        await producer.stop()
        await live.until_judged(config)

    with Worker(config) as worker:
        worker.until_ready()
        asyncio.run(send())
    assert judged_calls(kafka) == 100
