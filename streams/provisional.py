"""A segment before it has a baseline: its own later calls against its earlier ones, and what that says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp

import msgspec
import numpy as np
import xxhash

from drift.pane import Pane
from drift.panel import KINDS
from drift.provisional import Cut, Window, split
from streams.alerts import Alert, segment_fields
from streams.evidence import Json, instant, rounded
from streams.observe import Clock
from streams.readings import SERIES, Readings, distinct, of_pane, of_records
from streams.records import Record
from streams.wording import FLAG, LOUDER, figure, moment, percent

Placed = tuple[int, str, Alert]
"""An alert with the tick and segment that brought it about: their order is that of all alerts."""


@dataclass(slots=True)
class _Track:
    """A series of a segment so far: its window, values and event times."""

    window: Window
    values: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)

    def add(self, pairs: Sequence[tuple[float, int]]) -> list[tuple[int, int]]:
        """Stretches of the series that changed inside, with these values and their event times."""
        if not pairs:
            return []
        values = [value for value, _ in pairs]
        self.values += values
        self.at += [at for _, at in pairs]
        self.window, changed = self.window.update(values)
        return changed


FROZEN = "the first calls are frozen as the baseline, which later ones are judged by"
REFUSED = "no baseline could be made of these calls, and those that follow are not watched"
"""Why provisional alarms end."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change inside the calls that fill a baseline."""

    detector: str
    since: int
    unit: str
    measure: str
    cut: Cut

    @property
    def sides(self) -> tuple[float, float]:
        """Before and now: a share, or the geometric mean."""
        pair = self.cut.before, self.cut.now
        return pair if self.detector == "error" else (exp(pair[0]), exp(pair[1]))

    @property
    def difference(self) -> float:
        """Of shares in points of one, of others relative."""
        before, now = self.sides
        return now - before if self.detector == "error" else now / before - 1

    def clause(self, segment: str) -> str:
        """What changed, how much."""
        before, now = self.sides
        if self.detector in FLAG:
            return f"{percent(now)} {FLAG[self.detector].format(segment)} ({percent(before)} before)"
        head, more, less = LOUDER[self.detector]
        way = more if self.difference > 0 else less
        sizes = f"{figure(before)} → {figure(now)} {self.unit}"
        return f"{head.format(segment)} {percent(abs(self.difference))} {way} ({sizes})"


