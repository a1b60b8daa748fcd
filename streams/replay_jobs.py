"""A replay as work for several processes: panes of a topic's partitions, or of an archive, judged side by side."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from drift import baseline as baselines
from drift.errors import CorruptError, DriftError, StoppedError
from streams import wire
from streams.archive import Archive
from streams.kafka.stretch import Stretch, Stretches
from streams.ledger import Closed
from streams.measure import Meter
from streams.meters import open_meter
from streams.moves import Decision, Timetable
from streams.replay_rows import ReplayRows
from streams.replaying import AS_IT_WAS, Library, Replaying, Span, Told, Trial
from streams.resuming import Done
from streams.settings import LONGEST_TICK_S, Settings
from streams.store import Store

REPORT_S = 0.5
"""Seconds between two reports of a partition."""

SAVE_S = 5.0
"""Seconds between two reports that hold all that must be known to go on."""

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
    topic, archive
        Where panes are read: the topic, or where one is named the archive.
    given
        Baselines to judge by, one trial each.
    decisions
        Of the trial as it was, None where there is none.
    among
        Partitions of the topic of panes.
    held
        Segments that an archive holds of each partition.
    mixed
        Whether ticks of an archive may be of another resolution than the judge's.
    rows
        Folder for rows of verdict files; empty where none are wanted.
    keep
        Whether reports are to hold what must be known to go on.
    """

    settings: Settings
    span: Span
    given: tuple[Given, ...]
    decisions: tuple[Decision, ...] | None
    segments: tuple[str, ...]
    among: int
    topic: str = ""
    archive: str = ""
    held: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    mixed: bool = False
    rows: str = ""
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
        rows=[ReplayRows(job.rows, number, partition) for number in range(len(trials))] if job.rows else (),
    )
    given = {trial.baseline.id for trial in trials if trial.baseline}
    one = _Partition(partition, replaying, library, given, list(before.told) if before else [], job.span)
    reported = saved = time.monotonic()
    for _ in (_archived if job.archive else _published)(job, one, stretch):
        now = time.monotonic()
        if now - reported > REPORT_S:
            if stopping():
                yield one.report(tuple(warnings), keep=True)
                return
            keep = job.keep and now - saved > SAVE_S
            yield one.report(tuple(warnings), keep=keep)
            warnings.clear()
            reported, saved = now, now if keep else saved
    replaying.finish()
    yield one.report(tuple(warnings), ended=True)


def _published(job: Job, one: _Partition, stretch: Stretch) -> Iterator[None]:
    """Judge what a partition of the topic holds."""
    rest = Stretch(one.replaying.ledger.position, stretch.end)
    source = Stretches(job.settings.kafka, job.topic, {one.number: rest})
    for batch in source.batches():
        for record in batch.records:
            one.take(record.offset, record.value or b"")
            yield
        one.position = batch.position
        if one.beyond:
            source.leave(one.number)
            return


def _archived(job: Job, one: _Partition, stretch: Stretch) -> Iterator[None]:
    """Judge what an archive holds of a partition: its ticks are numbered as they are read."""
    span = job.span
    held = Archive(job.archive).closed(segments=job.held[one.number], start=span.start, end=span.end, mixed=job.mixed)
    for closed in held:
        if closed.offset >= one.position:
            one.judge(closed)
        yield


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

    def judge(self, closed: Closed) -> None:
        """Judge a tick that is known to be complete."""
        self.told += self.replaying.apply(closed)
        self.position = self.replaying.ledger.position = closed.offset + 1

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
                    one.join()  # it may write until then, where rows are about to be removed
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
