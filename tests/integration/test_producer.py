"""The producer and real brokers: all that was sent arrives once, in order, whatever the brokers do meanwhile."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from streams.kafka.outbox import Message
from streams.kafka.producer import AsyncProducer, Producer
from streams.settings import Kafka
from tests.integration.brokers import ROOT
from tests.integration.calls import make, read, wait_until
from tests.streams import traffic

pytestmark = pytest.mark.kafka


def call(number, key=None):
    return {
        "call_id": f"c{number if key is None else key}",
        "event_time": traffic.START_MS + number,
        "app": "support-bot",
        "output": f"answer {number}",
        "attributes": {"number": number},
    }


def numbers(kafka):
    """The calls of a topic, by partition, as numbers."""
    return {
        part: [msgspec.json.decode(one.value)["attributes"]["number"] for one in records]
        for part, records in read(kafka).items()
    }


def all_once_in_order(kafka, wanted):
    found = numbers(kafka)
    assert sorted(number for part in found.values() for number in part) == sorted(wanted)
    assert all(part == sorted(part) for part in found.values())


def adds_up(producer):
    counts = producer.counts
    assert counts.offered == counts.sent + counts.buffered + counts.dropped
    return counts


def test_everything_arrives_once_and_in_order_keyed_by_call_id(kafka):
    make(kafka, "calls")
    with Producer(kafka) as producer:
        assert all(producer.send(call(number, number % 50)) for number in range(5000))
        assert producer.flush(30)
        assert producer.counts.sent == 5000
    found = read(kafka)
    assert len(found) > 1
    all_once_in_order(kafka, range(5000))
    keys = [{one.key for one in records} for records in found.values()]
    assert sum(map(len, keys)) == 50  # a key is in one partition only
    for records in found.values():
        assert all(one.key.decode() == msgspec.json.decode(one.value)["call_id"] for one in records)


def test_an_async_app_sends_from_its_own_loop(kafka):
    make(kafka, "calls")

    async def app():
        async with AsyncProducer(kafka) as producer:
            for number in range(2000):
                assert producer.send(call(number))
                if number % 100 == 0:
                    await asyncio.sleep(0)
            assert await producer.flush(30)
            return producer.counts

    assert asyncio.run(app()).sent == 2000
    all_once_in_order(kafka, range(2000))


def test_many_threads_may_send(kafka):
    make(kafka, "calls")
    with Producer(kafka) as producer:

        def send(first):
            for number in range(first, first + 500):
                assert producer.send(call(number))

        threads = [threading.Thread(target=send, args=(1000 * number,)) for number in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    found = [number for part in numbers(kafka).values() for number in part]
    assert sorted(found) == [1000 * thread + number for thread in range(4) for number in range(500)]


def test_closing_sends_what_waits_and_says_so(kafka):
    make(kafka, "calls")
    producer = Producer(kafka)
    for number in range(1000):
        producer.send(call(number))
    assert producer.close(30)
    assert producer.counts.sent == 1000
    assert producer.close()  # once more does no harm
    assert not producer.send(call(0))


def test_calls_that_the_brokers_refuse_are_counted_and_the_others_arrive(kafka):
    make(kafka, "calls", partitions=1, **{"max.message.bytes": "2000"})
    told = []
    with Producer(kafka, on_drop=lambda *drop: told.append(drop)) as producer:
        for number in range(20):
            one = call(number)
            if number % 5 == 2:
                one["output"] = os.urandom(3000).hex()
            producer.send(one)
            assert producer.flush(30)
        counts = adds_up(producer)
    assert (counts.sent, counts.reasons["delivery_failed"]) == (16, 4)
    assert len(told) == 4
    assert told[0][0] == "delivery_failed"
    all_once_in_order(kafka, [number for number in range(20) if number % 5 != 2])


def test_the_longest_call_that_readers_take_can_be_sent(kafka):
    make(kafka, "calls", partitions=1)
    long = traffic.calls(0, 1)[0] | {"input": os.urandom(110_000).hex(), "output": os.urandom(110_000).hex()}
    long["context"] = [os.urandom(110_000).hex(), os.urandom(80_000).hex()]
    with Producer(kafka) as producer:
        assert producer.send(long)
        assert producer.send(traffic.calls(1, 2)[0])
        assert producer.flush(30)
        assert producer.counts.sent == 2
    assert [len(one.value) > 800_000 for one in read(kafka)[0]] == [True, False]


def test_a_topic_that_is_made_later_gets_what_was_sent_before(kafka):
    with Producer(kafka) as producer:
        for number in range(10):
            assert producer.send(call(number))
        assert not producer.flush(1)
        make(kafka, "calls")
        assert producer.flush(30)
    all_once_in_order(kafka, range(10))


def test_brokers_that_are_down_at_first_get_everything_once_they_are_up(own_broker):
    broker = own_broker()
    kafka = Kafka(brokers=broker.address)
    with Producer(kafka) as producer:
        for number in range(500):
            assert producer.send(call(number))
        assert not producer.flush(1)
        assert producer.trouble
        broker.start()
        make(kafka, "calls")
        assert producer.flush(60)
        assert not producer.trouble
        assert adds_up(producer).sent == 500
    all_once_in_order(kafka, range(500))


def test_a_broker_killed_while_calls_are_sent_costs_only_what_the_buffer_cannot_hold(own_broker, caplog):
    broker = own_broker()
    broker.start()
    kafka = Kafka(brokers=broker.address)
    make(kafka, "calls")
    accepted, dropped, stop = [], [], threading.Event()
    producer = Producer(kafka, buffer_calls=500)

    def app():
        number = 0
        while not stop.is_set():
            (accepted if producer.send(call(number)) else dropped).append(number)
            number += 1
            time.sleep(0.001)

    thread = threading.Thread(target=app)
    thread.start()
    try:
        wait_until(lambda: producer.counts.sent > 200)
        broker.kill()
        wait_until(lambda: len(dropped) > 50)
        wait_until(lambda: "Unable" in producer.trouble)
        adds_up(producer)
        broker.start()
        wait_until(lambda: producer.counts.buffered < 100, 60)
    finally:
        stop.set()
        thread.join()
    assert producer.flush(60)
    counts = adds_up(producer)
    assert producer.close()
    assert not producer.trouble
    said = [one.getMessage() for one in caplog.records if one.levelname != "DEBUG"]
    assert len(said) == 2  # once that calls wait, once that they go on
    assert (counts.sent, counts.reasons["buffer_full"]) == (len(accepted), len(dropped))
    assert counts.dropped == len(dropped)
    all_once_in_order(kafka, accepted)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals that suspend")
def test_closing_keeps_its_deadline_when_the_broker_hangs(own_broker):
    broker = own_broker()
    broker.start()
    kafka = Kafka(brokers=broker.address)
    make(kafka, "calls")
    producer = Producer(kafka)
    producer.send(call(0))
    assert producer.flush(30)
    group = os.getpgid(broker._process.pid)
    os.killpg(group, signal.SIGSTOP)
    try:
        producer.send(call(1))
        assert not producer.flush(1)
        started = time.monotonic()
        assert not producer.close(0.5)
        assert time.monotonic() - started < 5
        counts = adds_up(producer)
        assert (counts.sent, counts.buffered, counts.reasons["closed"]) == (1, 0, 1)
    finally:
        os.killpg(group, signal.SIGCONT)


APP = """
import os, sys
from streams.kafka.producer import Producer
from streams.settings import Kafka
producer = Producer(Kafka(brokers=sys.argv[1], prefix=sys.argv[2]))
def send(first):
    for number in range(first, first + 100):
        producer.send({"app": "bot", "output": "yes", "attributes": {"number": number}})
