"""How ``driftline replay`` comes by its verdicts: from panes, in several processes, or from calls measured again."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from drift import baseline as baselines
from drift.errors import SettingsError, SourceError
from streams import sources
from streams.cli.common import open_meter, say
from streams.cluster import ROLES
from streams.evidence import instant
from streams.kafka import replay as engine
from streams.kafka.stretch import Stretch, Stretches, stretches
from streams.ledger import OVERTAKEN
from streams.measure import Meter
from streams.moves import Decision, Timetable
from streams.observe import Sight
from streams.overview import Overview
from streams.partition import Incoming
from streams.remeasuring import Remeasuring
from streams.replaying import Library, Replaying, Seen, Span, Told, Trial, in_order
from streams.resuming import Done, Interrupted, ResumeFile, spelled
from streams.settings import Settings
from streams.shelf import require_embedder
from streams.store import Store

NAMED = 5
SETTINGS = ("one_false_alarm_every", "first", "clear_after", "tolerances", "importance", "texts", "prompts", "fleet")
"""Settings that verdicts depend on."""

FEW = 5000
"""Messages that one process has judged before a second one has started."""

_BATCH = 2000


@dataclass(frozen=True)
class Request:
    """What is to be judged again; ``source`` is that of calls, empty for panes."""

    settings: Settings
    trials: Sequence[Trial]
    span: Span
    offsets: Mapping[int, tuple[int | None, int | None]]
    segments: tuple[str, ...]
    source: str = ""

    @property
    def as_it_was(self) -> bool:
        """Whether the tag's moves are followed."""
        return any(one.baseline is None for one in self.trials)

    @property
    def about(self) -> dict[str, str]:
        """All that an interrupted replay must have in common with this one."""
        kafka = self.settings.kafka
        found = {
            "topic": kafka.topic("panes"),
            "range": f"{_edge(self.span.start)} to {_edge(self.span.end)}",
            "offsets": spelled({str(number): one for number, one in self.offsets.items()}),
            "segments": spelled(sorted(self.segments)),
            "baselines": spelled([one.id for one in self.trials]),
        }
        return found | {name: spelled(getattr(self.settings, name)) for name in SETTINGS}


@dataclass
class Result:
    """What was said."""

    told: list[Told]
    seen: Seen
    overviews: list[tuple[int, Overview]]
    said: list[str] = field(default_factory=list)


def check_publish(topic: str, settings: Settings) -> None:
    """Refuse to publish where a service reads or writes, or to a topic that is not there.

    Raises
    ------
    SettingsError
        The topic has a role.
    SourceError
        It does not exist, or the cluster cannot be reached.
    """
    for role in ROLES:
        if topic == settings.kafka.topic(role):
            raise SettingsError(
                f"--publish {topic}: that is the topic of the live service's {role}, which a replay never writes to; "
                "make another one"
            )
    engine.check_topic(settings.kafka, topic)


def publish(topic: str, records: Sequence[tuple[str, str, bytes]], settings: Settings) -> None:
    """Send records of alarms."""
    engine.publish(settings.kafka, topic, records)


def from_panes(request: Request, out: Console, workers: int | None, resume: str | None) -> Result:
    """Judge the panes of the topic.

    Raises
    ------
    SettingsError
        What is to be resumed is another replay, or offsets are wrong.
    SourceError
        There are no panes to judge, or the cluster or the store cannot be read.
    LensMismatchError
        Panes were seen through another lens than a baseline.
    KeyboardInterrupt
        It was stopped; how far it had come is kept, where that was wanted.
    """
    settings, keep = request.settings, ResumeFile(resume) if resume else None
    kafka, topic = settings.kafka, settings.kafka.topic("panes")
    state = keep.load(request.about) if keep else None
    if state is None:
        known: tuple[Decision, ...] | None = None
        if request.as_it_was:
            known = engine.decisions(kafka, lambda text: say(out, text, style="yellow"))
        plan = stretches(kafka, topic, request.span, settings.clock.lateness_ms, request.offsets)
        state = Interrupted(request.about, {n: (one.start, one.end) for n, one in plan.items()}, known)
    else:
        say(out, f"going on with {resume}", style="dim")
    given = [
        engine.Given(one.name, one.segment or "", baselines.encode(one.baseline))
        for one in request.trials
        if one.baseline
    ]
    plan = {number: Stretch(*one) for number, one in state.plan.items()}
    job = engine.Job(
        settings, topic, request.span, tuple(given), state.decisions, request.segments, len(plan), keep=keep is not None
    )
    with _progress(out, plan) as told:

        def heard(report: engine.Report) -> None:
            told(report, out)
            if report.done is not None:
                state.done[report.partition] = report.done
                if keep:
                    keep.save(state)

        try:
            engine.replay(job, plan, state.done, workers or _workers(plan), heard)
        except KeyboardInterrupt:
            say(out, f"stopped; the same command goes on with {resume}" if resume else "stopped; nothing is kept")
            raise
    return _joined(request, plan, state.done)


def _workers(plan: Mapping[int, Stretch]) -> int:
    """Processes that are worth their start."""
    return 1 if sum(one.size for one in plan.values()) < FEW else os.cpu_count() or 1


