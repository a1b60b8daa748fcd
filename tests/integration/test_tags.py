"""``baseline tag`` and ``build`` tell the cluster's workers which baseline holds, from when on."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import Result

from streams.evidence import instant
from streams.kafka.moves import TOPIC, Moves
from streams.moves import Announced
from streams.settings import Kafka
from streams.store import AHEAD_MS, Store
from tests.integration import topics
from tests.integration.commands import invoked
from tests.streams import traffic
from tests.streams.test_store import some_baseline

pytestmark = pytest.mark.kafka


def driftline(kafka: Kafka, store: Path, *arguments: str) -> Result:
    return invoked(kafka, "baseline", *arguments, store=store)


def told(kafka: Kafka, segment: str, tag: str = "prod") -> list[Announced]:
    """What a worker that starts now knows of a tag."""

    async def learn() -> list[Announced]:
        moves = Moves(kafka, tag)
        await moves.start()
        await moves.stop()
        return moves.timetable.moves(segment)

    return asyncio.run(learn())


def test_workers_hear_of_a_tag_with_its_lens_and_from_when_it_holds(kafka: Kafka, tmp_path: Path) -> None:
    asyncio.run(topics.create(kafka, TOPIC, **{"cleanup.policy": "compact"}))
    store, made = Store(str(tmp_path)), [some_baseline(seed) for seed in (1, 2)]
    for one in made:
        store.put_baseline(one)
    when, now = traffic.START_MS, time.time_ns() // 1_000_000
    first, second, third = (
        driftline(kafka, tmp_path, "tag", one.id, "bot@prod", "--by", "ann", "--json", *more)
        for one, more in zip([*made, made[0]], ((), (), ("--at", instant(when))), strict=True)
    )
    assert [one.exit_code for one in (first, second, third)] == [0, 0, 0]
    moves = told(kafka, "bot")
    assert [(one.sequence, one.baseline, one.lens) for one in moves] == [
        (n, one.id, one.lens.id) for n, one in enumerate([*made, made[0]], start=1)
    ]
    assert [one.effective for one in moves] == [json.loads(one.stdout)["effective"] for one in (first, second, third)]
    assert (moves[0].effective, moves[2].effective) == (0, when)
    assert now + AHEAD_MS <= moves[1].effective <= time.time_ns() // 1_000_000 + AHEAD_MS + 60_000
    assert f"for calls from {instant(when)} on" in third.stderr and "for calls from" not in first.stderr


def test_a_built_baseline_is_announced_under_its_tag_with_the_anchor(kafka: Kafka, tmp_path: Path) -> None:
    asyncio.run(topics.create(kafka, TOPIC))
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(b"\n".join(traffic.lines(traffic.calls(0, 220))))
    built = driftline(kafka, tmp_path / "store", "build", str(calls), "--tag", "prod", "--json")
    assert built.exit_code == 0, built.stderr
    found = json.loads(built.stdout)
    assert [(one.baseline, one.lens, one.effective) for one in told(kafka, traffic.SEGMENT)] == [
        (found["baseline"], found["lens"], 0)
    ]
    assert found["effective"] == 0
    assert [one.baseline for one in told(kafka, traffic.SEGMENT, "anchor")] == [found["baseline"]]


def test_where_the_cluster_cannot_be_told_the_tag_is_moved_and_the_status_says_so(tmp_path: Path) -> None:
    store, made = Store(str(tmp_path)), some_baseline(1)
    store.put_baseline(made)
    result = driftline(Kafka(brokers="127.0.0.1:9"), tmp_path, "tag", made.id, "bot@prod")
    assert result.exit_code == 3
    assert [move.baseline for move in store.history("bot", "prod")] == [made.id]
    assert "not announced" in result.stderr and "Workers will see it when they next look" in result.stderr