"""

ENDS = "send(0)"

FORKS = """
send(0)
producer.flush(30)
send(100)
if os.fork() == 0:
    send(200)  # the parent's thread is not here
    sent = producer.close(30) and producer.counts.offered == 100
    os._exit(0 if sent else 1)
assert os.wait()[1] == 0
send(300)
assert producer.close(30) and producer.counts.sent == 300
"""


def test_a_process_whose_broker_is_gone_still_ends_soon_and_says_what_it_lost(own_broker):
    broker = own_broker()
    broker.start()
    kafka = Kafka(brokers=broker.address)
    make(kafka, "calls")
    script = "send(0); producer.flush(30); print(producer.counts.sent, flush=True); input(); send(100)"
    command = [sys.executable, "-W", "error", "-c", APP + script, kafka.brokers, kafka.prefix]
    app = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1, text=True)
    assert app.stdout.readline() == "100\n"
    broker.kill()
    started = time.monotonic()
    _, said = app.communicate("\n", timeout=30)
    assert (app.returncode, time.monotonic() - started < 10) == (0, True)
    calls_wait, left = said.splitlines()
    assert "calls wait to be sent to driftline.calls: Unable" in calls_wait
    assert "100 calls were left unsent" in left


@pytest.mark.parametrize(("script", "wanted"), [(ENDS, 100), (FORKS, 400)])
def test_calls_survive_the_end_of_the_interpreter_and_a_fork(kafka, script, wanted):
    make(kafka, "calls")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", APP + script, kafka.brokers, kafka.prefix],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [number for part in numbers(kafka).values() for number in part]
    assert sorted(found) == list(range(wanted))


def test_a_record_that_waits_for_room_gets_it(kafka):
    make(kafka, "calls")
    with Producer(kafka, buffer_calls=10) as producer:
        for number in range(300):
            value = msgspec.json.encode(call(number))
            assert producer.put(Message(b"c%d" % number, value), 30)
        assert producer.flush(30)
        assert producer.counts.dropped == 0
    all_once_in_order(kafka, range(300))
