"""Observe: one worker of the group that turns calls into panes.

Nothing is committed that is not published: of each partition the offset of the first call that no published pane holds,
with `streams.partition.Committed` as metadata, from which whoever takes it over goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import xxhash
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata

from drift import pane as panes
from drift.pane import Pane
from streams import wire
from streams.deadletter import letter
from streams.exposition import Exposition
from streams.health import Stage
from streams.kafka.client import connection
from streams.kafka.topic import stop
from streams.measure import Meter
from streams.moves import Timetable
from streams.partition import Committed, Incoming, Letter, Partition, Taken
from streams.settings import Settings
from streams.shelf import Shelf
from streams.wire import Mark, Sent

log = logging.getLogger(__name__)

TURN_S = 0.25
"""Seconds between two looks at what is idle."""

COMMIT_S = 0.5
"""Seconds between two commits, idle partitions and handing over aside."""

FENCED = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)
"""Errors of a worker that does not own its partitions any more."""

LARGEST = 1 << 24
FAST = 1
"""Level of compression of panes: a third of the time of the usual one, for a tenth more bytes."""

AT_ONCE = 500
"""Calls between two signs of progress: a slow embedder takes half a minute for as many long ones."""


class Owned:
    """A partition that this worker owns."""

    def __init__(self, partition: Partition, now: float) -> None:
        """Just taken over."""
        self.partition = partition
        self.heard = now  # when a record last came
        self.marked = 0  # watermark of the last mark
        self.marked_at = 0.0
        self.idle = False
        self.told_idle = False
        self.gap = -1  # offset before which the log was found to have no records
        self.committed: tuple[int, str] | None = None


class Observing(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Reads calls, measures them off the event loop, publishes panes, commits.

    Parameters
    ----------
    stage, exposition
        Told of progress and of calls.
    """

    def __init__(
        self,
        settings: Settings,
        meter: Meter,
        shelf: Shelf,
        timetable: Timetable,
        stage: Stage,
        exposition: Exposition,
    ) -> None:
        """Prepare; nothing is connected before ``run``."""
        self._settings, self._meter, self._shelf, self._timetable = settings, meter, shelf, timetable
        self._stage, self._exposition = stage, exposition
        self._topic = settings.kafka.topic("calls")
        self._group = settings.kafka.consumers("observe")
        self._pool = ThreadPoolExecutor(1, "measure")
        self._lock = asyncio.Lock()  # held while a batch is on its way from measuring to its commit
        self._owned: dict[int, Owned] = {}
        self._assignment = 0  # counts rebalances: batches of an earlier one are dropped
        self._consumer: AIOKafkaConsumer = None
        self._producer: AIOKafkaProducer = None
        self._admin: AIOKafkaAdminClient = None
        self._waiting: asyncio.Queue[tuple[int, Mapping[TopicPartition, Sequence[Any]]]] = asyncio.Queue()
        self._committed_at = 0.0
        self._failed: Exception | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; then what was read is published and committed.

        Raises
        ------
        KafkaError
            The cluster failed; start again.
        """
        kafka, live = self._settings.kafka, self._settings.live
        self._waiting = asyncio.Queue(live.queue)
        self._admin = AIOKafkaAdminClient(**connection(kafka, "observe-admin"))
        self._producer = AIOKafkaProducer(
            **connection(kafka, "observe"),
            acks="all",
            enable_idempotence=True,
            compression_type=kafka.codec,
            linger_ms=5,
            max_request_size=LARGEST,
        )
        self._consumer = AIOKafkaConsumer(
            **connection(kafka, "observe"),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(live.session_s * 1000),
            heartbeat_interval_ms=round(live.session_s * 1000 / 5),
            max_poll_interval_ms=3_600_000,  # progress is watched by health
            metadata_max_age_ms=15_000,
            partition_assignment_strategy=[StickyPartitionAssignor],
            max_partition_fetch_bytes=1 << 22,
        )
        clients = (self._admin, self._producer, self._consumer)
        try:
            for client in clients:
                await client.start()
            self._consumer.subscribe([self._topic], listener=self)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(stopping))
                tasks.create_task(self._work(reading))
        finally:
            self._stage.ready = False
            self._owned.clear()
            await stop(self._consumer)
            await self._producer.stop()
            await self._admin.close()
            self._pool.shutdown(wait=False)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let the batch under way be committed; what is open is left to whoever comes next."""
        self._assignment += 1
        async with self._turn():
            await self._commit(now=True)
            self._owned.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Take partitions over where they were left; the consumer would only log what fails here."""
        async with self._lock:
            try:
                await self._take_over(assigned)
            except Exception as error:
                self._failed = error
        log.info("observing %s", ", ".join(f"{tp.topic}-{tp.partition}" for tp in sorted(assigned)) or "nothing")

    async def _take_over(self, assigned: Sequence[TopicPartition]) -> None:
        if assigned:
            known = await self._admin.list_consumer_group_offsets(self._group, partitions=list(assigned))
            begin = await self._consumer.beginning_offsets(list(assigned))
            for tp in assigned:
                at = known.get(tp)
                place = Committed() if at is None or at.offset < 0 else Committed.read(at.offset, at.metadata)
                if place.offset < begin[tp]:
                    if place.offset:
                        log.warning("%s: calls %d to %d are gone unread: retention", tp, place.offset, begin[tp])
                    place = msgspec.structs.replace(place, offset=begin[tp], done=max(place.done, begin[tp]))
                self._consumer.seek(tp, place.offset)
                partition = Partition(
                    self._meter,
                    self._sight,
                    self._settings.clock,
                    place,
                    segments=self._settings.segments,
                    seen=self._exposition.calls.add,
                )
                self._owned[tp.partition] = Owned(partition, time.monotonic())

    def _sight(self, segment: str, tick: int) -> Any:
        return self._shelf.sight(self._timetable, segment, tick)

    async def _read(self, stopping: asyncio.Event) -> None:
        """Read ahead as far as there is room to wait; heartbeats go on meanwhile."""
        while not stopping.is_set():
            records = await self._consumer.getmany(timeout_ms=200, max_records=self._settings.live.batch)
            assignment = self._assignment
            if not records:
                continue
            while self._waiting.full() and not stopping.is_set():
                await asyncio.sleep(0.05)
            if assignment == self._assignment and not self._waiting.full():
                self._waiting.put_nowait((assignment, records))

    async def _work(self, reading: asyncio.Task[None]) -> None:
        while not (reading.done() and self._waiting.empty()):
            if self._failed is not None:
                raise self._failed
            try:
                assignment, records = await asyncio.wait_for(self._waiting.get(), TURN_S)
            except TimeoutError:
                assignment, records = -1, {}
            async with self._turn():
                if assignment == self._assignment:
                    await self._observe(records)
                if not reading.done():
                    await self._look_for_idle()
                await self._mark()
                await self._commit()
            self._report()
        async with self._turn():
            await self._commit(now=True)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Alone with what is owned; after a failure nothing of it may be committed, for panes may not have arrived."""
        async with self._lock:
            try:
                yield
            except BaseException:
                self._owned.clear()
                raise

    async def _observe(self, records: Mapping[TopicPartition, Sequence[Any]]) -> None:
        loop, sent = asyncio.get_running_loop(), []
        for tp, found in records.items():
            owned = self._owned.get(tp.partition)
            if owned is None or self._missing(tp, owned, found[0].offset):
                continue
            owned.heard, owned.idle = time.monotonic(), False
            begun, before = time.perf_counter(), dict(owned.partition.counts)
            taken, encoded = await loop.run_in_executor(self._pool, _measured, owned.partition, found, self._stage)
            self._exposition.measured(time.perf_counter() - begun, before, owned.partition.counts)
            sent += [await self._send(tp.partition, one, data) for one, data in encoded]
            sent += [await self._bury(tp.partition, one) for one in taken.letters]
        await asyncio.gather(*sent)

    def _missing(self, tp: TopicPartition, owned: Owned, first: int) -> bool:
        """Whether records before this one were never seen: then they are read again, unless the log has none there."""
        if first <= owned.partition.position or owned.gap == first:
            return False
        log.warning("%s: reading again from %d instead of %d", tp, owned.partition.position, first)
        owned.gap = first
        self._consumer.seek(tp, owned.partition.position)
        return True

    async def _send(self, source: int, pane: Pane, data: bytes) -> Awaitable[Any]:
        self._exposition.published(1)
        message = Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, data)
        count = len(await self._producer.partitions_for(self._panes))
        to = xxhash.xxh3_64_intdigest(pane.segment.encode()) % count
        return await self._to(self._panes, wire.encode(message), key=pane.segment.encode(), partition=to)

    async def _to(self, topic: str, value: bytes, **how: Any) -> Awaitable[Any]:
        """Give a message to the producer; what is returned is done once the brokers have it."""
        found: Awaitable[Any] = await self._producer.send(topic, value, **how)
        return found

    @property
    def _panes(self) -> str:
        return self._settings.kafka.topic("panes")

    async def _bury(self, source: int, one: Letter) -> Awaitable[Any]:
        """Keep a record that no pane will hold; its key tells it from others, should it be sent twice."""
        at = one.incoming
        place = {"topic": self._topic, "partition": source, "offset": at.offset}
        value = letter(place, one.reason, one.field, one.detail, at.value)
        topic = self._settings.kafka.topic("deadletter")
        return await self._to(topic, value, key=f"{self._topic}-{source}-{at.offset}".encode())

    async def _look_for_idle(self) -> None:
        """Close what live calls cannot reach any more in partitions that have been read to their end."""
        now = time.monotonic()
        quiet = [n for n, one in self._owned.items() if now - one.heard >= self._settings.live.idle_s]
        due = [n for n in quiet if now - self._owned[n].marked_at >= self._again_s or not self._owned[n].idle]
        if not due:
            return
        ends = await self._consumer.end_offsets([TopicPartition(self._topic, n) for n in due])
        cut = []
        for tp, end in ends.items():
            owned = self._owned[tp.partition]
            position = await self._consumer.position(tp)
            if self._waiting.empty():  # what the log holds besides, such as the ends of transactions, was read too
                owned.partition.passed(position)
            owned.idle = end <= owned.partition.position
            if owned.idle and owned.partition.cut(_now_ms()):
                cut.append(tp.partition)
        if not (cut and await self._commit(now=True)):
            return
        sent = []
        for number in cut:
            found = self._owned[number].partition.close()
            sent += [await self._send(number, pane, panes.encode(pane, level=FAST)) for pane in found]
        await asyncio.gather(*sent)

    @property
    def _again_s(self) -> float:
        """Seconds after which an idle partition says again that it is."""
        return max(self._settings.live.idle_s / 4, 0.25)

    async def _mark(self) -> None:
        """Say how far partitions have come, where that has changed or an idle one has to say so again."""
        now, sent = time.monotonic(), []
        for number, owned in self._owned.items():
            partition, mark = owned.partition, owned.partition.clock.tick(owned.partition.watermark)
            again = owned.idle and now - owned.marked_at >= self._again_s
            if mark <= owned.marked and not again and owned.told_idle == owned.idle:
                continue
            idle = max(_now_ms() - partition.clock.lateness_ms, 0) if owned.idle else 0
            sources = len(self._consumer.partitions_for_topic(self._topic) or ())
            value = wire.encode(Mark(number, sources, max(mark, 0), partition.position, idle))
            owned.marked, owned.marked_at, owned.told_idle = max(mark, owned.marked), now, owned.idle
            for to in sorted(await self._producer.partitions_for(self._panes)):
                sent.append(await self._to(self._panes, value, partition=to))
        await asyncio.gather(*sent)

    async def _commit(self, *, now: bool = False) -> bool:
        """Commit what is published, at once or when it is time; False where the partitions are somebody else's."""
        if not now and time.monotonic() - self._committed_at < COMMIT_S:
            return True
        self._committed_at = time.monotonic()
        offsets = {}
        for number, owned in self._owned.items():
            place = owned.partition.committed
            at = place.offset, place.metadata
            if at != owned.committed:
                owned.committed = at
                offsets[TopicPartition(self._topic, number)] = OffsetAndMetadata(*at)
        try:
            if offsets:
                await self._consumer.commit(offsets)
        except FENCED:
            log.warning("the group has moved on without this worker: its partitions are left to the others")
            self._owned.clear()
            return False
        return True

    def _report(self) -> None:
        counts: Counter[str] = Counter()
        lag = {}
        for number, owned in sorted(self._owned.items()):
            counts.update(owned.partition.counts)
            high = self._consumer.highwater(TopicPartition(self._topic, number))
            lag[str(number)] = max((high or 0) - owned.partition.position, 0)
        self._stage.turn()
        self._stage.reach(sum(one.partition.position for one in self._owned.values()), sum(lag.values()))
        self._stage.ready = bool(self._consumer.assignment()) or self._assignment > 0
        self._stage.detail = {
            "partitions": sorted(self._owned),
            "lag": lag,
            "queue": self._waiting.qsize(),
            "queue_limit": self._waiting.maxsize,
            "watermarks": {str(number): owned.partition.watermark for number, owned in sorted(self._owned.items())},
            "idle": sorted(number for number, owned in self._owned.items() if owned.idle),
            "counts": dict(counts),
        }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _measured(partition: Partition, records: Sequence[Any], stage: Stage) -> tuple[Taken, list[tuple[Pane, bytes]]]:
    """What a batch of a partition brings about, its panes encoded too: in the thread that measures."""
    batch = [Incoming(one.offset, one.timestamp, one.value or b"") for one in records]
    taken = Taken()
    for low in range(0, len(batch), AT_ONCE):
        part = partition.take([one for one in batch[low : low + AT_ONCE] if one.offset >= partition.position])
        taken.panes += part.panes
        taken.letters += part.letters
        stage.turn()
    return taken, [(pane, panes.encode(pane, level=FAST)) for pane in taken.panes]
