"""What a report says of a segment, ready to be drawn or written: its alarms, courses, topics, lengths and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from drift.bins import EDGES
from drift.errors import SettingsError
from streams.http.evidence import Effect, Explained, Version
from streams.report.alarms import Alarm
from streams.report.checked import Check
from streams.report.histograms import Histogram, compared
from streams.report.read import Account, Course, Segment
from streams.verdict_columns import DetectorCard, Stretch

KINDS = ("data", "model", "prompt", "output_length", "quality", "operational")
"""In the order in which they are shown."""

POINTS = 240
"""Places at which a course is drawn, at most."""

COLUMNS, COLUMN_CALLS = 72, 60
"""Columns of the plot of topics at most, and calls in one at least."""

NAMED = 9
"""Topics that are drawn one by one, those of most calls or that moved most."""

RECENT = 1024
"""Calls that are called now where no alarm says since when."""

FloatArray = npt.NDArray[np.float64]


class Answer(msgspec.Struct, frozen=True):
    """The answer for one kind in the end."""

    kind: str
    answer: str
    detector: str = ""
    statistic: float = 0.0
    threshold: float = 0.0
    effect: Effect | None = None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A detector's course at no more than ``POINTS`` places: where it was nearest to its threshold between them."""

    detector: str
    title: str
    at: list[int]
    statistic: list[float]
    threshold: list[float]

    @property
    def ratio(self) -> list[float]:
        """Statistics by their thresholds, never negative."""
        return [max(s, 0.0) / t if t > 0 else 0.0 for s, t in zip(self.statistic, self.threshold, strict=True)]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of topics over time, those of most note one by one and the others together."""

    labels: list[str]
    named: int  # of them, told one by one
    baseline: list[float]
    at: list[int]  # the end of each column
    start: int
    columns: list[list[float]]
    calls: list[int]
    now: list[float]


@dataclass
class Story:
    """All of a segment."""

    told: Segment
    number: int
    alarms: list[Alarm] = field(default_factory=list)
    early: list[Alarm] = field(default_factory=list)
    check: Check | None = None

    @property
    def name(self) -> str:
        """The segment."""
        return self.told.name

    @cached_property
    def answers(self) -> list[Answer]:
        """The answer for each kind; none where only alarms are known."""
        if self.told.summary is None:
            return []
        try:
            found = msgspec.convert(self.told.summary.verdict.kinds, list[Answer])
        except msgspec.ValidationError:
            return []
        return sorted(found, key=lambda one: KINDS.index(one.kind) if one.kind in KINDS else len(KINDS))

    @property
    def answer(self) -> str:
        """The answer for the segment."""
        if self.told.summary is not None:
            return self.told.summary.verdict.answer
        return "drift" if any(one.standing for one in self.alarms) else "unknown"

    @property
    def sentence(self) -> str:
        """Its verdict in words."""
        if self.told.summary is not None:
            return self.told.summary.verdict.sentence
        many = len(self.alarms)
        over = sum(not one.standing for one in self.alarms)
        said = f"{many or 'no'} alarm{'s' * (many != 1)}"
        said += f", {over} of them over" if over else ""
        said += f"; {len(self.early)} provisional" if self.early else ""
        return f"{self.name}: {said}. These are alert records alone: they do not say what has not drifted."

    @property
    def loudest(self) -> tuple[int, int, float, int]:
        """By which segments are ordered, the worst first."""
        rank = {"drift": 0, "unknown": 1, "not_enough_data": 2, "no_drift": 3}[self.answer]
        standing = sum(one.standing for one in self.alarms)
        ratios = (one.statistic / one.threshold for one in self.answers if one.threshold > 0)
        return rank, -standing, -max(ratios, default=0.0), -self.told.calls

    @property
    def kinds(self) -> list[str]:
        """Kinds that it has anything of."""
        here = {one.kind for one in self.answers} | {one.raised.kind for one in (*self.alarms, *self.early)}
        here |= {course.kind for course in self.told.courses.values()}
        return [kind for kind in KINDS if kind in here] + sorted(here.difference(KINDS))

    @property
    def span(self) -> tuple[int, int]:
        """Event times that plots reach over."""
        if self.told.end > self.told.start:
            return self.told.start, self.told.end
        ends = [at for one in (*self.alarms, *self.early) for at in (*one.span, one.since[1]) if at]
        low, high = (min(ends), max(ends)) if ends else (0, 0)
        room = max((high - low) // 20, 600_000)
        return low - room, high + room

    @property
    def drawn(self) -> list[str]:
        """Kinds of which there is anything on a timeline."""
        here = {course.kind for course in self.told.courses.values()} | {one.raised.kind for one in self.alarms}
        return [kind for kind in self.kinds if kind in here]

    def title(self, detector: str) -> str:
        """What people call a detector."""
        return next((card.title for card in self.detectors if card.name == detector), detector.replace("_", " "))

    def of_kind(self, kind: str) -> list[Alarm]:
        """Its alarms of a kind."""
        return [one for one in self.alarms if one.raised.kind == kind]

    def lines(self, kind: str) -> list[Line]:
        """Courses of the detectors of a kind."""
        return [
            _line(name, self.title(name), course, self.span)
            for name, course in self.told.courses.items()
            if course.kind == kind
        ]

    @property
    def detectors(self) -> list[DetectorCard]:
        """Cards of the detectors."""
        return self.told.baseline.detectors if self.told.baseline else []

    @property
    def explained(self) -> list[tuple[str, Explained, str, Alarm | None]]:
        """Parts of changes: which detector, parts, their unit, and the alarm that they are of, none of recent calls."""
        made: list[tuple[str, Explained, str, Alarm | None]] = []
        for one in self.alarms:
            if one.raised.explained:
                unit = one.raised.effect.unit if one.raised.effect else ""
                made.append((one.raised.detector, one.raised.explained, unit, one))
        for name, parts in (self.told.summary.explained if self.told.summary else {}).items():
            try:
                title = self.title(name)
                unit = "score" if title.startswith("score ") else ""
                made.append((title, msgspec.convert(parts, Explained), unit, None))
            except msgspec.ValidationError:
                continue
        return made

    @property
    def chain(self) -> list[Version]:
        """Prompt versions after the anchor's: as in the end or, of alerts alone, as the last alarm told them."""
        if self.told.summary is not None:
            try:
                return msgspec.convert(self.told.summary.chain, list[Version])
            except msgspec.ValidationError:
                return []
        return next((one.raised.chain for one in reversed(self.alarms) if one.raised.chain), [])

    @cached_property
    def shares(self) -> Shares | None:
        """Topics over time."""
        told, known = self.told.stretches, self.told.baseline
        if known is None or not (told := [one for one in told if len(one.topics) == len(known.topics)]):
            return None
        before = np.array([one.share for one in known.topics])
        columns = _columns(told)
        counts = np.array([np.sum([one.topics for one in part], axis=0) for part in columns], np.float64)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        now = self._recent_topics(told)
        moved = np.abs(shares - before).max(axis=0)
        order = np.argsort(-(moved + np.maximum(shares.max(axis=0), before)), kind="stable")
        shown = np.array(sorted(order[:NAMED].tolist(), key=lambda k: -float(before[k])))
        rest = np.setdiff1d(np.arange(len(before)), shown)

        def told_of(values: FloatArray) -> list[float]:
            return [*values[shown].tolist(), *([float(values[rest].sum())] if len(rest) else [])]

        labels = [known.topics[k].label or f"topic {k + 1}" for k in shown.tolist()]
        labels += [f"{len(rest)} other topics"] if len(rest) else []
        return Shares(
            labels,
            len(shown),
            told_of(before),
            [part[-1].at for part in columns],
            columns[0][0].start,
            [told_of(row) for row in shares],
            [sum(one.stretch_calls for one in part) for part in columns],
            told_of(now),
        )

    def _recent_topics(self, told: Sequence[Stretch]) -> FloatArray:
        counts = np.sum([one.topics for one in self._now(told, "data")], axis=0, dtype=np.float64)
        return np.asarray(counts / max(float(counts.sum()), 1.0))

    @property
    def topics_now(self) -> FloatArray | None:
        """Shares of all topics now."""
        known = self.told.baseline
        told = [one for one in self.told.stretches if known and len(one.topics) == len(known.topics)]
        return self._recent_topics(told) if told else None

    def now_since(self, *kinds: str) -> int:
        """Event time from which on calls are of now."""
        told = self.told.stretches
        return self._now(told, *kinds)[0].start if told else 0

    def _now(self, told: Sequence[Stretch], *kinds: str) -> list[Stretch]:
        """Stretches since the last change of these kinds that stands, or else of the last 1,024 calls."""
        began = [one.since[0] for one in self.alarms if one.standing and one.raised.kind in kinds]
        if began and (after := [one for one in told if one.start >= max(began)]):
            return after
        calls, made = 0, []
        for one in reversed(told):
            if calls >= RECENT:
                break
            made.append(one)
            calls += one.stretch_calls
        return made[::-1]

    def histogram(self, name: str, kind: str) -> Histogram | None:
        """Lengths or latencies, before and now."""
        known = self.told.baseline
        if known is None or name not in known.histograms or not self.told.stretches:
            return None
        card = known.histograms[name]
        recent = self._now(self.told.stretches, kind)
        before, now = np.zeros(len(EDGES)), np.zeros(len(EDGES))
        for one, calls in msgspec.convert(card["bins"], list[tuple[int, int]]):
            before[one] += calls
        for stretch in recent:
            for one, calls in getattr(stretch, name):
                now[one] += calls
        if not before.sum() or not now.sum():
            return None
        return compared(name, str(card["unit"]), before, now, recent[0].start)


