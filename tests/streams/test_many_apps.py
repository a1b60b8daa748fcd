"""A hundred thousand apps: metrics stay few, memory flat, and how many there were is told."""

import resource
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from drift import pane as panes
from streams.exposition import Exposition
from streams.health import Health
from streams.judging import Judging
from streams.ledger import Ledger, Place
from streams.moves import Timetable
from streams.observe import Clock
from streams.partition import Committed, Incoming, Partition
from streams.settings import Settings
from streams.shelf import Shelf
from streams.store import Store
from streams.wire import Mark, Sent
from tests.streams import traffic

APPS, CAP, SEGMENTS = 100_000, 50, 20
FLAT = 8_000_000
"""Bytes by which the second half of all apps may raise what the process holds: 160 for each of them would be more."""


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def samples(exposition):
    text = exposition.rendered("text/plain")[0].decode()
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="what a process holds is read from /proc")
def test_a_hundred_thousand_apps_make_neither_more_series_nor_more_memory():
    settings = Settings(segments=SEGMENTS)
    health, meter = Health(), traffic.meter()
    health.stage("observe"), health.stage("judge")
    exposition = Exposition(health, "all", meter, apps=CAP, detailed=SEGMENTS)
    shelf = Shelf(Store("memory://many"), meter)
    partition = Partition(
        meter, lambda *_: shelf._default, Clock(10_000, 0), Committed(), segments=500, seen=exposition.calls.add
    )
    ledger, desk = Ledger(Place()), Judging(settings, shelf, Timetable("prod"), {})
    held, offset = [], 0
    for low in range(0, APPS, 500):
        at = traffic.START_MS + low // 500 * 10_000
        made = [
            {"call_id": f"c{n}", "event_time": at, "app": f"app{n}", "input": "hello"} for n in range(low, low + 500)
        ]
        batch = [Incoming(low + n, at, msgspec.json.encode(one)) for n, one in enumerate(made)]
        for pane in partition.take(batch).panes:
            ledger.add(offset, Sent(0, pane.segment, pane.tick, pane.end, pane.n, pane.lens, panes.encode(pane)))
            offset += 1
        for closed in ledger.add(offset, Mark(0, 1, partition.watermark, 0)):
            assert desk.apply(closed) == []
        offset += 1
        for one in desk.news(10_000):
            exposition.segments.put(0, one)
        exposition.segments_beyond = desk.beyond.estimate
        if low in (APPS // 2, APPS - 500):
            held.append(resident())
    found = samples(exposition)
    by_app = [one for one in found if one.name == "driftline_calls_total"]
    assert len(by_app) == CAP + 1
    assert sum(one.value for one in by_app) == APPS
    beyond = {one.name: one.value for one in found if one.name.endswith("_beyond")}
    assert beyond["driftline_label_values_beyond"] == pytest.approx(APPS - CAP, rel=0.01)
    assert beyond["driftline_segments_beyond"] == pytest.approx(APPS - SEGMENTS, rel=0.02)
    assert len({one.labels["app"] for one in found if one.name == "driftline_standing_alarms"}) == SEGMENTS
    assert len(found) < 30 * (CAP + SEGMENTS)
    assert held[1] - held[0] < FLAT, held
