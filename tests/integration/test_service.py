"""The live service on a real broker: whatever happens, the verdicts of a file; for what cannot be, clear words."""

import asyncio
import json
import signal
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams import wire
from streams.cluster import Kafka
from streams.kafka.client import connection
from streams.store import Store
from tests.integration import live, traffic
from tests.integration.chaos import compare, disturbed, settings_of, undisturbed
from tests.integration.live import Worker

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LIVE = {"session_s": 6, "idle_s": 2, "save_s": 2}
CALLS = 4000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    return folder / "store", traffic.baselines(folder / "store")


@pytest.fixture
def config(tmp_path, kafka, store):
    return live.configured(tmp_path, kafka, live=LIVE, store=str(store[0]))


@pytest.fixture(scope="module")
def watched(store):
    """The alerts of ``driftline watch`` on the same calls with the same baselines."""
    folder = store[0].parent
    file = folder / "watch.yaml"
    file.write_text(f"store: {store[0]}\n")
    names = [part for segment in store[1] for part in ("--baseline", f"{segment}@prod")]
    said = live.driftline(file, "watch", "-", "--json", *names, given=b"\n".join(traffic.lines(CALLS)))
    assert said.returncode == 0, said.stderr
    return {json.loads(line)["record_id"]: line for line in said.stdout.splitlines()}


def sent_and_judged(config, kafka, lines, worker=None):
    async def both():
        await live.send(kafka, lines)
        await live.until_judged(config)

    asyncio.run(both())


def test_the_service_says_byte_for_byte_what_watch_says_of_the_same_calls(config, kafka, watched):
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(CALLS))
        health = worker.get("/health")[1]
        assert worker.end(signal.SIGTERM) == 0
    assert len(watched) >= 3
    assert asyncio.run(live.alerts(kafka)) == watched
    assert health["stages"]["judge"]["alerts"] == len(watched)
    counts = asyncio.run(live.counts(kafka))
    assert sum(message.calls for message in panes(kafka)) + counts["late"] + counts["duplicates"] == counts["calls"]
    letters = [json.loads(record.value) for record in asyncio.run(live.records(kafka, "deadletter"))]
    assert [one["reason"] for one in letters if one["reason"] != "late"] == ["not_json"] * counts["rejected"]
    assert letters[0].keys() == {"topic", "partition", "offset", "reason", "field", "detail", "data"}


def test_calls_that_waited_before_the_first_worker_came_are_all_judged(config, kafka, watched):
    asyncio.run(live.send(kafka, traffic.lines(CALLS)))
    with Worker(config):
        asyncio.run(live.until_judged(config))
    assert asyncio.run(live.alerts(kafka)) == watched


def panes(kafka):
    found = [wire.decode(record.value) for record in asyncio.run(live.records(kafka, "panes"))]
    return [message for message in found if isinstance(message, wire.Sent)]


def test_whatever_dies_panes_alerts_and_counts_are_those_of_an_undisturbed_run(tmp_path, own_broker):
    """Four events; forty of them are ``make chaos``."""
    broker = own_broker()
    broker.start()
    traffic.baselines(tmp_path / "store")
    calls = traffic.lines(5000)
    events = ["kill observer", "kill broker", "pause judge", "kill judge"]

    async def both():
        wanted = await undisturbed(*settings_of(tmp_path, broker.address, "calm"), calls)
        config, kafka = settings_of(tmp_path, broker.address, "chaos")
        return wanted, await disturbed(config, kafka, broker, calls, events, seed=1, rate=130)

    wanted, found = asyncio.run(both())
    assert wanted["alerts"]
    compare(found, wanted)


