"""What is left of the default embedder's rate once the observer is around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.report import ratio
from benchmarks.service import calls
from benchmarks.service.cluster import Cluster
from benchmarks.service.observed import HEADS, LATENESS_S, LIVE, Pace, observing, paces
from benchmarks.service.results import Found
from benchmarks.workloads import read
from models.static import StaticEmbedder
from streams.measure import Meter
from streams.records import Record

CALLS, ROUNDS, GOAL = 60_000, 3, 0.95


def timed(records: Sequence[Record], batch: int, work: Callable[[Sequence[Record]], object]) -> Pace:
    """Pace of work in batches."""
    wall, busy = time.perf_counter(), time.process_time()
    for low in range(0, len(records), batch):
        work(records[low : low + batch])
    return Pace(len(records) / (time.perf_counter() - wall), (time.process_time() - busy) / len(records))


def run(cluster: Cluster) -> Found:
    """The embedder alone, the meter and the observer take turns on the same calls, each with nothing remembered."""
    loaded = calls.lines(CALLS)
    service = cluster.service(lateness_s=LATENESS_S, live=LIVE)
    service.load(loaded)
    batch = service.settings.live.batch
    records = read([value for _, value in loaded])
    embedder = StaticEmbedder()
    alone, metered, observed = [], [], []
    for number in range(ROUNDS):
        alone.append(timed(records, batch, lambda some: _embedded(embedder, some)))
        meter = Meter(embedder)
        lens = meter.default_lens()
        metered.append(timed(records, batch, lambda some, meter=meter, lens=lens: meter.measure(lens, some)))
        observed.append(observing(service.again(f"round{number}"), CALLS, Meter(embedder)))
    share = ratio([one.calls_s for one in observed], [one.calls_s for one in metered])
    busy = median(a.busy_s / b.busy_s for a, b in zip(metered, observed, strict=True))
    return Found(
        "The default embedder",
        f"{CALLS:,} calls, no text of which comes twice, {ROUNDS} rounds that took turns, one thread measuring.",
        HEADS,
        [
            ["WordLlama alone, input and output", *paces(alone)],
            ["measured: embedded, format view, lens, bins, hashes", *paces(metered)],
            ["observer: read, decoded, measured, panes sent", *paces(observed)],
            ["observer to measured, median of rounds", "", f"{share:.2f}", "", f"{busy:.2f}"],
        ],
        f"the observer at {GOAL} of the rate at which calls are measured without Kafka",
        share >= GOAL,
    )


def _embedded(embedder: StaticEmbedder, records: Sequence[Record]) -> object:
    return embedder.embed([one.input for one in records] + [one.output for one in records])
