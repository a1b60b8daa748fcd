"""Judge: one worker of the group that turns panes into alerts, a Faust app.

State lives in a table whose changelog is a compacted topic. Each owner of a partition writes under an *epoch* of its
own, one higher than any that it finds there: an owner that was paused, lost the partition and wakes up again can only
write under its old one, and never in place of what its successor knows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import faust
import msgspec
from aiokafka.errors import KafkaError
from faust.assignor.partition_assignor import PartitionAssignor
from faust.types import TP

from drift.errors import CorruptError, StoppedError
from streams import wire
from streams.alerts import Alert
from streams.alerts import encode as encode_alert
from streams.cluster import TABLE
from streams.embedded import nobody
from streams.evidence import instant
from streams.exposition import Exposition
from streams.health import Stage
from streams.judging import Judging
from streams.kafka.client import faust_broker
from streams.kafka.saved import Checkpoint, found, key
from streams.ledger import Closed, Ledger
from streams.moves import Timetable
from streams.partition_rows import PartitionRows
from streams.settings import Settings
from streams.shelf import Shelf

log = logging.getLogger(__name__)

LARGEST = 1 << 24
SHOW_S = 15.0
"""Seconds between two looks at what is new of segments, for metrics and pages."""

QUIET_S = 2.0
"""Seconds without a closed tick after which what is not saved yet is saved."""

ASK_S = 1.0
"""Seconds after which messages that were passed over are asked for again."""

ASKED = 5
"""Times that they are asked for before the stage starts anew."""

AT_ONCE = 64
"""Segments that are saved at once."""


def without_folders(app: faust.App) -> None:
    """Let the app leave the working folder as it is, which may not be writable: nothing is kept on disk."""

    async def make_none() -> None:
        pass

    app.on_first_start = make_none  # type: ignore[method-assign]


class Assignor(PartitionAssignor):
    """Shares partitions out as Faust does, and notes where it could not: just after a start a broker may know no topic.

    Faust passes such topics over, and would leave their partitions to nobody until the group's next change.
    """

    lacking = False

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        """Shares of all members of the group, of which this one is the leader."""
        topics = {topic for one in member_metadata.values() for topic in one.subscription}
        self.lacking = any(not cluster.partitions_for_topic(topic) for topic in topics)
        return super().assign(cluster, member_metadata)


class Desk:
    """A partition that this worker judges.

    Attributes
    ----------
    kept_until
        Offset of the first message that nothing is saved of yet.
    committable
        Where whoever comes next reads on, by what is saved: as far as the group may commit.
    told
        The counts that metrics reflect.
    asked_at, asked
        When messages that were passed over were last asked for, None where none are awaited, and how often.
    rows
        Keeps a verdict file, None where none is wanted.
    """

    def __init__(
        self,
        partition: int,
        epoch: int,
        ledger: Ledger,
        judging: Judging,
        saved: dict[str, int],
        rows: PartitionRows | None = None,
    ) -> None:
        """Just taken over."""
        self.rows = rows
        self.partition, self.epoch, self.ledger, self.judging = partition, epoch, ledger, judging
        self.saved = saved  # epoch under which each segment was last saved
        self.kept_until = self.committable = ledger.position
        self.asked_at: float | None = None
        self.asked = 0
        self.told = self.counts

    @property
    def unsaved(self) -> bool:
        """Whether messages were read since it was last saved."""
        return self.ledger.position > self.kept_until

    @property
    def counts(self) -> Counter[str]:
        """Messages and calls, and what became of them."""
        return self.judging.counts + self.ledger.counts


class Judge:
    """Reads panes, closes ticks, judges them off the event loop, publishes alerts, saves state.

    Parameters
    ----------
    stage, exposition
        Told of progress and of segments.
    verdicts
        Of which verdict files are named, None where none are wanted.
    """

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        timetable: Timetable,
        stage: Stage,
        exposition: Exposition,
        partitions: int,
        verdicts: str | None = None,
    ) -> None:
        """Prepare; nothing is connected before ``run``."""
        self._verdicts = verdicts
        self._settings, self._shelf, self._timetable = settings, shelf, timetable
        self._stage, self._exposition = stage, exposition
        self._partitions = partitions
        self._pool = ThreadPoolExecutor(1, "judge")
        self._lock = asyncio.Lock()  # held while messages are judged or state is saved
        self._desks: dict[int, Desk] = {}
        self._assigned: set[int] = set()
        self._failed: BaseException | None = None
        self._saved_at = self._closed_at = self._shown_at = time.monotonic()
        self._stopping = False
        self._alerts_sent = 0
        kafka, live = settings.kafka, settings.live
        self.app = faust.App(
            kafka.consumers("judge"),
            **faust_broker(kafka),
            store="memory://",
            PartitionAssignor=Assignor,
            topic_disable_leader=True,
            topic_allow_declare=False,
            topic_partitions=partitions,
            table_standby_replicas=0,
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=live.session_s,
            broker_heartbeat_interval=live.session_s / 5,
            broker_commit_interval=1.0,
            consumer_max_fetch_size=LARGEST,
            producer_max_request_size=LARGEST,
            producer_compression_type=kafka.codec,
            stream_recovery_delay=0.0,
            stream_wait_empty=False,
        )
        without_folders(self.app)
        raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
        self._panes = self.app.topic(kafka.topic("panes"), **raw)
        self._alerts = self.app.topic(kafka.topic("alerts"), **raw)
        self._table = self.app.Table(TABLE, partitions=partitions, key_type=bytes, value_type=bytes)
        self.app.agent(self._panes, name="judge")(self._judge)
        self.app.on_partitions_assigned.connect(self._take_over, weak=False)  # type: ignore[arg-type]
        self.app.on_partitions_revoked.connect(self._leave, weak=False)  # type: ignore[arg-type]

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop; then what is known is saved.

        Raises
        ------
        StoppedError
            Faust, or the agent, has stopped.
        """
        self._compare_commits()
        self._commit_what_is_saved()
        await self.app.start()
        try:
            while not stopping.is_set():
                await self._look_after()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), 1.0)
            async with self._lock:
                self._stopping = True
                await self._save()
                self._finish_rows()
            await self.app.consumer.commit()
        finally:
            self._stage.ready = False
            await self.app.stop()
            self._pool.shutdown(wait=False)

    def _compare_commits(self) -> None:
        """Have commits compared with what is saved when Faust, its tables restored, looks where to read on."""
        seek_to_committed = self.app.consumer.perform_seek

        async def perform_seek() -> None:
            await seek_to_committed()
            if not self.app.in_recovery:
                await self._go_back()

        self.app.consumer.perform_seek = perform_seek  # type: ignore[method-assign]

    def _commit_what_is_saved(self) -> None:
        """Have Faust commit as far as is saved, and not what it makes of acknowledgements.

        Messages that it had passed over and was sent back to count twice there, and are committed one a second.
        """
        consumer: Any = self.app.consumer

        def committable(_: Iterable[TP]) -> dict[TP, int]:
            saved = {TP(self._panes.get_topic_name(), n): desk.committable for n, desk in self._desks.items()}
            return {tp: offset for tp, offset in saved.items() if offset > (consumer._committed_offset.get(tp) or 0)}

        consumer._filter_committable_offsets = committable

    async def _look_after(self) -> None:
        """See that the app is alive, save when it is time, tell how things are."""
        if self._failed is not None:
            raise self._failed
        if self.app.crashed or self.app.should_stop:
            raise StoppedError(f"judge: the Faust app has stopped: {self.app.crash_reason!r}")
        if isinstance(assignor := self.app.assignor, Assignor) and assignor.lacking:
            raise KafkaError("the brokers did not know all topics when partitions were shared out")
        if not self._lock.locked():  # else it is at work, and saves when that is due
            async with self._lock:
                for desk in list(self._desks.values()):
                    if desk.asked_at is not None:
                        await self._ask_again(desk)
                await self._save_if_due()
                await self._show_if_due()
            self._stage.turn()
        self._report()

    async def _save_if_due(self) -> None:
        now = time.monotonic()
        quiet = now - self._closed_at > QUIET_S and now - self._saved_at > QUIET_S and self._unsaved
        if quiet or now - self._saved_at > self._settings.live.save_s:
            await self._save()

    async def _show_if_due(self) -> None:
        """Tell what is new of segments, at once after alarms, else when it is time."""
        if time.monotonic() - self._shown_at < SHOW_S:
            return
        self._shown_at = time.monotonic()
        loop = asyncio.get_running_loop()
        for number, desk in list(self._desks.items()):
            await loop.run_in_executor(self._pool, _shown, number, desk.judging, self._exposition, self._stage)

    @property
    def _unsaved(self) -> bool:
        return any(desk.unsaved for desk in self._desks.values())

    def _take_over(self, app: Any, assigned: Iterable[TP], **_: Any) -> None:
        self._assigned = {tp.partition for tp in assigned if tp.topic == self._panes.get_topic_name()}
        log.info("judging partitions %s", sorted(self._assigned))

    def _leave(self, app: Any, revoked: Iterable[TP], **_: Any) -> None:
        self._assigned.clear()
        self._finish_rows()
        self._desks.clear()
        self._exposition.segments.keep(set())

    def _finish_rows(self) -> None:
        """Give verdict files their names, behind what is being judged."""
        for desk in self._desks.values():
            if desk.rows:
                self._pool.submit(desk.rows.finish, desk.judging)

    async def _judge(self, stream: Any) -> None:
        """The agent: an error in it must not leave the process alive and idle."""
        try:
            async for event in stream.noack().events():
                async with self._lock:
                    if not self._stopping:
                        await self._take(event)
                        await self._save_if_due()
                        await self._show_if_due()
        except Exception as error:
            self._failed = error  # told by ``run``

    async def _take(self, event: Any) -> None:
        partition, offset = event.message.partition, event.message.offset
        if partition not in self._assigned or self._failed is not None:
            return
        desk = self._desks.get(partition)
        if desk is None:
            desk = self._desks[partition] = await self._restored(partition)
        if offset < desk.ledger.position:
            return
        if offset > desk.ledger.position:
            await self._ask_again(desk)
            return
        desk.asked_at, desk.asked = None, 0
        try:
            message = wire.decode(event.value)
        except CorruptError as error:
            log.error("%s-%d at %d: %s: passed over", self._panes, partition, offset, error)
            desk.ledger.counts["corrupt_messages"] += 1
            desk.ledger.position = offset + 1
            return
        if closed := desk.ledger.add(offset, message):
            await self._conclude(desk, closed)

    async def _conclude(self, desk: Desk, closed: list[Closed]) -> None:
        """Judge closed ticks and publish what they say before anything else is read."""
        self._closed_at = time.monotonic()
        loop = asyncio.get_running_loop()
        alerts = await loop.run_in_executor(self._pool, _applied, desk, closed, self._stage)
        counts = desk.counts
        self._exposition.judged(len(closed), desk.told, counts)
        desk.told = counts
        sent = [
            await self._alerts.send(key=name.encode(), value=encode_alert(one), key_serializer="raw")
            for name, one in alerts
        ]
        for one in sent:
            await one
        self._alerts_sent += len(sent)
        if sent:
            self._shown_at = -SHOW_S

    async def _ask_again(self, desk: Desk) -> None:
        """Have messages again that Faust has passed over, as it does around a rebalance, or go on behind lost ones.

        A seek meets messages that are on their way, which Faust takes for progress: it is made anew until they come.

        Raises
        ------
        KafkaError
            They do not come: the stage must start anew.
        """
        now, tp = time.monotonic(), TP(self._panes.get_topic_name(), desk.partition)
        if desk.asked_at is not None and now - desk.asked_at < ASK_S:
            return
        desk.asked_at, desk.asked = now, desk.asked + 1
        if desk.asked > ASKED:
            raise KafkaError(f"{tp}: messages from {desk.ledger.position} do not come though asked for {ASKED} times")
        earliest = (await self.app.consumer.earliest_offsets(tp))[tp]
        if earliest > desk.ledger.position:
            lost = earliest - desk.ledger.position
            log.warning("%s: %d messages before %d are gone unread: retention, or made anew", tp, lost, earliest)
            desk.ledger.counts["lost_messages"] += lost
            desk.ledger.position = earliest
        await self.app.consumer.seek_wait({tp: desk.ledger.position})

    async def _go_back(self) -> None:
        """See that the group has not committed more than what is saved, as where the changelog was lost.

        Then the commit is taken back, and the stage starts anew from there: a seek would meet messages on their way.
        """
        tps = [TP(self._panes.get_topic_name(), partition) for partition in sorted(self._assigned)]
        if not tps:
            return
        earliest = await self.app.consumer.earliest_offsets(*tps)
        places = {tp: max(found(self._table.data, tp.partition).checkpoint.place.offset, earliest[tp]) for tp in tps}
        consumer: Any = self.app.consumer
        ahead = {tp: places[tp] for tp in tps if (consumer._committed_offset.get(tp) or 0) > places[tp]}
        if ahead:
            await consumer._commit(ahead)
            told = ", ".join(f"{tp.partition} from {offset}" for tp, offset in ahead.items())
            self._failed = KafkaError(f"less is saved than the group had committed: reading {told} again")

    async def _restored(self, partition: int) -> Desk:
        """What the table knows of a partition, under a new epoch."""
        changelog = TP(self._settings.kafka.topic("state"), partition)
        if changelog not in self.app.consumer.assignment():
            raise KafkaError(f"{changelog} was not there when the group was made, so that nothing of it was read")
        checkpoint, latest, epoch, missing = found(self._table.data, partition)
        if missing:
            log.warning("partition %d: %d saved segments are gone: all panes are read again", partition, missing)
        mine = max(epoch + 1, int(time.time()))  # above those of a table that was lost, too
        rows = PartitionRows(self._verdicts, partition, mine, _today, log.warning) if self._verdicts else None
        judging = Judging(
            self._settings,
            self._shelf,
            self._timetable,
            {name: value for name, (_, value) in latest.items()},
            among=self._partitions,
            counts=checkpoint.counts,
            counted=checkpoint.counted,
            warn=log.warning,
            seen=rows.seen if rows else nobody,
        )
        epochs = {name: at for name, (at, _) in latest.items()}
        desk = Desk(partition, mine, Ledger(checkpoint.place), judging, epochs, rows)
        log.info("partition %d: %d segments known, reading from %d", partition, len(latest), checkpoint.place.offset)
        await self._write(desk, {"": msgspec.msgpack.encode(checkpoint)})
        self._shown_at = -SHOW_S  # alarms that stand are known again at once
        return desk

    async def _save(self) -> None:
        """Save what has changed, then where to read on: that, the group may commit then."""
        self._saved_at = time.monotonic()
        for desk in list(self._desks.values()):
            if not desk.unsaved:
                continue
            place, position = desk.ledger.place, desk.ledger.position
            kept = desk.judging.kept(position)
            names = sorted(kept)
            for low in range(0, len(names), AT_ONCE):
                await self._write(desk, {name: kept[name] for name in names[low : low + AT_ONCE]})
            known = Checkpoint(place, dict(desk.judging.counts), position - 1, desk.judging.names)
            await self._write(desk, {"": msgspec.msgpack.encode(known)})
            desk.kept_until, desk.committable = position, place.offset

    async def _write(self, desk: Desk, records: dict[str, bytes]) -> None:
        """Write records to the table's changelog, under the desk's epoch, and wait until the brokers have them."""
        sent = []
        for segment, value in records.items():
            name = key(desk.partition, desk.epoch, segment)
            sent.append(self._table.send_changelog(desk.partition, name, value))
            self._table.data[name] = value
        for one in sent:
            await one
        for segment in records:
            if (before := desk.saved.get(segment, desk.epoch)) < desk.epoch:
                old = key(desk.partition, before, segment)
                self._table.send_changelog(desk.partition, old, None)
                self._table.data.pop(old, None)
            desk.saved[segment] = desk.epoch

    def _report(self) -> None:
        self._stage.ready = bool(self._assigned) and not self.app.rebalancing and not self._recovering
        lag, reading = {}, {}
        for number, desk in sorted(self._desks.items()):
            high = self.app.consumer.highwater(TP(self._panes.get_topic_name(), number)) or 0
            lag[str(number)] = max(high - desk.ledger.position, 0)
            reading[str(number)] = instant(desk.ledger.closed)
        ends = [desk.ledger.closed for desk in self._desks.values()]
        self._exposition.closed_until = min(ends) if ends else None
        self._exposition.segments_beyond = sum(desk.judging.beyond.estimate for desk in self._desks.values())
        self._stage.reach(sum(desk.ledger.position for desk in self._desks.values()), sum(lag.values()))
        self._stage.detail = {
            "partitions": sorted(self._assigned),
            "lag": lag,
            "closed_until": reading,
            "waiting_for": sorted({one for desk in self._desks.values() for one in desk.ledger.waiting_for}),
            "held_panes": sum(desk.ledger.held for desk in self._desks.values()),
            "segments": sum(desk.judging.segments for desk in self._desks.values()),
            "unsaved_segments": sum(desk.judging.dirty for desk in self._desks.values()),
            "alerts": self._alerts_sent,
            "counts": dict(sum((desk.counts for desk in self._desks.values()), Counter())),
        }

    @property
    def _recovering(self) -> bool:
        recovery: Any = self.app.tables
        return bool(recovery.recovery.in_recovery)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _applied(desk: Desk, closed: list[Closed], stage: Stage) -> list[tuple[str, Alert]]:
    """Alerts of closed ticks with their segments; each tick is a sign of progress."""
    told = []
    for one in closed:
        alerts = desk.judging.apply(one)
        told += [(one.segment, alert) for alert in alerts]
        if desk.rows:
            desk.rows.applied(desk.judging, alerts)
        stage.turn()
    return told


def _shown(partition: int, judging: Judging, exposition: Exposition, stage: Stage) -> None:
    """Show what is new of a partition's segments."""
    while found := judging.news(AT_ONCE):
        for one in found:
            exposition.segments.put(partition, one)
        stage.turn()
