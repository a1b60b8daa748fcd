"""What a scrape costs with 5,000 segments, by HTTP: ``python -m benchmarks.scrape``.

Each segment is told of as a judge tells it, one in a hundred with an alarm, the others quiet. Beside them stands
prometheus-client with the same samples as gauges, which are rendered when they are asked for.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import msgspec
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from threadpoolctl import threadpool_limits

from benchmarks.report import alternate, describe_machine, heading, ratio, show
from drift import verdict
from drift.state import Judge, SegmentState, start
from streams.exposition import Exposition
from streams.health import Health
from streams.http.server import application
from streams.http.site import Site
from streams.observe import Observer, Sight
from streams.overview import Overview, Standing, kinds_now, topic_shares
from streams.segment_lines import LOUD
from streams.settings import Settings
from streams.store import Store
from tests.streams import traffic

SEGMENTS, ALARMED, QUIET_FROM = 5000, 100, Settings().live.detailed_segments
GOAL_S = 1.0
REPEATED = 200


def main() -> None:
    describe_machine("benchmarks.scrape")
    print("besides ", ", ".join(f"{name} {version(name)}" for name in ("prometheus-client", "aiohttp")))
    judge, state = judged()
    for name, detailed in (("quiet segments summed up, as by default", QUIET_FROM), ("all in detail", SEGMENTS)):
        exposition = of(judge, state, detailed)
        text, _ = exposition.rendered("")
        peer = registry(text.decode())
        heading(f"milliseconds a scrape, {SEGMENTS:,} segments, {name}")
        spent = alternate(
            {
                "rendered ahead, by HTTP": lambda _, one=exposition: asyncio.run(scraped(one)),
                "prometheus-client, rendered when asked": lambda _, one=peer: generate_latest(one),
            },
            per=1000,
        )
        ours, theirs = spent.values()
        lines = sum(not line.startswith(b"#") for line in text.splitlines())
        show("rendered ahead, by HTTP", ours, f"{lines:,} samples, {len(text) / 1e6:.1f} MB")
        show("prometheus-client, rendered when asked", theirs, f"{ratio(theirs, ours):.1f} times as long")
        print(f"  goal: under {GOAL_S:g} s: {'met' if max(ours) / 1000 < GOAL_S else 'MISSED'}")
    heading("microseconds a segment, when something new is known of it")
    one = overview(judge, state)
    told = alternate(
        {
            "answers of its kinds, shares of its topics": lambda _: [overview(judge, state) for _ in range(REPEATED)],
            "its lines, in detail": lambda _: [exposition.segments.put(0, one) for _ in range(REPEATED)],
        },
        per=REPEATED,
    )
    for name, times in told.items():
        show(name, times)


def judged() -> tuple[Judge, SegmentState]:
    """A judge, and its state after a thousand calls."""
    settings, baseline = Settings(), traffic.baseline()
    judge = Judge(baseline, settings.budget, settings.all_tolerances)
    observer, state = Observer(traffic.meter(), lambda segment, tick: Sight.of(baseline)), start(judge)
    observer.add(traffic.records(traffic.calls(1000, 2000)))
    for pane in observer.finish():
        state, _ = verdict.judge(judge, state, pane)
    return judge, state


def overview(judge: Judge, state: SegmentState) -> Overview:
    """What is told of a segment with an alarm."""
    alarm = Standing(
        "0",
        "model",
        "answers",
        "app/answer answers like questions differently: by 0.41 residual standard deviations (0.36 to 0.46)",
        "served_model atlas-2-0301 → atlas-3",
        traffic.START_MS,
        "2026-01-05T08:10:00Z",
        1200,
        21.0,
        15.0,
        0.41,
        "residual standard deviations",
        900,
        judge.baseline.id,
        judge.baseline.pane.lens,
    )
    return Overview(
        "app/answer",
        "judged",
        traffic.START_MS,
        state.calls,
        judge.baseline.id,
        judge.baseline.pane.end,
        kinds_now(judge, state),
        (alarm,),
        {"model": 1},
        topic_shares(judge, state),
    )


def of(judge: Judge, state: SegmentState, detailed: int) -> Exposition:
    """An exposition of all segments."""
    health = Health()
    health.stage("judge")
    exposition = Exposition(health, "judge", traffic.meter(), apps=1, detailed=detailed)
    alarmed = overview(judge, state)
    calm = tuple(msgspec.structs.replace(one, ratio=min(one.ratio, LOUD / 2)) for one in alarmed.kinds)
    quiet = msgspec.structs.replace(alarmed, standing=(), raised={}, kinds=calm)
    for number in range(SEGMENTS):
        one = quiet
        if number % ALARMED == 0:
            (alarm,) = alarmed.standing
            one = msgspec.structs.replace(alarmed, standing=(msgspec.structs.replace(alarm, alert_id=f"{number:x}"),))
        exposition.segments.put(number % 6, msgspec.structs.replace(one, segment=f"app{number}/answer"))
    return exposition


async def scraped(exposition: Exposition) -> None:
    """One scrape."""
    site = Site(Health(), Store("memory://scrape"), metrics=exposition.rendered)
    async with TestClient(TestServer(application(site))) as client, client.get("/metrics") as answer:
        await answer.read()


def registry(text: str) -> CollectorRegistry:
    """The same samples as gauges of prometheus-client."""
    made = CollectorRegistry()
    for family in text_string_to_metric_families(text):
        if family.name.startswith("driftline") and family.samples:
            names = list(family.samples[0].labels)
            gauge = Gauge(f"{family.name}_", family.documentation, names, registry=made)
            for one in family.samples:
                (gauge.labels(**one.labels) if names else gauge).set(one.value)
    return made


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
