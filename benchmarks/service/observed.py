"""Reading a loaded topic in this process: by a bare consumer, and by the observer."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.service.cluster import PARTITIONS, Service
from benchmarks.service.results import spread
from streams.health import Stage
from streams.kafka.client import connection
from streams.kafka.observer import Observing
from streams.measure import Meter
from streams.moves import Timetable
from streams.shelf import Shelf
from streams.store import Store

PATIENCE_S = 120
LIVE = {"idle_s": 30, "session_s": 30}
LATENESS_S = 20
"""So that ticks close, and their panes are encoded and sent, while the topic is read."""


@dataclass(frozen=True)
class Pace:
    """Calls a second by the wall clock, and seconds of this process' processor time a call."""

    calls_s: float
    busy_s: float


HEADS = ("calls a second", "least", "median", "most", "µs of processor a call, median")


def paces(found: Sequence[Pace]) -> list[str]:
    """Figures under ``HEADS``."""
    return [*spread([one.calls_s for one in found]), f"{statistics.median(one.busy_s for one in found) * 1e6:.1f}"]


class _OneField(msgspec.Struct):
    call_id: str


class _Watch:
    """Wall and processor time from the first calls on."""

    def __init__(self, total: int) -> None:
        self._total, self._first = total, 0
        self._wall = self._busy = 0.0

    def saw(self, count: int) -> None:
        """So many calls are done."""
        if not self._first and count:
            self._first, self._wall, self._busy = count, time.perf_counter(), time.process_time()

    def done(self) -> Pace:
        """All are."""
        calls = self._total - self._first
        wall, busy = time.perf_counter() - self._wall, time.process_time() - self._busy
        return Pace(calls / wall, busy / calls)


def bare(service: Service, total: int) -> Pace:
    """A batch consumer that decodes one field of each call."""
    return asyncio.run(_bare(service, total))


async def _bare(service: Service, total: int) -> Pace:
    decoder, count, watch = msgspec.json.Decoder(_OneField), 0, _Watch(total)
    consumer = AIOKafkaConsumer(
        **connection(service.kafka, "bare"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 22,
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(service.kafka.topic("calls"), number) for number in range(PARTITIONS)])
        while count < total:
            found = await consumer.getmany(timeout_ms=200, max_records=service.settings.live.batch)
            for records in found.values():
                count += len([decoder.decode(one.value) for one in records])
            watch.saw(count)
        return watch.done()
    finally:
        await consumer.stop()


def observing(service: Service, total: int, meter: Meter) -> Pace:
    """The observer, until it has measured all calls; the last ticks are still open then."""
    return asyncio.run(_observing(service, total, meter))


async def _observing(service: Service, total: int, meter: Meter) -> Pace:
    settings, stage, watch = service.settings, Stage("observe"), _Watch(total)
    shelf, stopping = Shelf(Store(settings.store), meter), asyncio.Event()
    running = asyncio.create_task(Observing(settings, meter, shelf, Timetable("prod"), stage).run(stopping))
    try:
        await _until(lambda: _count(stage), total, watch, running)
        return watch.done()
    finally:
        stopping.set()
        await running


async def _until(
    count: Callable[[], int], total: int, watch: _Watch, running: asyncio.Task[None], patience_s: float = PATIENCE_S
) -> None:
    async with asyncio.timeout(patience_s):
        while (done := count()) < total:
            watch.saw(done)
            if running.done():
                raise SystemExit(f"the observer stopped: {running.exception()!r}")
            await asyncio.sleep(0.01)


def _count(stage: Stage) -> int:
    return int(stage.detail.get("counts", {}).get("calls", 0))
