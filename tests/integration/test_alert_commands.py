"""``driftline alerts`` on a real broker: what stands is listed, and every worker hears of what was acknowledged."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import Result

from streams.kafka.moves import TOPIC as DECISIONS
from streams.kafka.moves import Moves
from streams.settings import Kafka
from tests.integration import topics
from tests.integration.commands import invoked
from tests.streams.test_alert_book import record

pytestmark = pytest.mark.kafka

FIRST, SECOND, ENDED = (f"{number:016x}" for number in (1, 2, 3))


def driftline(kafka: Kafka, *arguments: str) -> Result:
    return invoked(kafka, "alerts", *arguments)


def listed(kafka: Kafka, *arguments: str) -> list[tuple[str, str]]:
    said = driftline(kafka, "list", "--json", *arguments)
    assert said.exit_code == 0, said.stderr
    return [(one["alert_id"], one["state"]) for one in map(json.loads, said.stdout.splitlines())]


@pytest.fixture
def alarms(kafka: Kafka) -> None:
    async def made() -> None:
        await topics.create(kafka, DECISIONS, **{"cleanup.policy": "compact"})
        topic = await topics.create(kafka, "alerts", partitions=2)
        records = [record(1), record(2), record(3), record(3, "resolved")]
        await topics.send(kafka, topic, [(0, b"bot", one) for one in records])

    asyncio.run(made())


def test_alarms_are_listed_by_state_and_one_is_acknowledged_once(kafka: Kafka, alarms: None) -> None:
    assert listed(kafka) == [(SECOND, "firing"), (FIRST, "firing")]
    assert listed(kafka, "--state", "all") == [(ENDED, "resolved"), (SECOND, "firing"), (FIRST, "firing")]
    assert listed(kafka, "--state", "resolved", "--kind", "model") == [(ENDED, "resolved")]
    assert listed(kafka, "--app", "nobody") == []
    assert "and 1 older ones" in driftline(kafka, "list", "--most", "1").stderr
    done = driftline(kafka, "ack", FIRST, "--why", "known", "--by", "ann", "--json")
    assert done.exit_code == 0, done.stderr
    assert f"acknowledged {FIRST} of" in done.stderr
    made = json.loads(done.stdout)
    assert (made["alert_id"], made["by"], made["why"]) == (FIRST, "ann", "known")
    assert listed(kafka) == [(SECOND, "firing"), (FIRST, "acknowledged")], "before a judge has it on record"
    assert listed(kafka, "--state", "acknowledged") == [(FIRST, "acknowledged")]

    async def heard() -> list[str]:
        moves = Moves(kafka, "prod")
        await moves.start()
        await moves.stop()
        return list(moves.timetable.acknowledged(made["segment"]))

    assert asyncio.run(heard()) == [FIRST]
    again = driftline(kafka, "ack", FIRST, "--why", "once more")
    assert "was acknowledged at" in str(again.exception)


def test_what_cannot_be_acknowledged_is_told(kafka: Kafka, alarms: None) -> None:
    assert "there is no alarm nonsense" in str(driftline(kafka, "ack", "nonsense", "--why", "x").exception)
    assert f"alarm {ENDED} of" in str(driftline(kafka, "ack", ENDED, "--why", "x").exception)
    assert "Missing option '--why'" in driftline(kafka, "ack", FIRST).stderr


def test_a_cluster_without_the_topic_is_told(kafka: Kafka) -> None:
    assert f"there is no topic '{kafka.topic('alerts')}'" in str(driftline(kafka, "list").exception)
