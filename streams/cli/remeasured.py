"""How ``driftline replay --observe`` comes by its verdicts: calls are measured again, then judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from drift.errors import SettingsError, SourceError
from streams import sources
from streams.archive import Archive
from streams.cli.common import open_meter, say
from streams.cli.rejudged import Request, Result, check
from streams.cli.replay_screen import progress
from streams.kafka.replay import decisions
from streams.kafka.stretch import Stretch, Stretches, stretches
from streams.measure import Meter, Unseen
from streams.measures import Measures
from streams.moves import Decision, Timetable
from streams.observe import Sight
from streams.overview import Overview
from streams.partition import Incoming
from streams.remeasuring import FromMeasures, Remeasuring
from streams.replay_jobs import Report
from streams.replay_rows import ReplayRows
from streams.replaying import Library, Replaying, Seen, Told, in_order
from streams.shelf import require_embedder
from streams.store import Store

_BATCH = 2000


def from_calls(request: Request, out: Console) -> Result:
    """Measure calls again, each through the lens of the trial's baseline, and judge their panes.

    Calls are those of a file or topic, or of an archive that keeps their measures.

    Raises
    ------
    SourceError
        There are no calls to judge, or they cannot be read.
    LensMismatchError
        A baseline was made with another embedder than this run's.
    """
    settings = request.settings
    meter = open_meter(settings)
    for trial in request.trials:
        if trial.baseline:
            require_embedder(meter, trial.baseline.lens, f"baseline {trial.baseline.id} ({trial.name})")
    topic = None if request.archive else sources.topic(request.source, settings.kafka)
    kept = Measures(Archive(request.archive), meter.embedder) if request.archive else None
    days = _days(request, kept) if kept else {}
    plan = {0: Stretch(0, len(days))} if kept else _calls_plan(request, topic)
    known = decisions(settings.kafka, lambda text: say(out, text)) if request.as_it_was else ()
    again = _Again(request, meter, plan, known)
    with progress(out, plan) as told:
        batches: Iterator[tuple[int, Any, int]]
        if kept:
            batches = _day_batches(kept, days, request.wanted)
        else:
            batches = _topic_batches(request, topic, plan, again) if topic else _file_batches(request.source)
        for source, batch, position in batches:
            again.take(source, batch)
            told(Report(source, position, again.alarms, again.calls), out)
        again.end()
    return again.result()


def _days(request: Request, kept: Measures) -> dict[str, list[str]]:
    """Days of the range with their files: its last tick may begin before the end and reach beyond it."""
    start, end, tick = request.span.start, request.span.end, request.settings.clock.tick_ms
    return kept.days(start, None if end is None else -(-end // tick) * tick)


def _day_batches(
    kept: Measures, days: Mapping[str, Sequence[str]], segments: Collection[str]
) -> Iterator[tuple[int, Unseen, int]]:
    for number, files in enumerate(days.values(), 1):
        if (calls := kept.of_day(files, segments)) is not None:
            yield 0, calls, number


def _calls_plan(request: Request, topic: str | None) -> dict[int, Stretch]:
    if topic is None:
        if request.offsets:
            raise SettingsError("--offsets are of a topic: leave them out with a file")
        return {0: Stretch(0, sources.size(request.source) or 0)}
    lateness = request.settings.clock.lateness_ms
    return stretches(request.settings.kafka, topic, request.span, lateness, request.offsets)


def _topic_batches(
    request: Request, topic: str, plan: Mapping[int, Stretch], again: _Again
) -> Iterator[tuple[int, list[Incoming], int]]:
    source = Stretches(request.settings.kafka, topic, plan)
    for batch in source.batches():
        yield batch.partition, [Incoming(r.offset, r.timestamp, r.value or b"") for r in batch.records], batch.position
        if again.beyond(batch.partition):
            source.leave(batch.partition)


def _file_batches(path: str) -> Iterator[tuple[int, list[Incoming], int]]:
    """Lines of a file, as one partition whose records are written now."""
    done, now = [0], time.time_ns() // 1_000_000
    batch: list[Incoming] = []
    for line in sources.lines(path, progress=lambda at: done.__setitem__(0, at)):
        batch.append(Incoming(line.number, now, line.data))
        if len(batch) == _BATCH:
            yield 0, batch, done[0]
            batch = []
    yield 0, batch, done[0]


class _Again:
    """Calls measured once for all trials that see them alike, and judged by each."""

    def __init__(
        self, request: Request, meter: Meter, plan: Mapping[int, Stretch], decisions: Sequence[Decision]
    ) -> None:
        self._request, self._meter, self._plan = request, meter, plan
        self._groups: list[tuple[list[int], Remeasuring | FromMeasures, Replaying]] = []
        self._told: list[Told] = []
        alike: dict[object, list[int]] = {}
        for number, trial in enumerate(request.trials):
            key = None if trial.baseline is None else (Sight.of(trial.baseline).key, trial.segment)
            alike.setdefault(key, []).append(number)
        for numbers in alike.values():
            self._groups.append(self._group(numbers, decisions))
        self._offsets = [0] * len(self._groups)
        for number, (_, remeasuring, _) in enumerate(self._groups):
            self._hear(number, remeasuring.begin())

    def _group(
        self, numbers: list[int], decisions: Sequence[Decision]
    ) -> tuple[list[int], Remeasuring | FromMeasures, Replaying]:
        request, settings = self._request, self._request.settings
        trials = [request.trials[number] for number in numbers]
        store, given = Store(settings.store), [one.baseline for one in trials if one.baseline]
        if given:
            sight, library = Sight.of(given[0]), Library(store, settings, given)
            chosen, sight_of = {trials[0].segment or ""}, lambda segment, tick: sight
        else:
            table = Timetable(settings.live.tag)
            for one in decisions:
                table.learn(one)
            trials = [replace(one, timetable=table) for one in trials]
            library = Library(store, settings, (), self._meter)
            chosen, sight_of = None, lambda segment, tick: library.sight(table, segment, tick)
            if request.segments:
                chosen = set(request.segments)
        remeasuring: Remeasuring | FromMeasures
        if request.archive:
            embedder, clock = self._meter.embedder, settings.clock
            remeasuring = FromMeasures(embedder, sight_of, clock, span=request.span, chosen=chosen)
        else:
            remeasuring = Remeasuring(
                self._meter,
                sight_of,
                settings.clock,
                self._plan,
                segments=settings.segments,
                span=request.span,
                chosen=chosen,
                starts=lambda source: self._plan[source].start,
            )
        rows = [ReplayRows(request.rows, number) for number in numbers] if request.rows else ()
        replaying = Replaying(settings, library, trials, request.span, segments=request.segments, rows=rows)
        return numbers, remeasuring, replaying

    @property
    def alarms(self) -> int:
        """Alarms so far."""
        return sum(b'"state":"firing"' in one.record for one in self._told)

    @property
    def calls(self) -> int:
        """Calls judged so far."""
        return max(replaying.seen.calls for *_, replaying in self._groups)

    def take(self, source: int, batch: Any) -> None:
        """Measure and judge the next calls of a partition."""
        for number, (_, remeasuring, _) in enumerate(self._groups):
            self._hear(number, remeasuring.take(source, batch))

    def beyond(self, source: int) -> bool:
        """Whether no more of a partition is wanted."""
        return all(remeasuring.beyond(source) for _, remeasuring, _ in self._groups)

    def end(self) -> None:
        """All is read: every tick is complete."""
        for number, (_, remeasuring, _) in enumerate(self._groups):
            for source in self._plan:
                self._hear(number, remeasuring.end(source))
        for _, _, replaying in self._groups:
            replaying.finish()

    def _hear(self, group: int, messages: Sequence[object]) -> None:
        numbers, _, replaying = self._groups[group]
        for message in messages:
            for one in replaying.take(self._offsets[group], message):  # type: ignore[arg-type]
                self._told.append(one.__class__(one.tick, numbers[one.trial], one.segment, one.record))
            self._offsets[group] += 1

    def result(self) -> Result:
        """What was said."""
        seen, overviews, said = Seen(ticks={}), list[tuple[int, Overview]](), list[str]()
        by_trial = [Counter[str]() for _ in self._request.trials]
        counted = set[str | None]()
        for numbers, remeasuring, replaying in self._groups:
            segment = self._request.trials[numbers[0]].segment
            if segment not in counted and None not in counted:  # else the same calls through another lens
                counted.add(segment)
                seen.add(replaying.seen)
            for number, own in zip(numbers, replaying.counts, strict=True):
                by_trial[number] = remeasuring.counts + own
            overviews += [(numbers[number], one) for number, one in replaying.overviews()]
        counts = self._groups[0][1].counts
        if rejected := counts["rejected"]:
            said.append(f"records rejected: {rejected:,}; driftline watch says why")
        if counts["late"]:
            said.append(f"calls that came too late and were left out: {counts['late']:,}")
        if not seen.ticks and not counts["calls"]:
            where = self._request.archive or self._request.source
            raise SourceError(f"{where} holds no calls of the baselines' segments in the range")
        check(self._request, seen, "calls")
        return Result(in_order(self._told), seen, overviews, said, by_trial)
