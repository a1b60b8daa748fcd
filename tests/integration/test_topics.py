"""``driftline topics`` and ``driftline config`` on a real broker."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka.client import connection
from tests.streams.cli.conftest import run

pytestmark = pytest.mark.kafka


@pytest.fixture
def driftline(monkeypatch, capfdbinary, kafka, tmp_path):
    """The command, with settings of the test's own topics on the shared broker; keywords are settings of it."""
    monkeypatch.setenv("DRIFTLINE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DRIFTLINE_CONFIG", raising=False)

    def driftline(*args, **given):
        values = {"brokers": kafka.brokers, "prefix": kafka.prefix, "group": kafka.group} | given
        with monkeypatch.context() as patched:
            for name, value in values.items():
                patched.setenv(f"DRIFTLINE_KAFKA_{name.upper()}", value)
            return run(patched, capfdbinary, *args)

    return driftline


def states(ran):
    """State and finding of each topic, by role, as ``topics show --json`` tells them."""
    rows = [json.loads(line) for line in ran.out.splitlines()]
    return {row["role"]: (row["state"], row["found"]) for row in rows if "role" in row}


def lags(ran):
    return {row["group"]: row for row in map(json.loads, ran.out.splitlines()) if "group" in row}


def test_topics_are_created_once_and_then_are_as_wanted(driftline):
    before = driftline("topics", "show")
    assert before.status == 0
    assert before.err.count("missing") == 7  # each of six topics, and what to do
    assert "run 'driftline topics create'" in before.err
    made = driftline("topics", "create")
    assert (made.status, made.err.count("created")) == (0, 6)
    again = driftline("topics", "create", "--json")
    assert json.loads(again.out) == {"created": [], "changed": [], "differs": []}
    assert "all 6 topics are there, as wanted" in again.err
    shown = driftline("topics", "show", "--json")
    assert shown.status == 0
    assert {state for state, _ in states(shown).values()} == {"as_wanted"}
    assert states(shown)["state"][1]["partitions"] == states(shown)["panes"][1]["partitions"] == 6
    assert states(shown)["state"][1]["config"]["cleanup.policy"] == "compact"


def test_partitions_are_never_taken_away_and_nothing_else_is_done_then(driftline):
    assert driftline("topics", "create").status == 0
    ran = driftline("topics", "create", "--alter", topics="{calls: {partitions: 3, retention: 1d}}")
    assert ran.status == 2
    assert "nothing was changed" in ran.err
    assert "partitions cannot be taken away; set kafka.topics.calls.partitions to 6" in ran.err
    assert {state for state, _ in states(driftline("topics", "show", "--json")).values()} == {"as_wanted"}


def test_what_differs_is_told_and_changed_only_by_alter_which_leaves_other_settings_alone(driftline, kafka):
    given = "{calls: {partitions: 8, retention: 1d}, alerts: {retention: forever}}"
    assert driftline("topics", "create").status == 0
    asyncio.run(_set(kafka, kafka.topic("calls"), {"retention.ms": "604800000", "segment.ms": "3600000"}))
    told = driftline("topics", "create", topics=given)
    assert told.status == 2
    assert "partitions is 6, wanted 8: --alter adds them" in told.err
    assert "retention.ms is 7d, wanted 1d" in told.err
    assert "retention.ms is 90d, wanted forever" in told.err
    shown = states(driftline("topics", "show", "--json", topics=given))
    assert (shown["calls"][0], shown["calls"][1]["partitions"]) == ("differs", 6)
    assert driftline("topics", "create", "--alter", topics=given).status == 0
    shown = states(driftline("topics", "show", "--json", topics=given))
    assert {state for state, _ in shown.values()} == {"as_wanted"}
    assert shown["calls"][1]["partitions"] == 8
    assert asyncio.run(_set(kafka, kafka.topic("calls"), None))["segment.ms"] == "3600000"


