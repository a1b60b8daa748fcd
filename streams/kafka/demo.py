"""The demo's traffic through a real cluster: topics of its own, a worker, and what it says in the end."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiokafka.admin import AIOKafkaAdminClient

from streams.alerts import Alert
from streams.building import build_baseline, first_ticks, in_order
from streams.embedded import FIRST
from streams.kafka.client import connection
from streams.kafka.judged import until_judged
from streams.kafka.outbox import Message
from streams.kafka.producer import Producer
from streams.kafka.reach import reaching
from streams.kafka.service import Service
from streams.kafka.topic import reader
from streams.kafka.topics import administering
from streams.measure import Meter, segment_of
from streams.records import Record
from streams.settings import Kafka, Settings
from streams.store import Store
from streams.topics import wanted

PATIENCE_S = 600.0

Progress = Callable[[str, float], None]


async def live(
    settings: Settings, meter: Meter, records: Sequence[Record], lines: Sequence[bytes], progress: Progress
) -> list[Alert]:
    """Alerts of the live service on these calls of one segment, of which the first become the baseline.

    Raises
    ------
    SettingsError
        No cluster is named.
    SourceError
        The cluster cannot be reached.
    """
    name = f"driftline-demo-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        settings = msgspec.structs.replace(
            settings,
            store=folder,
            kafka=msgspec.structs.replace(settings.kafka, prefix=f"{name}.", group=name, topics={}),
            live=msgspec.structs.replace(settings.live, idle_s=2, save_s=2, listen="127.0.0.1:0"),
        )
        end = first_ticks(records, FIRST, settings.clock)
        first = in_order(record for record in records if record.event_time < (end or 0))
        made = build_baseline(
            meter, first, clock=settings.clock, drift_refuses=False, facts={"first": len(first)}, progress=progress
        )
        store = Store(folder)
        store.put_baseline(made)
        store.tag(segment_of(records[0]), settings.live.tag, made.id, by="demo", why="the first calls")
        rest = [line for record, line in zip(records, lines, strict=True) if record.event_time >= (end or 0)]
        async with _topics(settings.kafka):
            return await _through(Service(settings, meter, "all"), settings, rest, progress)


async def _through(service: Service, settings: Settings, lines: Sequence[bytes], progress: Progress) -> list[Alert]:
    """Send the calls, wait until the service has judged them, and read what it said."""
    running = asyncio.create_task(service.run())
    try:
        judged = asyncio.create_task(_judged(settings, lines, progress))
        await asyncio.wait([running, judged], return_when=asyncio.FIRST_COMPLETED)
        if not judged.done():
            judged.cancel()
            await running  # it has failed, and says why
        await judged
    finally:
        service.stopping.set()
        await running
    return await _alerts(settings.kafka)


async def _judged(settings: Settings, lines: Sequence[bytes], progress: Progress) -> None:
    progress("sending", 0.0)
    await asyncio.to_thread(_send, settings.kafka, lines)
    most = 1

    def told(what: str, left: int) -> None:
        nonlocal most
        most = max(most, left)
        progress(what, 1 - left / most)

    await until_judged(settings.kafka, PATIENCE_S, told, settle_s=settings.live.idle_s)


def _send(kafka: Kafka, lines: Sequence[bytes]) -> None:
    with Producer(kafka) as producer:
        for line in lines:
            producer.put(Message(msgspec.json.decode(line)["call_id"].encode(), line), PATIENCE_S)


async def _alerts(kafka: Kafka) -> list[Alert]:
    found: list[Alert] = []
    async with reader(kafka, kafka.topic("alerts"), "demo") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [msgspec.json.decode(record.value, type=Alert) for record in records]
    return found


@asynccontextmanager
async def _topics(kafka: Kafka) -> AsyncIterator[None]:
    """Topics that are there meanwhile only."""
    async with administering(kafka) as topics:
        cluster = await topics.look([])
        await topics.create(wanted(kafka), cluster.brokers)
    try:
        yield
    finally:
        async with reaching(kafka):
            admin = AIOKafkaAdminClient(**connection(kafka, "demo"))
            await admin.start()
            try:
                await admin.delete_topics([one.name for one in wanted(kafka)])
            finally:
                await admin.close()