def halves():
    lines = traffic.lines(CALLS)
    return lines[: len(lines) * 2 // 3], lines[len(lines) * 2 // 3 :]


def forget(kafka, how):
    """Lose what the judge had saved."""

    async def both():
        admin = AIOKafkaAdminClient(**connection(kafka, "test"))
        await admin.start()
        topic = kafka.topic("state")
        if how == "emptied":
            await admin.delete_topics([topic])
        else:
            async with live.consumer(kafka) as one:
                tps = await live.partitions_of(one, topic)
                found = await one.end_offsets(tps)
            await admin.delete_records({tp: RecordsToDelete(before_offset=end) for tp, end in found.items()})
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
        assert live.driftline(config, "topics", "create").returncode == 0
        worker.start()
        worker.until_ready()
        sent_and_judged(config, kafka, rest)
    assert asyncio.run(live.alerts(kafka)) == watched


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
    assert sum(message.calls for message in panes(kafka)) + counts["late"] + counts["duplicates"] == counts["calls"]


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
    config = live.configured(tmp_path, kafka, live=LIVE, store=str(store[0]))
    broker.stop()
    with Worker(config) as worker:
        worker.until_answering()
        assert worker.get("/live")[0] == 200
        status, told = worker.get("/ready")
        assert status == 503
        broker.start()
        worker.until_ready()
        assert worker.end() == 0
    assert worker.said.read_text().count("waiting for it") == 1
    assert broker.address in json.dumps(told)


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
        sent_and_judged(config, kafka, traffic.lines(CALLS))
        counts = worker.get("/health")[1]["stages"]["judge"]["counts"]
    assert (counts["unknown_lens_calls"], counts["corrupt_messages"]) == (3 * traffic.APPS, 1)
    assert "seen through lens ffff" in worker.said.read_text()


def test_a_baseline_that_the_store_lacks_ends_the_worker_with_a_clear_word(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=LIVE)
    ids = traffic.baselines(tmp_path / "store")
    with Worker(config) as worker:
        worker.until_ready()
        time.sleep(2)
        (tmp_path / "store" / "baselines" / f"{ids['app1/answer']}.safetensors").unlink()
        asyncio.run(live.send(kafka, traffic.lines(100)))
        assert worker.wait() == 2
    said = worker.said.read_text()
    assert ids["app1/answer"] in said and "with several workers the store must be one that all of them reach" in said


def test_a_tag_that_moves_is_followed_without_a_restart_and_alarms_against_the_old_baseline_end(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=LIVE)
    traffic.baselines(tmp_path / "store")
    store = Store(str(tmp_path / "store"))
    first, rest = halves()
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, first)
        firing = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
        (name, *_) = sorted({one["segment"]["app"] for one in firing if one["state"] == "firing"})
        other = traffic.baseline(store, name, count=5000)
        at = json.loads(rest[0])["event_time"]
        instant = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000 + 60))
        moved = live.driftline(
            config, "baseline", "tag", other, f"{name}/answer@prod", "--at", instant, "--why", "a new model"
        )
        assert moved.returncode == 0, moved.stderr
        sent_and_judged(config, kafka, rest)
    found = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
    ended = [one for one in found if f"was moved to baseline {other}" in one["sentence"]]
    assert ended and all(one["state"] == "resolved" and one["segment"]["app"] == name for one in ended)
    assert all("a new model" in one["sentence"] for one in ended)
    standing = {one["alert_id"] for one in found if one["state"] == "firing" and one["segment"]["app"] == name}
    assert {one["alert_id"] for one in ended} <= standing


def test_segments_without_a_baseline_take_their_first_calls(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, live=LIVE, first=400)
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(6000))
        counts = worker.get("/health")[1]["stages"]["judge"]["counts"]
    made = Store(str(tmp_path / "store")).baselines()
    assert {one.segment for one in made} == {f"app{app}/answer" for app in range(traffic.APPS)}
    assert sum(one.calls for one in made) == counts["first_calls"]
    assert counts["judged_calls"] > 2000
    found = [json.loads(one) for one in asyncio.run(live.alerts(kafka)).values()]
    assert {one["baseline"] for one in found if not one.get("provisional")} <= {one.id for one in made}
    assert any(one["state"] == "firing" and one["kind"] == "model" for one in found)