async def _set(kafka, topic, values):
    """Set a topic's configuration as another tool would, or only read it."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    async with administrator(kafka) as admin:
        if values:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, values)])
        while True:  # until the broker knows it
            (answer,) = await admin.describe_configs([resource])
            found = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            if (values or {}).items() <= found.items():
                return found


async def _more_partitions(kafka, topic, number):
    async with administrator(kafka) as admin:
        await admin.create_partitions({topic: NewPartitions(number)})
        while len((await admin.describe_topics([topic]))[0]["partitions"]) < number:
            pass


@asynccontextmanager
async def administrator(kafka):
    admin = AIOKafkaAdminClient(**connection(kafka, "test"))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@pytest.mark.parametrize("alter", [(), ("--alter",)])
def test_panes_never_get_more_partitions_and_it_is_said_why(driftline, alter):
    assert driftline("topics", "create").status == 0
    ran = driftline("topics", "create", *alter, topics="{panes: {partitions: 12}}")
    assert ran.status == 2
    assert "records of one segment would lie in two partitions" in ran.err
    assert states(driftline("topics", "show", "--json"))["panes"][1]["partitions"] == 6


def test_a_state_that_is_made_later_has_as_many_partitions_as_the_panes(driftline):
    given = {"topics": "{panes: {partitions: 3}}"}
    assert driftline("topics", "create", **given).status == 0
    assert states(driftline("topics", "show", "--json", **given))["state"][1]["partitions"] == 3


def test_more_copies_than_brokers_are_refused_before_anything_is_made(driftline):
    ran = driftline("topics", "create", replication="9")
    assert ran.status == 2
    assert "kafka.replication is 9 but the cluster has" in ran.err
    assert {state for state, _ in states(driftline("topics", "show", "--json")).values()} == {"missing"}


async def _lagging(kafka, sent, read):
    """Send calls to a partition; the group of observers then has committed that it read some."""
    partition = TopicPartition(kafka.topic("calls"), 0)
    producer = AIOKafkaProducer(**connection(kafka, "test"))
    await producer.start()
    for _ in range(sent):
        await producer.send_and_wait(partition.topic, b"call", partition=0)
    await producer.stop()
    consumer = AIOKafkaConsumer(
        **connection(kafka, "test"), group_id=kafka.consumers("observe"), enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: read})
    await consumer.stop()


def test_the_lag_of_both_groups_is_told(driftline, kafka):
    assert driftline("topics", "create").status == 0
    asyncio.run(_lagging(kafka, 5, 2))
    found = lags(driftline("topics", "show", "--json"))
    observe, judge = found[f"{kafka.group}-observe"], found[f"{kafka.group}-judge"]
    assert (observe["lag"], observe["topic"], observe["partitions"][0]["committed"]) == (3, kafka.topic("calls"), 2)
    assert (judge["lag"], judge["topic"], judge["partitions"][0]["committed"]) == (0, kafka.topic("panes"), None)
    assert f"3 records of {kafka.topic('calls')} behind" in driftline("topics", "show").err


def test_config_check_is_content_where_everything_is_there(driftline):
    assert driftline("topics", "create").status == 0
    ran = driftline("config", "check", "--json")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert {one["what"] for one in found} == {"settings", "cluster", "topics", "workers", "store", "embedder"}
    assert [one["said"] for one in found if one["state"] not in ("ok", "note")] == []
    assert "with more than one worker it must be shared" in ran.err


def test_config_check_tells_missing_topics_and_those_of_other_partitions_or_settings(driftline, kafka):
    ran = driftline("config", "check")
    assert ran.status == 2
    assert f"missing: {kafka.topic('calls')}" in ran.err
    assert driftline("topics", "create").status == 0
    panes, state = kafka.topic("panes"), kafka.topic("state")
    asyncio.run(_set(kafka, panes, {"max.message.bytes": "1000000", "retention.ms": "7776000000"}))
    asyncio.run(_set(kafka, state, {"cleanup.policy": "delete"}))
    ran = driftline("config", "check")
    assert ran.status == 2
    assert f"{panes}: max.message.bytes is 1,000,000 bytes, wanted 16,777,216 bytes: topics create --alter" in ran.err
    assert f"{state}: cleanup.policy is delete, wanted compact: topics create --alter sets it" in ran.err
    assert driftline("topics", "create", "--alter").status == 0
    assert driftline("config", "check").status == 0


def test_config_check_tells_a_state_that_does_not_fit_the_panes(driftline, kafka):
    assert driftline("topics", "create").status == 0
    asyncio.run(_more_partitions(kafka, kafka.topic("panes"), 8))
    ran = driftline("config", "check", topics="{panes: {partitions: 8}}")
    assert ran.status == 2
    assert f"{kafka.topic('state')}: partitions is 6, wanted 8: it must have as many as panes" in ran.err


def test_config_check_tells_what_cannot_be_reached(driftline, tmp_path):
    (tmp_path / "file").write_text("")
    ran = driftline("config", "check", "--store", tmp_path / "file", brokers="127.0.0.1:1")
    assert ran.status == 3
    assert "nobody listens on 127.0.0.1:1: check kafka.brokers" in ran.err
    assert f"store: {tmp_path / 'file'}" in ran.err
    assert driftline("topics", "show", brokers="127.0.0.1:1").status == 3
