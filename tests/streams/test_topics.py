"""What topics should be, and what is said of those that are not."""

from dataclasses import replace

import pytest

from drift.errors import SettingsError
from streams.cluster import Topic, duration_ms
from streams.settings import Kafka
from streams.topics import Found, differences, duration, fitted, require_copies, wanted


def plan(**given):
    return {one.role: one for one in wanted(Kafka(**given))}


def as_wanted(want, **changes):
    """A topic that is as it should be, but for the changes."""
    return replace(Found(want.name, want.partitions, 1, want.config, want.config), **changes)


def test_the_usual_topics_are_kept_as_documented():
    found = plan()
    assert {role: one.partitions for role, one in found.items()} == {
        "calls": 6,
        "panes": 6,
        "state": 6,
        "alerts": 1,
        "baselines": 1,
        "deadletter": 1,
    }
    day = 86_400_000
    assert found["calls"].config == {"cleanup.policy": "delete", "retention.ms": str(7 * day)}
    assert found["panes"].config["retention.ms"] == str(90 * day)
    assert found["panes"].config["max.message.bytes"] == found["state"].config["max.message.bytes"] == str(16 * 2**20)
    assert found["state"].config["cleanup.policy"] == found["baselines"].config["cleanup.policy"] == "compact"
    assert found["deadletter"].config["retention.bytes"] == str(2**30)


def test_settings_change_only_what_they_name():
    given = {
        "panes": Topic(partitions=12),
        "calls": Topic(name="llm", retention="forever"),
        "deadletter": Topic(retention_bytes=0),
    }
    found = plan(topics=given)
    assert (found["panes"].partitions, found["panes"].config) == (12, plan()["panes"].config)
    assert (found["calls"].name, found["calls"].partitions) == ("llm", 6)
    assert found["calls"].config["retention.ms"] == found["deadletter"].config["retention.bytes"] == "-1"


def test_the_state_has_as_many_partitions_as_the_panes_that_are_wanted_or_there():
    topics = wanted(Kafka(topics={"panes": Topic(partitions=12)}))
    state = next(one for one in topics if one.role == "state")
    assert state.partitions == 12
    there = {"driftline.panes": Found("driftline.panes", 5, 1)}
    assert next(one for one in fitted(topics, there) if one.role == "state").partitions == 5
    assert fitted(topics, {}) == topics


@pytest.mark.parametrize("role", ["calls", "panes", "state", "alerts", "baselines", "deadletter"])
def test_a_topic_as_wanted_does_not_differ_and_none_may_lose_partitions(role):
    want = plan()[role]
    assert list(differences(want, as_wanted(want))) == []
    (one,) = differences(want, as_wanted(want, partitions=want.partitions + 1))
    assert (one.what, one.alter) == ("partitions", False)
    assert f"partitions is {want.partitions + 1}, wanted {want.partitions}" in str(one)


@pytest.mark.parametrize(("role", "alter"), [("calls", True), ("panes", False), ("state", False)])
def test_only_calls_may_get_partitions_and_the_others_say_why(role, alter):
    want = plan()[role]
    (one,) = differences(want, as_wanted(want, partitions=2))
    assert one.alter is alter
    words = {"panes": "records of one segment would lie in two partitions", "state": "as many as panes"}
    assert words.get(role, "--alter adds them") in one.remedy


def test_another_retention_is_told_in_the_words_of_the_settings():
    want = plan()["calls"]
    (one,) = differences(want, as_wanted(want, config=want.config | {"retention.ms": "3600000"}))
    assert str(one) == (
        "driftline.calls: retention.ms is 1h, wanted 7d: --alter sets it, or set kafka.topics.calls.retention to what "
        "it is"
    )


def test_a_topic_may_take_larger_batches_than_wanted_but_no_smaller_ones():
    want = plan()["panes"]
    larger, smaller = ({"max.message.bytes": str(2**power)} for power in (25, 20))
    assert list(differences(want, as_wanted(want, config=want.config | larger))) == []
    (one,) = differences(want, as_wanted(want, config=want.config | smaller))
    assert (one.what, one.alter) == ("max.message.bytes", True)


def test_copies_are_three_or_as_many_as_there_are_brokers_and_differ_only_where_they_were_asked_for():
    want = plan()["calls"]
    assert [want.copies_of(brokers) for brokers in (1, 2, 3, 9)] == [1, 2, 3, 3]
    assert list(differences(want, as_wanted(want, copies=2))) == []
    asked = plan(replication=3)["calls"]
    (one,) = differences(asked, as_wanted(asked, copies=2))
    assert (one.what, one.alter) == ("replication", False)


def test_more_copies_than_brokers_are_refused():
    require_copies(wanted(Kafka(replication=2)), 2)
    with pytest.raises(SettingsError, match=r"kafka\.replication is 2 but the cluster has 1 broker: set it to 1"):
        require_copies(wanted(Kafka(replication=2)), 1)


@pytest.mark.parametrize("text", ["30s", "5m", "12h", "7d"])
def test_durations_are_told_as_they_are_given(text):
    assert duration(duration_ms(text)) == text


@pytest.mark.parametrize("text", ["", "7", "7 days", "-1d", "0d", "1.5h", "d"])
def test_what_is_no_duration_is_none(text):
    assert duration_ms(text) is None
