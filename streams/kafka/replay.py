"""Panes of a topic judged again, every partition by itself, by as many processes as are wanted."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, ConsumerRecord
from threadpoolctl import threadpool_limits

from drift import baseline as baselines
from drift.errors import CorruptError, DriftError, StoppedError
from streams import wire
from streams.cluster import Kafka
from streams.kafka.client import connection
from streams.kafka.following import Follower
from streams.kafka.reach import reaching
from streams.kafka.stretch import Stretch, Stretches
from streams.kafka.topic import partitions
from streams.measure import Meter
from streams.meters import open_meter
from streams.moves import Decision, Timetable, decode
from streams.replaying import AS_IT_WAS, Library, Replaying, Span, Told, Trial
from streams.resuming import Done
from streams.settings import LONGEST_TICK_S, Settings
from streams.store import Store

REPORT_S = 0.5
"""Seconds between two reports of a partition."""

SAVE_S = 5.0
"""Seconds between two reports that hold all that must be known to go on."""

LARGEST = 1 << 24

_PATIENCE_S = 60.0


class Given(NamedTuple):
    """A baseline of a trial: its name, the segment that it is to judge, and its bytes."""

    name: str
    segment: str
    data: bytes


@dataclass(frozen=True)
class Job:
    """What is replayed, as every process is told.

    Attributes
    ----------
    given
        Baselines to judge by, one trial each.
    decisions
        Of the trial as it was, None where there is none.
    among
        Partitions of the topic of panes.
    keep
        Whether reports are to hold what must be known to go on.
    """

    settings: Settings
    topic: str
    span: Span
    given: tuple[Given, ...]
    decisions: tuple[Decision, ...] | None
    segments: tuple[str, ...]
    among: int
    keep: bool = False

    def trials(self) -> list[Trial]:
        """The trials, that as it was first."""
        found = []
        if self.decisions is not None:
            table = Timetable(self.settings.live.tag)
            for one in self.decisions:
                table.learn(one)
            found.append(Trial(AS_IT_WAS, table))
        return found + [Trial.of(one.name, baselines.decode(one.data), one.segment) for one in self.given]

    def library(self, given: Sequence[Trial], made: Sequence[bytes] = ()) -> Library:
        """What is read of the store."""
        known = [one.baseline for one in given if one.baseline] + [baselines.decode(data) for data in made]
        meter = None if self.decisions is None else self._meter  # for segments that take their first calls
        return Library(Store(self.settings.store), self.settings, known, meter)

    @cached_property
    def _meter(self) -> Meter:
        return open_meter(self.settings)


class Decisions(Follower):
    """Everything that was ever decided, as it was announced.

    Attributes
    ----------
    found
        Moves of all tags, and acknowledgements.
    """

    def __init__(self, kafka: Kafka, warn: Callable[[str], None]) -> None:
        super().__init__(kafka, "baselines", "replay")
        self.found: list[Decision] = []
        self._warn = warn

    def learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        """Learn of a decision; what is none is told, and passed over."""
        try:
            self.found += [decode(record.value)] if record.value is not None else []
        except CorruptError as error:
            self._warn(f"{record.topic} at {record.offset} is passed over: {error}")


def decisions(kafka: Kafka, warn: Callable[[str], None]) -> tuple[Decision, ...]:
    """Moves of tags and acknowledgements that were announced by now.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no topic for them.
    """

    async def read() -> Decisions:
        one = Decisions(kafka, warn)
        await one.start()
        await one.stop()
        return one

    return tuple(asyncio.run(read()).found)


def publish(kafka: Kafka, topic: str, records: Sequence[tuple[str, str, bytes]]) -> None:
    """Send records of alarms, each with its segment as the key and the trial's name in the header ``judged_by``.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no such topic.
    """

    async def send() -> None:
        async with reaching(kafka):
            producer = AIOKafkaProducer(
                **connection(kafka, "replay"), acks="all", enable_idempotence=True, max_request_size=LARGEST
            )
            try:
                await producer.start()
                waiting = [
                    await producer.send(topic, data, key=segment.encode(), headers=[("judged_by", name.encode())])
                    for segment, name, data in records
                ]
                await asyncio.gather(*waiting)
            finally:
                await producer.stop()

    asyncio.run(send())


def check_topic(kafka: Kafka, topic: str) -> None:
    """Refuse to publish to a topic that is not there.

    Raises
    ------
    SourceError
        The cluster cannot be reached, or has no such topic.
    """
    asyncio.run(partitions(kafka, topic, "replay"))


class Report(NamedTuple):
    """A partition has come so far."""

    partition: int
    position: int
    alarms: int
    calls: int
    done: Done | None = None
    warnings: tuple[str, ...] = ()


Stop = Callable[[], bool]


def replay_partition(
    job: Job, partition: int, stretch: Stretch, before: Done | None, stopping: Stop = lambda: False
) -> Iterator[Report]:
    """Judge a partition; the last report is of its end, or of where it was told to stop.

    Raises
    ------
    SourceError
        The cluster or the store cannot be read.
    LensMismatchError
        Panes were seen through another lens than a trial's baseline.
    """
    trials, warnings = job.trials(), list[str]()
    known = set() if before is None else set(before.made)
    library = job.library(trials, tuple(known))
    replaying = Replaying(
        job.settings,
        library,
        trials,
        job.span,
        segments=job.segments,
        among=job.among,
        start=stretch.start,
        saved=before.saved if before else None,
        warn=warnings.append,
    )
    given = {trial.baseline.id for trial in trials if trial.baseline}
    one = _Partition(partition, replaying, library, given, list(before.told) if before else [], job.span)
    rest = Stretch(replaying.ledger.position, stretch.end)
    source = Stretches(job.settings.kafka, job.topic, {partition: rest})
    reported = saved = time.monotonic()
    for batch in source.batches():
        for record in batch.records:
            one.take(record.offset, record.value or b"")
            now = time.monotonic()
            if now - reported > REPORT_S:
                if stopping():
                    yield one.report(tuple(warnings), keep=True)
                    return
                keep = job.keep and now - saved > SAVE_S
                yield one.report(tuple(warnings), keep=keep)
                warnings.clear()
                reported, saved = now, now if keep else saved
        one.position = batch.position
        if one.beyond:
            source.leave(partition)
            break
    yield one.report(tuple(warnings), ended=True)


class _Partition:
    """A partition that is being judged."""

    def __init__(
        self,
        number: int,
        replaying: Replaying,
        library: Library,
        given: Collection[str],
        told: list[Told],
        span: Span,
    ) -> None:
        self.number, self.replaying, self.library, self.told = number, replaying, library, told
        self.position = replaying.ledger.position
        self._enough = None if span.end is None else span.end + round(LONGEST_TICK_S * 1000)
        self._given = given

    @property
    def beyond(self) -> bool:
        """Whether no tick of the span can follow."""
        return self._enough is not None and self.replaying.ledger.closed >= self._enough

    def take(self, offset: int, value: bytes) -> None:
        """Judge what a message completes; one that is none is counted and passed over, as the live judge does."""
        try:
            message = wire.decode(value)
        except CorruptError:
            self.replaying.ledger.counts["corrupt_messages"] += 1
            self.replaying.ledger.position = offset + 1
        else:
            self.told += self.replaying.take(offset, message)
        self.position = offset + 1

    def report(self, warnings: tuple[str, ...], *, keep: bool = False, ended: bool = False) -> Report:
        """How far it has come."""
        firing = sum(b'"state":"firing"' in one.record for one in self.told)
        done = self._done(ended=ended) if keep or ended else None
        return Report(self.number, self.position, firing, self.replaying.seen.calls, done, warnings)

    def _done(self, *, ended: bool) -> Done:
        replaying = self.replaying
        made = tuple(baselines.encode(one) for name, one in self.library.made.items() if name not in self._given)
        return Done(
            self.position,
            replaying.saved(),
            made,
            tuple(self.told),
            tuple(replaying.overviews()) if ended else None,
            replaying.ledger.held,
        )


def replay(
    job: Job, plan: Mapping[int, Stretch], before: Mapping[int, Done], workers: int, told: Callable[[Report], None]
) -> None:
    """Judge all partitions; ``told`` hears every report, also after Ctrl-C those of where to go on.

    Raises
    ------
    KeyboardInterrupt
        It was stopped.
    """
    todo = {number: one for number, one in plan.items() if number not in before or before[number].overviews is None}
    order = sorted(todo, key=lambda number: (-todo[number].size, number))
    if min(workers, len(todo)) <= 1:
        stopped = _Interrupted()
        with stopped:
            for number in order:
                for report in replay_partition(job, number, todo[number], before.get(number), stopped):
                    told(report)
                if stopped():
                    raise KeyboardInterrupt
        return
    _in_processes(job, {number: (todo[number], before.get(number)) for number in order}, workers, told)


class _Interrupted:
    """Whether Ctrl-C was pressed; pressed again, it interrupts as ever."""

    def __init__(self) -> None:
        self._told = False
        self._before: Any = None

    def __call__(self) -> bool:
        return self._told

    def __enter__(self) -> _Interrupted:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        self._told = True


def _in_processes(
    job: Job,
    todo: Mapping[int, tuple[Stretch, Done | None]],
    workers: int,
    told: Callable[[Report], None],
) -> None:
    """Share the partitions among processes: judging is made of many small steps that threads would take in turns."""
    context = multiprocessing.get_context("spawn")
    tasks, reports, stopping = context.SimpleQueue(), context.Queue(), context.Event()
    count = min(workers, len(todo))
    for task in [*((number, *one) for number, one in todo.items()), *[None] * count]:
        tasks.put(task)
    pool = [context.Process(target=_work, args=(job, tasks, reports, stopping), daemon=True) for _ in range(count)]
    stopped = _Interrupted()
    with stopped:
        try:
            for one in pool:
                one.start()
            working, deadline = count, None
            while working:
                if stopped() and deadline is None:
                    stopping.set()
                    deadline = time.monotonic() + _PATIENCE_S
                try:
                    found = reports.get(timeout=0.2)
                except queue.Empty:
                    _see_alive(pool, deadline)
                    continue
                if isinstance(found, BaseException):
                    raise found
                if found is None:
                    working -= 1
                else:
                    told(found)
        finally:
            stopping.set()
            for one in pool:
                one.join(0.5)
                if one.is_alive():
                    one.terminate()
            reports.close()
    if stopped():
        raise KeyboardInterrupt


def _see_alive(pool: Sequence[Any], deadline: float | None) -> None:
    if any(one.exitcode for one in pool):
        codes = ", ".join(str(one.exitcode) for one in pool if one.exitcode)
        raise StoppedError(f"a process of the replay has died (exit status {codes}), maybe for want of memory")
    if deadline is not None and time.monotonic() > deadline:
        raise StoppedError(f"the processes of the replay did not stop within {_PATIENCE_S:.0f} s")


def _work(job: Job, tasks: Any, reports: Any, stopping: Any) -> None:
    """One process: partitions one after the other, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is told, and tells this one
    threadpool_limits(1)  # judging must not depend on the number of cores
    try:
        while (task := tasks.get()) is not None and not stopping.is_set():
            number, stretch, before = task
            for report in replay_partition(job, number, stretch, before, stopping.is_set):
                reports.put(report)
        reports.put(None)
    except DriftError as error:
        reports.put(error)
    except Exception as error:  # others may not survive the way to the first process
        reports.put(StoppedError(f"a process of the replay has failed: {type(error).__name__}: {error}"))
