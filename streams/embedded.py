"""One process, no broker: call records of a file or standard input to alerts and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drift import verdict
from drift.baseline import Baseline
from drift.budget import Budget
from drift.errors import BaselineRefusedError
from drift.fleet import Fleet
from drift.pane import Pane
from drift.state import CLEAR_AFTER, TOLERANCES, Judge, SegmentState, start
from drift.verdict import Seen, Verdict
from streams.alerts import Alert, alert
from streams.building import Progress, build_baseline, first_ticks, in_order
from streams.lint import Requested
from streams.measure import Meter, parts_of, segment_of
from streams.observe import EVER, Clock, Observer, Sight
from streams.pool import SILENT, Pool, Pools, pooled
from streams.provisional import FROZEN, REFUSED, Placed, Provisional
from streams.records import Record
from streams.shares import Shares
from streams.slices import measured

FIRST = 3000
"""Calls that become a baseline where none is given."""

FEWEST = 400
"""Calls of which at least a half can be a baseline for the other, where a file ends too soon."""

SEGMENTS = 1000
"""Segments that are watched at once; a baseline that was given always finds its own."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to judge: see ``Settings`` for their meaning to an operator; ``replay`` is the command that alerts carry.

    With ``first`` None no segment takes a baseline of its own: calls of those without one are only counted. ``origins``
    are the anchors' baselines by segment; ``allowed`` the prompt versions that may be used, by segment or prompt name;
    ``slices`` and ``scores`` the declared fields and named scores of baselines that are taken: a given one has its own.
    A ``fleet`` shares its budget among segments, in place of ``budget`` for each; with ``pool`` small ones are pooled.
    """

    budget: Budget
    clock: Clock = field(default_factory=Clock)
    first: int | None = FIRST
    tolerances: Mapping[str, float] = field(default_factory=lambda: TOLERANCES)
    clear_after: int = CLEAR_AFTER
    segments: int = SEGMENTS
    slices: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    force: bool = False
    replay: str = ""
    origins: Mapping[str, Baseline] = field(default_factory=dict)
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fleet: Fleet | None = None
    pool: bool = True


@dataclass(slots=True)
class Segment:
    """One segment being watched: calls that wait for a baseline, or a judge and its state.

    A pool of segments is one too, with its ``members``, who have its name in ``pool``; from the tick ``until`` on it
    is judged no more, since each of them is judged alone.
    """

    name: str
    waiting: list[Record] = field(default_factory=list)
    judge: Judge | None = None
    state: SegmentState | None = None
    refused: str = ""
    provisional: Provisional = field(default_factory=Provisional)
    members: tuple[str, ...] = ()
    pool: str = ""
    until: int = EVER

    @property
    def calls(self) -> int:
        """Calls that were judged."""
        return self.state.calls if self.state else 0

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The present answers; a pool has none on what people ask and on prompt versions."""
        found = verdict.verdicts(self.judge, self.state) if self.judge and self.state else ()
        return tuple(one for one in found if one.kind not in ("data", "prompt")) if self.members else found

    @property
    def answered(self) -> bool:
        """Whether there was enough data for any answer."""
        return any(one.answer != "not_enough_data" for one in self.verdicts)


def allowed_versions(declared: Mapping[str, Sequence[str]], segment: str) -> frozenset[str] | None:
    """Prompt versions that a segment may use, by its own name or its prompt's; None where that is not declared."""
    names = (segment, parts_of(segment)[1])
    return next((frozenset(declared[name]) for name in names if name in declared), None)


SeenBy = Callable[[str, Judge], Seen]
"""Gives what is shown the blocks of a segment."""


def nobody(segment: str, judge: Judge) -> Seen:
    """Show blocks to nobody."""
    return verdict.unseen


