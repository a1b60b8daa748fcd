"""The producer without any broker: what it takes, what it drops, and that apps never notice."""

import asyncio
import dataclasses
import time
from collections import ChainMap
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.errors import SettingsError
from streams.kafka.message import message
from streams.kafka.outbox import Message
from streams.kafka.producer import AsyncProducer, Producer
from streams.records import Record, Rejected, decode
from streams.settings import Kafka
from tests.streams import traffic

NOWHERE = Kafka(brokers="127.0.0.1:1")
NOW_MS = traffic.NOW_MS
CALL = {"call_id": "a1", "event_time": traffic.START_MS, "app": "support-bot", "output": "On its way."}


@dataclasses.dataclass
class Call:
    app: str
    output: str


class Struct(msgspec.Struct):
    app: str
    output: str


def read(made):
    assert isinstance(made, Message), made
    found = decode(made.value, now_ms=NOW_MS)
    assert isinstance(found, Record)
    assert made.key == found.call_id.encode()
    return found


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.sampled_from([object(), {object(): 1}, "\ud800", Call, np.nan, np.zeros(2), range, ValueError()]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*CALL, "latency_ms", "x"]) | st.text(), inner),
    max_leaves=6,
)


@given(anything | st.dictionaries(st.sampled_from([*CALL, "input", "scores"]), anything))
def test_whatever_is_sent_nothing_is_raised_and_all_of_it_is_counted(call):
    told = []
    producer = Producer(NOWHERE, buffer_calls=1, on_drop=lambda reason, detail: told.append(reason))
    producer._started = lambda: None  # what is delivered, and how, is not asked here
    accepted = [producer.send(call), producer.send(call)]
    counts = producer.counts
    assert counts.offered == 2
    assert counts.buffered == sum(accepted)
    assert len(told) == counts.dropped == 2 - sum(accepted)
    assert counts.reasons["invalid"] in (0, 2)


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Spiteful(Mapping):
    def __iter__(self):
        raise WordlessError

    __len__ = __getitem__ = __iter__


def test_a_call_that_raises_when_it_is_looked_at_is_dropped_like_any_other():
    producer = Producer(NOWHERE)
    assert not producer.send(Spiteful())
    assert producer.counts.reasons["invalid"] == 1


@given(st.dictionaries(st.sampled_from([*CALL, "input", "latency_ms", "gen_ai.response.id"]) | st.text(), anything))
def test_what_is_accepted_is_what_a_reader_of_the_topic_takes_for_a_call(fields):
    made = message({**CALL, **fields}, NOW_MS)
    if isinstance(made, Rejected):
        assert made.detail
    else:
        read(made)


@pytest.mark.parametrize(
    "call", [Call("bot", "yes"), Struct("bot", "yes"), ChainMap({"app": "bot"}, {"output": "yes"})]
)
def test_a_call_may_be_a_mapping_a_dataclass_or_a_struct(call):
    found = read(message(call, NOW_MS))
    assert (found.app, found.output, found.event_time) == ("bot", "yes", NOW_MS)
    assert UUID(found.call_id)


@pytest.mark.parametrize("lacking", [None, "", ...])
def test_a_missing_call_id_is_made_up_anew_each_time(lacking):
    call = {name: value for name, value in (CALL | {"call_id": lacking}).items() if value is not ...}
    first, second = read(message(call, NOW_MS)), read(message(call, NOW_MS))
    assert first.call_id != second.call_id
    assert call.get("call_id", ...) == lacking  # the app's own object is left alone


@pytest.mark.parametrize("call", [{"gen_ai.response.id": "r7"}, {"attributes": {"gen_ai.response.id": "r7"}}])
def test_a_call_id_under_its_other_name_is_the_key(call):
    made = message({"app": "bot", "output": "yes", **call}, NOW_MS)
    assert made.key == b"r7"
    assert read(made).call_id == "r7"


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("event_time", datetime(2026, 1, 5, 10, tzinfo=UTC), 1_767_607_200_000),
        ("cost_usd", Decimal("0.25"), 0.25),
        ("latency_ms", np.float64(12.5), 12.5),
        ("latency_ms", float("nan"), None),
        ("input_tokens", np.int64(7), 7),
        ("scores", {"helpful": np.float32(0.5)}, {"helpful": 0.5}),
        ("context", ("one", "two"), ("one", "two")),
    ],
)
def test_values_that_apps_hold_are_understood(field, value, wanted):
    assert getattr(read(message(CALL | {field: value}, NOW_MS)), field) == wanted