def _joined(request: Request, plan: Mapping[int, Stretch], done: Mapping[int, Done]) -> Result:
    """What all partitions have said, in an order that does not depend on them."""
    seen, said, counts = Seen(ticks={}), list[str](), Counter[str]()
    for one in done.values():
        seen.add(one.saved.seen)
        counts.update(one.saved.place.counts)
        for trial in one.saved.trials:
            counts.update(trial.counts)
    _check(request, seen, "panes")
    held = sum(one.held for one in done.values())
    if held and request.span.end is None:
        said.append(f"not judged yet: {held:,} panes of ticks that were not complete when reading began")
    if counts[OVERTAKEN]:
        said.append(f"calls left out: {counts[OVERTAKEN]:,}, whose panes came after their ticks had closed")
    if counts["corrupt_messages"]:
        said.append(f"messages passed over: {counts['corrupt_messages']:,}, which are neither panes nor marks")
    if counts["unknown_lens_calls"]:
        said.append(
            f"calls not judged: {counts['unknown_lens_calls']:,}, seen through another lens than their baseline"
        )
    told = in_order(told for one in done.values() for told in one.told)
    overviews = [pair for one in done.values() for pair in one.overviews or ()]
    return Result(told, seen, overviews, said)


def _check(request: Request, seen: Seen, what: str) -> None:
    """Refuse a range that holds nothing to judge, and segments that it does not hold.

    Raises
    ------
    SourceError
        There is nothing of a trial's segment.
    """
    wanted = [*request.segments, *(one.segment for one in request.trials if one.segment)]
    missing = sorted({name for name in wanted if name not in seen.ticks})
    if not missing and seen.ticks:
        return
    whole = f"{_edge(request.span.start)} to {_edge(request.span.end)}"
    if not seen.ticks:
        there = (
            f"those that were read reach from {instant(seen.first)} to {instant(seen.last)}"
            if seen.last
            else "none was found"
        )
        raise SourceError(f"there are no {what} of complete ticks in the range ({whole}); {there}")
    known = sorted(seen.ticks)
    more = f" and {len(known) - NAMED:,} more" if len(known) > NAMED else ""
    raise SourceError(
        f"there are no {what} of {', '.join(missing)} in the range ({whole}); there are of "
        f"{', '.join(known[:NAMED])}{more}"
    )


def _edge(at: int | None) -> str:
    return "any time" if at is None else instant(at)


def from_calls(request: Request, out: Console) -> Result:
    """Measure calls again, each through the lens of the trial's baseline, and judge their panes.

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
    topic = sources.topic(request.source, settings.kafka)
    plan = _calls_plan(request, topic)
    known = engine.decisions(settings.kafka, lambda text: say(out, text)) if request.as_it_was else ()
    again = _Again(request, meter, plan, known)
    with _progress(out, plan) as told:
        batches = _topic_batches(request, topic, plan, again) if topic else _file_batches(request.source)
        for source, batch, position in batches:
            again.take(source, batch)
            told(engine.Report(source, position, again.alarms, again.calls), out)
        again.end()
    return again.result()


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
        self._groups: list[tuple[list[int], Remeasuring, Replaying]] = []
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

    def _group(self, numbers: list[int], decisions: Sequence[Decision]) -> tuple[list[int], Remeasuring, Replaying]:
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
        replaying = Replaying(settings, library, trials, request.span, segments=request.segments)
        return numbers, remeasuring, replaying

    @property
    def alarms(self) -> int:
        """Alarms so far."""
        return sum(b'"state":"firing"' in one.record for one in self._told)

    @property
    def calls(self) -> int:
        """Calls judged so far."""
        return max(replaying.seen.calls for *_, replaying in self._groups)

    def take(self, source: int, batch: Sequence[Incoming]) -> None:
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

    def _hear(self, group: int, messages: Sequence[object]) -> None:
        numbers, _, replaying = self._groups[group]
        for message in messages:
            for one in replaying.take(self._offsets[group], message):  # type: ignore[arg-type]
                self._told.append(one.__class__(one.tick, numbers[one.trial], one.segment, one.record))
            self._offsets[group] += 1

    def result(self) -> Result:
        """What was said."""
        seen, overviews, said = Seen(ticks={}), list[tuple[int, Overview]](), list[str]()
        for numbers, _, replaying in self._groups:
            seen.add(replaying.seen)
            overviews += [(numbers[number], one) for number, one in replaying.overviews()]
        counts = self._groups[0][1].counts
        if rejected := counts["rejected"]:
            said.append(f"records rejected: {rejected:,}; driftline watch says why")
        if counts["late"]:
            said.append(f"calls that came too late and were left out: {counts['late']:,}")
        if not seen.ticks and not counts["calls"]:
            raise SourceError(f"{self._request.source} holds no call records in the range")
        _check(self._request, seen, "calls")
        return Result(in_order(self._told), seen, overviews, said)


@contextmanager
def _progress(out: Console, plan: Mapping[int, Stretch]) -> Iterator[Callable[[engine.Report, Console], None]]:
    """A function to be told of reports: a bar with the time left on a terminal, elsewhere only what must be known."""
    positions = {number: one.start for number, one in plan.items()}
    latest: dict[int, engine.Report] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    bars = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=out, transient=True)
    total = sum(one.size for one in plan.values())
    task = bars.add_task("replaying", total=total or 1, note="")
    begun = time.monotonic()

    def told(report: engine.Report, out: Console) -> None:
        say(out, *report.warnings, style="dim")
        positions[report.partition], latest[report.partition] = report.position, report
        calls, alarms = (sum(getattr(one, name) for one in latest.values()) for name in ("calls", "alarms"))
        rate = calls / max(time.monotonic() - begun, 1e-6)
        done = sum(min(at, plan[n].end) - plan[n].start for n, at in positions.items())
        bars.update(task, completed=done, note=f"{calls:,} calls, {rate:,.0f}/s, {alarms} alarms")

    if out.is_terminal:
        with bars:
            yield told
    else:
        yield told