class Watch:
    """Judges call records as they come, segment by segment.

    Parameters
    ----------
    known
        Baselines by segment; the others take their own first calls, if the options let them.
    warn
        Told, in a sentence, whatever a person should know.
    seen
        Gives what is shown each block of a segment that was scored.

    Attributes
    ----------
    segments
        What is judged, by name.
    unjudged
        Calls of each segment that has no baseline and may not take its own; none of them is kept.
    counts
        Calls in all, late, of segments beyond the cap, and duplicates.
    requested
        How often each model was asked for.
    """

    def __init__(
        self,
        meter: Meter,
        options: Options,
        known: Mapping[str, Baseline] | None = None,
        *,
        warn: Callable[[str], None] = lambda text: None,
        progress: Progress = lambda what, done: None,
        seen: SeenBy = nobody,
    ) -> None:
        """Start with nothing seen."""
        self.segments: dict[str, Segment] = {}
        self.unjudged: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._alone = 0  # segments, pools aside
        self.requested = Requested(options.segments)
        self._meter, self._options, self._known = meter, options, dict(known or {})
        self._warn, self._progress, self._seen = warn, progress, seen
        self._observer = Observer(meter, self._sight, options.clock)
        self._early: list[Placed] = []
        self._shares = Shares(options.budget, options.fleet, self._known, warn)
        self._pools = Pools(options.first, options.clock) if options.pool and options.first is not None else None

    def feed(self, records: Sequence[Record]) -> tuple[list[Alert], list[Record]]:
        """Alerts that the next records of the log bring about, and the records that came too late."""
        alerts: list[Alert] = []
        late: list[Record] = []
        ready: list[Record] = []
        for record, in_time in zip(records, self._observer.admit(records), strict=True):
            if not in_time:
                late.append(record)
                continue
            name = segment_of(record)
            segment = self._segment(name)
            if segment is None:
                self._pass_over(name)
            elif segment.judge:
                ready.append(record)
            elif not segment.refused:
                segment.waiting.append(measured(record, self._options.slices))
                segment.provisional.add(segment.waiting[-1], self._options.clock)
                if self._pools:
                    self._pools.count(name, record.event_time)
            if segment and segment.pool:
                ready += self._pooled([record], segment.pool)
        self.requested.add((segment_of(record), record.model) for record in records)
        self.counts["calls"] += len(records) - len(late)
        self.counts["late"] += len(late)
        self._observer.add(ready)
        for pool in self._pools.gathered(self._observer.watermark) if self._pools else ():
            self._fill_pool(pool)
        for segment in list(self.segments.values()):
            if segment.judge is None and not segment.refused:
                self._fill(segment)
                self._look(segment, self._observer.watermark)
        alerts += self._judge(self._observer.close())
        return alerts, late

    def finish(self) -> list[Alert]:
        """Alerts of the last ticks: the log has ended, so every tick is complete."""
        alone = [segment for segment in self.segments.values() if segment.judge is None and not segment.refused]
        if self._pools:
            few = [segment for segment in alone if len(segment.waiting) < FEWEST]
            times = {segment.name: [record.event_time for record in segment.waiting] for segment in few}
            for pool in self._pools.last(times, FEWEST):
                self._fill_pool(pool)
        for segment in alone:
            self._fill(segment, ended=True)
            self._look(segment, EVER)
        alerts = self._judge(self._observer.finish())
        self.counts["duplicates"] += self._observer.duplicates
        return alerts

    def _sight(self, segment: str, tick: int) -> Sight:
        judge = self.segments[segment].judge
        assert judge is not None
        return Sight.of(judge.baseline)

    def _segment(self, name: str) -> Segment | None:
        """The segment of this name, None for one that is not judged."""
        segment = self.segments.get(name)
        if segment is None:
            full = self._options.first is None or self._alone >= self._options.segments
            if name not in self._known and (full or not self._shares.admits(name)):
                return None
            self._alone += 1
            segment = self.segments[name] = Segment(name)
            if name in self._known:
                self._start(segment, self._known[name])
        return segment

    def _pass_over(self, name: str) -> None:
        """Count a call that is not judged, by segment as long as those are as few as may be."""
        few = name in self.unjudged or len(self.unjudged) < self._options.segments
        if self._options.first is None and few:
            self.unjudged[name] += 1
        else:
            self.counts["beyond"] += 1

    def _start(self, segment: Segment, made: Baseline) -> None:
        options = self._options
        budget = self._shares.of(segment.members or [segment.name])
        allowed = None if segment.members else allowed_versions(options.allowed, segment.name)
        tolerances = {**options.tolerances, **SILENT} if segment.members else options.tolerances
        segment.judge = Judge(made, budget, tolerances, options.clear_after, options.origins.get(segment.name), allowed)
        segment.state = start(segment.judge)

    def _fill(self, segment: Segment, *, ended: bool = False) -> None:
        """Freeze the first whole ticks that reach the wanted number of calls, once they are complete."""
        wanted = self._options.first
        assert wanted is not None
        if len(segment.waiting) < wanted and not ended:
            return
        if ended and len(segment.waiting) < 2 * wanted:
            count = len(segment.waiting)
            if segment.pool:
                segment.refused = f"{count} call{'s' * (count != 1)}, too few to judge alone"
                return
            if count < FEWEST:
                segment.refused = f"{count} call{'s' * (count != 1)}, too few to judge: at least {FEWEST} are needed"
                return
            wanted = count // 2
        end = first_ticks(segment.waiting, wanted, self._options.clock)
        if end is None or not (ended or end <= self._observer.watermark):
            return
        first = in_order(record for record in segment.waiting if record.event_time < end)
        self._look(segment, end)
        self._freeze(segment, first, [record for record in segment.waiting if record.event_time >= end])
        for warning in segment.provisional.warnings(segment.name, end) if segment.judge else ():
            self._warn(warning)
        why = FROZEN if segment.judge else REFUSED
        self._early += segment.provisional.end(segment.name, end, self._options.clock, why)
        if not ended:
            self._retire(segment.pool)

    def _look(self, segment: Segment, bound: int) -> None:
        """Watch a segment that has no baseline yet, up to an event time."""
        options = self._options
        self._early += segment.provisional.close(
            segment.name, bound, options.clock, options.tolerances, replay=options.replay
        )

    def _fill_pool(self, pool: Pool) -> None:
        """Freeze the calls of small segments that have enough of them together."""
        members = [self.segments[name] for name in pool.members]
        segment = self.segments[pool.name] = Segment(pool.name, members=pool.members)
        records = [pooled(record, pool) for one in members for record in one.waiting]
        first = in_order(record for record in records if record.event_time < pool.end)
        for one in members:
            one.pool = pool.name
        self._freeze(segment, first, [record for record in records if record.event_time >= pool.end])
        if segment.judge is None:  # refused: they wait as before
            del self.segments[pool.name]
            for one in members:
                one.pool = ""

    def _pooled(self, records: Sequence[Record], name: str) -> list[Record]:
        """The calls as their pool judges them, which ends once each member is judged alone."""
        assert self._pools is not None
        pool = self._pools.of[segment_of(records[0])]
        return [pooled(record, pool) for record in records if record.event_time < self.segments[name].until]

    def _retire(self, name: str) -> None:
        """End a pool of which each member is judged alone."""
        judges = [self.segments[one].judge for one in self.segments[name].members] if name else []
        if judges and all(judges):
            self.segments[name].until = max(one.baseline.pane.end for one in judges if one)

    def _freeze(self, segment: Segment, first: Sequence[Record], rest: list[Record]) -> None:
        options = self._options
        facts: dict[str, Any] = {"first": len(first)}
        if segment.members:
            facts |= {"level": "app", "members": list(segment.members)}
        try:
            made = build_baseline(
                self._meter,
                first,
                clock=options.clock,
                force=options.force,
                drift_refuses=False,  # unattended, a watch that refuses is blind: it warns
                facts=facts,
                slices=options.slices,
                scores=options.scores,
                progress=self._progress,
            )
        except BaselineRefusedError as refused:
            segment.refused = str(refused)
            segment.waiting = []
            self._warn(str(refused))
            return
        self.counts["duplicates"] += len(first) - made.pane.n
        of = f" of {len(segment.members)} segments together" if segment.members else ""
        self._warn(f"{segment.name}: the first {len(first):,} calls{of} are the baseline ({made.id})")
        for warning in made.facts["warnings"]:
            self._warn(f"{segment.name}: {warning}")
        self._start(segment, made)
        segment.waiting = []
        for low in range(0, len(rest), 1000):
            self._observer.add(rest[low : low + 1000])

    def _judge(self, panes: Iterable[Pane]) -> list[Alert]:
        told, self._early = self._early, []
        for pane in panes:
            segment = self.segments[pane.segment]
            if pane.tick >= segment.until:
                continue
            judge, state = segment.judge, segment.state
            assert judge is not None and state is not None
            segment.state, alarms = verdict.judge(judge, state, pane, seen=self._seen(segment.name, judge))
            records = (alert(judge, segment.name, alarm, replay=self._options.replay) for alarm in alarms)
            told += [(pane.tick, segment.name, record) for record in records]
        return [record for *_, record in sorted(told, key=lambda placed: placed[:2])]