def _line(name: str, title: str, course: Course, span: tuple[int, int]) -> Line:
    at = np.frombuffer(course.at, np.int64)
    statistic, threshold = np.frombuffer(course.statistic), np.frombuffer(course.threshold)
    if len(at) > POINTS:
        low, high = span
        slot = np.minimum((at - low) * POINTS // max(high - low, 1), POINTS - 1)
        order = np.lexsort([statistic / np.maximum(threshold, 1e-9), slot])
        kept = order[np.flatnonzero(np.diff(slot[order], append=POINTS))]  # the largest of each slot
        at, statistic, threshold = at[kept], statistic[kept], threshold[kept]
    return Line(name, title, at.tolist(), statistic.tolist(), threshold.tolist())


def _columns(told: Sequence[Stretch]) -> list[list[Stretch]]:
    """Stretches in groups of enough calls, few enough to be drawn."""
    enough = max(COLUMN_CALLS, sum(one.stretch_calls for one in told) / COLUMNS)
    made: list[list[Stretch]] = [[]]
    calls = 0
    for one in told:
        if calls >= enough:
            made.append([])
            calls = 0
        made[-1].append(one)
        calls += one.stretch_calls
    if len(made) > 1 and calls < enough / 2:
        made[-2] += made.pop()
    return made


def stories(account: Account) -> list[Story]:
    """Segments, the worst first."""
    made = []
    for segment in account.segments.values():
        story = Story(segment, 0)
        _follow(story)
        made.append(story)
    made.sort(key=lambda one: (*one.loudest, one.name))
    for number, story in enumerate(made, 1):
        story.number = number
    return made


def put_beside(told: Sequence[Story], checks: Mapping[str, Check]) -> None:
    """Give segments the checks of their baselines.

    Raises
    ------
    SettingsError
        All checks are of other baselines.
    """
    known = {one.told.baseline.baseline for one in told if one.told.baseline}
    if not known & checks.keys():
        has = f"those of the report are {', '.join(sorted(known))}" if known else "the report knows of none"
        raise SettingsError(f"--check is of baseline {', '.join(sorted(checks))}; {has}")
    for story in told:
        if story.told.baseline:
            story.check = checks.get(story.told.baseline.baseline)


def _follow(story: Story) -> None:
    """Put the records of each alarm together."""
    known: dict[str, Alarm] = {}
    for record in story.told.alerts:
        alarm = known.get(record.alert_id)
        if alarm is None:
            alarm = known[record.alert_id] = Alarm(record, len(known) + 1)
            (story.early if record.provisional else story.alarms).append(alarm)
        if record.state == "resolved":
            alarm.resolved_at = record.resolved_at or record.raised_at
        alarm.acknowledged |= record.state == "acknowledged"