@dataclass(slots=True)
class Provisional:
    """Watches the calls of one segment while they fill its baseline, tick by tick once each is complete.

    Inside a tick calls are taken by event time and id, one of each id: neither batches nor order matter.

    Attributes
    ----------
    standing
        The change that stands as an alarm, and its record, by detector.
    """

    standing: dict[str, tuple[Change, Alert]] = field(default_factory=dict)
    _changes: list[Change] = field(default_factory=list)
    _open: dict[int, list[Record]] = field(default_factory=dict)
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _calls: int = 0
    _reached: int = 0

    def add(self, record: Record, clock: Clock) -> None:
        """A call that waits; it is looked at when its tick is complete."""
        self._open.setdefault(clock.tick(record.event_time), []).append(record)

    def close(
        self, segment: str, bound: int, clock: Clock, tolerances: Mapping[str, float], *, replay: str = ""
    ) -> list[Placed]:
        """Alerts of the ticks that ended at or before an event time; changes within the tolerance are none."""
        told: list[Placed] = []
        for tick in sorted(tick for tick in self._open if tick + clock.tick_ms <= bound):
            calls = distinct(self._open.pop(tick))
            span = tick, tick + clock.tick_ms
            told += self._told(segment, span, of_records(calls), len(calls), tolerances, replay)
        return told

    def tick(self, segment: str, pane: Pane, tolerances: Mapping[str, float], *, replay: str = "") -> list[Placed]:
        """Alerts of one closed tick of which there is only a pane: its rows, or a fair sample, in order of event time.

        Ticks come in order of time, their partitions merged with all the rows that there are.
        """
        return self._told(segment, (pane.tick, pane.end), of_pane(pane), pane.n, tolerances, replay)

    def end(self, segment: str, at: int, clock: Clock, why: str) -> list[Placed]:
        """Ends of the alarms that stand, once the segment has a baseline or can have none; then all is forgotten."""
        reached = max(at, self._reached)
        told = [
            (reached - clock.tick_ms, segment, self._ended(segment, change, alarm, reached, why))
            for change, alarm in self.standing.values()
        ]
        self.standing, self._changes, self._open, self._tracks = {}, [], {}, {}
        return told

    def warnings(self, segment: str, end: int) -> list[str]:
        """Sentences about the changes before an event time, inside what became the baseline."""
        return [
            f"{segment}: the baseline may hold a change at {moment(one.since)} (provisional: {one.clause(segment)}): "
            "look at it, or build a baseline from a later range"
            for one in self._changes
            if one.since < end
        ]

    def note(self, segment: str) -> str:
        """What stands, in words; empty where nothing does."""
        clauses = [f"since {moment(one.since)} {one.clause(segment)}" for one, _ in self.standing.values()]
        return f"provisional, without a false-alarm promise: {'; '.join(clauses)}" if clauses else ""

    def fields(self) -> list[Json]:
        """What stands, for programs."""
        return [
            {"detector": alarm.detector, "kind": alarm.kind, "since": alarm.since, "raised_at": alarm.raised_at}
            for _, alarm in self.standing.values()
        ]

    def _told(
        self,
        segment: str,
        span: tuple[int, int],
        found: Readings,
        calls: int,
        tolerances: Mapping[str, float],
        replay: str,
    ) -> list[Placed]:
        """Alerts of a tick, from its start to its end; changes within the tolerance are none."""
        tick, self._reached = span
        self._calls += calls
        told: list[Placed] = []
        for change in self._look(found):
            if abs(change.difference) >= tolerances[change.detector]:
                told += [(tick, segment, one) for one in self._alarm(segment, change, replay)]
        return told

    def _look(self, found: Readings) -> list[Change]:
        """What changed with the calls of a tick."""
        for name, series in SERIES.items():
            self._tracks.setdefault(name, _Track(Window.start(series.delta)))
        changed = {name: self._tracks[name].add(found[name]) for name in SERIES}
        counted = 2 * len(self._tracks["output_tokens"].values) >= len(self._tracks["output_chars"].values)
        unread = "output_chars" if counted else "output_tokens"  # one length, tokens where most answers have them
        return [self._change(name, *part) for name, parts in changed.items() if name != unread for part in parts]

    def _change(self, name: str, low: int, high: int) -> Change:
        track, series = self._tracks[name], SERIES[name]
        cut = split(np.array(track.values[low:high]))
        return Change(series.detector, track.at[low + cut.samples_before], series.unit, series.measure, cut)

    def _alarm(self, segment: str, change: Change, replay: str) -> list[Alert]:
        """The alarm of a change; it ends the one before it."""
        told = []
        if change.detector in self.standing:
            why = "a further change has followed"
            told.append(self._ended(segment, *self.standing[change.detector], self._reached, why))
        alarm = _firing(segment, change, self._reached, self._calls, replay)
        self.standing[change.detector] = (change, alarm)
        self._changes.append(change)
        return [*told, alarm]

    def _ended(self, segment: str, change: Change, alarm: Alert, at: int, why: str) -> Alert:
        return msgspec.structs.replace(
            alarm,
            record_id=f"{alarm.alert_id}-resolved",
            state="resolved",
            resolved_at=instant(at),
            sentence=f"The provisional alarm of {segment} ({_name(change.detector)}, since {moment(change.since)}) "
            f"ends: {why}.",
            calls_seen=self._calls,
            effect=None,
            samples=None,
        )


def _name(detector: str) -> str:
    return "errors" if detector == "error" else detector.replace("_", " ")


def _firing(segment: str, change: Change, at: int, calls: int, replay: str) -> Alert:
    before, now = change.sides
    detector = f"provisional_{change.detector}"
    parts = (segment, detector, str(at), str(change.since), str(change.cut.samples_before))
    alert_id = xxhash.xxh3_64_hexdigest("\x1f".join(parts).encode())
    return Alert(
        record_id=f"{alert_id}-firing",
        alert_id=alert_id,
        state="firing",
        segment=segment_fields(segment),
        kind=KINDS[change.detector],
        detector=detector,
        provisional=True,
        sentence=f"Provisional: since {moment(change.since)} {change.clause(segment)}; it has no baseline yet and is "
        "compared with its own earlier calls, without a promise about false alarms.",
        raised_at=instant(at),
        since=instant(change.since),
        calls_seen=calls,
        effect={
            "measure": change.measure,
            "before": rounded(before),
            "now": rounded(now),
            "difference": rounded(change.difference),
            "unit": change.unit,
        },
        samples={"before": change.cut.samples_before, "now": change.cut.samples},
        replay=replay,
    )