@pytest.mark.parametrize("call", traffic.records(traffic.calls(0, 50)))
def test_a_decoded_record_is_sent_as_the_record_it_is(call):
    found = read(message(call, NOW_MS))
    assert msgspec.structs.replace(found, content=call.content) == call


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({**CALL, "app": None}, "app is missing"),
        ({**CALL, "latency_ms": "fast"}, "send a number"),
        ({**CALL, "event_time": NOW_MS + 3_600_000}, "ahead of the clock"),
        ({"app": "bot"}, "like input and error_type"),
        ("a text", "TypeError: a str; send a dict"),
        ({**CALL, "x": object()}, "a object among its values"),
    ],
)
def test_what_is_no_call_is_dropped_with_the_sentence_that_readers_would_give(call, said):
    told = []
    producer = Producer(NOWHERE, on_drop=lambda *drop: told.append(drop))
    made = message(call, NOW_MS)
    assert isinstance(made, Rejected)
    assert said in made.detail
    assert not producer.send(call)
    assert told[0][0] == "invalid"
    assert producer.counts.reasons["invalid"] == 1


def test_an_on_drop_that_raises_is_logged_and_disturbs_nobody(caplog):
    def on_drop(reason, detail):
        raise ValueError("a defect of the app")

    assert not Producer(NOWHERE, on_drop=on_drop).send({})
    assert "a defect of the app" in caplog.text


def test_without_brokers_calls_are_buffered_then_dropped_and_never_waited_for():
    with Producer(NOWHERE, buffer_calls=100) as producer:
        slowest = 0.0
        for _ in range(300):
            started = time.monotonic()
            producer.send(CALL)
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 0.5
        assert not producer.flush(0.05)
        assert (producer.counts.buffered, producer.counts.reasons["buffer_full"]) == (100, 200)
        assert not producer.close(0.05)
    counts = producer.counts
    assert (counts.offered, counts.sent, counts.buffered, counts.reasons["closed"]) == (300, 0, 0, 100)
    assert not producer.send(CALL)
    assert producer.counts.reasons["closed"] == 101


def test_what_keeps_calls_from_being_sent_is_said_once_and_can_be_asked(caplog):
    with Producer(NOWHERE) as producer:
        producer.send(CALL)
        for _ in range(100):
            if producer.trouble:
                break
            time.sleep(0.05)
        assert "127.0.0.1" in producer.trouble
        producer.close(0.5)
    mine = [one.getMessage() for one in caplog.records if one.name.startswith("streams.")]
    assert [one for one in mine if "calls wait to be sent to driftline.calls" in one] == mine[:1]
    assert "1 calls were left unsent" in mine[-1]


def test_a_record_may_wait_for_room_but_not_for_ever():
    with Producer(NOWHERE, buffer_calls=1) as producer:
        assert producer.put(Message(b"a", b"{}"), 0.05)
        assert not producer.put(Message(b"a", b"{}"), 0.05)
        assert producer.counts.offered == 1
        producer.close(0)


def test_the_same_holds_in_an_app_s_own_loop():
    async def app():
        async with AsyncProducer(NOWHERE, buffer_calls=2) as producer:
            assert [producer.send(CALL) for _ in range(3)] == [True, True, False]
            assert not await producer.flush(0.05)
            assert not await producer.close(0.05)
            assert not producer.send(CALL)
            return producer.counts

    counts = asyncio.run(app())
    assert (counts.offered, counts.buffered, counts.reasons["closed"]) == (4, 0, 3)


def test_a_producer_that_was_never_used_closes_at_once():
    assert Producer(NOWHERE).close()
    assert asyncio.run(AsyncProducer(NOWHERE).close())


def test_the_cluster_is_that_of_the_settings(monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA", "{brokers: 'elsewhere:9092', prefix: mine.}")
    producer = Producer()
    assert producer._kafka.brokers == "elsewhere:9092"
    assert producer._topic == "mine.calls"
    monkeypatch.setenv("DRIFTLINE_KAFKA", "{broker: x}")
    with pytest.raises(SettingsError, match=r"kafka.*broker"):
        Producer()
