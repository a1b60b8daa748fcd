"""Closed ticks judged again, by other baselines or as it was: what the live judge would have said, to the bit.

A function of the log, like the judge's own work, which this is: no clock, no Kafka. Each trial has a state of its own
that begins at the first tick of the range; what all of them are asked of one tick is decoded once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from drift.baseline import Baseline
from drift.errors import LensMismatchError
from streams.alerts import encode
from streams.embedded import nobody
from streams.judging import Judging
from streams.ledger import Closed, Ledger, Place
from streams.measure import Meter
from streams.moves import Announced, Timetable
from streams.opened import Opened
from streams.overview import Overview
from streams.privacy import private
from streams.replay_rows import ReplayRows
from streams.settings import Settings
from streams.shelf import READ, Shelf
from streams.store import Store
from streams.wire import Message

AS_IT_WAS = "as it was"
"""Name of the trial that follows the tag's real moves and the real acknowledgements."""

NAMED = 1000
"""Segments whose ticks are counted by name."""


@dataclass(frozen=True, slots=True)
class Span:
    """Ticks that start at or after ``start`` and before ``end``, event times in milliseconds since 1970."""

    start: int | None = None
    end: int | None = None

    def holds(self, tick: int) -> bool:
        """Whether a tick is one of them."""
        return (self.start is None or tick >= self.start) and (self.end is None or tick < self.end)


@dataclass(frozen=True, slots=True)
class Trial:
    """What closed ticks are judged by.

    Attributes
    ----------
    name
        What people call it.
    timetable
        Which baseline holds for which segment and tick.
    baseline
        The one that all of it is judged by; None where the timetable follows a tag.
    segment
        The one segment that is judged; None: all of them.
    """

    name: str
    timetable: Timetable
    baseline: Baseline | None = None
    segment: str | None = None

    @classmethod
    def of(cls, name: str, baseline: Baseline, segment: str = "") -> Trial:
        """All ticks of a segment by one baseline."""
        segment = segment or baseline.segment
        table = Timetable("replay")
        table.add(Announced(segment, "replay", 1, baseline.id, baseline.pane.lens, 0, ""))
        return cls(name, table, baseline, segment)

    @property
    def command(self) -> str:
        """The command that judges by it, for who reads what was kept."""
        return "replay --as-it-was" if self.baseline is None else f"replay --baseline {self.name}"

    @property
    def id(self) -> tuple[str, str, str]:
        """What tells it from all others, and must not change where a replay goes on."""
        return self.name, self.baseline.id if self.baseline else "", self.segment or ""


class Library(Shelf):
    """What a replay reads of the store, where nothing is ever written.

    Parameters
    ----------
    given
        Baselines that need not be in the store.
    meter
        Where segments may take their first calls: what they are seen by. Panes need no embedder.
    """

    def __init__(self, store: Store, settings: Settings, given: Iterable[Baseline], meter: Meter | None = None) -> None:
        if meter is not None:
            super().__init__(store, meter, settings.scores)
        else:
            self._store, self.default = store, ""
        self._texts = settings.texts
        self._given = {one.id: private(one, settings.texts) for one in given}
        self._read: dict[str, Baseline] = {}
        self.baseline = self._known  # type: ignore[assignment]  # of the same form, without a bound

    def put(self, baseline: Baseline) -> None:
        """Keep a baseline that was made of first calls."""
        self._given[baseline.id] = baseline

    @property
    def made(self) -> dict[str, Baseline]:
        """Baselines that were given or made here."""
        return self._given

    def _known(self, name: str) -> Baseline:
        if name in self._given:
            return self._given[name]
        if name not in self._read:
            while len(self._read) >= READ:
                self._read.pop(next(iter(self._read)))
            self._read[name] = private(self._store.baseline(name), self._texts)
        return self._read[name]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A record of an alarm: which trial's it is, the tick and segment that brought it about, and its bytes."""

    tick: int
    trial: int
    segment: str
    record: bytes


class Seen(msgspec.Struct):
    """What the range was found to hold.

    Attributes
    ----------
    ticks
        Closed ticks of the range by segment, of at most ``NAMED``.
    first, last
        Start of the first and of the last closed tick, in the range or not; 0 where there is none.
    calls, panes
        In the range, of segments that were judged.
    """

    ticks: dict[str, int] = {}
    first: int = 0
    last: int = 0
    calls: int = 0
    panes: int = 0

    def add(self, other: Seen) -> None:
        """Join what another partition was found to hold."""
        for name, count in other.ticks.items():
            self.ticks[name] = self.ticks.get(name, 0) + count
        self.first = min(filter(None, (self.first, other.first)), default=0)
        self.last = max(self.last, other.last)
        self.calls, self.panes = self.calls + other.calls, self.panes + other.panes


class SavedTrial(msgspec.Struct, frozen=True):
    """What is kept of a trial: the segments' bytes and the counts, up to the message at ``counted``."""

    segments: dict[str, bytes] = {}
    counts: dict[str, int] = {}
    counted: int = -1


class Saved(msgspec.Struct, frozen=True):
    """All that must be known to go on as if never interrupted."""

    place: Place
    trials: tuple[SavedTrial, ...]
    seen: Seen


class Replaying:
    """One partition's ticks, judged by each trial.

    Parameters
    ----------
    segments
        Only these; empty: those of the trials.
    saved
        Where to go on.
    rows
        Keeps what each trial has seen; none where nobody wants it.
    """

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        trials: Sequence[Trial],
        span: Span,
        *,
        segments: Sequence[str] = (),
        among: int = 1,
        start: int = 0,
        saved: Saved | None = None,
        warn: Callable[[str], None] = lambda text: None,
        rows: Sequence[ReplayRows] = (),
    ) -> None:
        self._rows = rows
        known = saved.trials if saved else (SavedTrial(),) * len(trials)
        self.ledger = Ledger(saved.place if saved else Place(offset=start))
        self.seen = msgspec.structs.replace(saved.seen, ticks=dict(saved.seen.ticks)) if saved else Seen(ticks={})
        self._trials, self._span, self._segments = trials, span, frozenset(segments)
        self._opened = Opened(shared=len(trials) > 1)
        self._saved = [dict(one.segments) for one in known]
        self._from = saved.trials[0].counted if saved and saved.trials else -1
        self._judges = [
            Judging(
                settings,
                shelf,
                trial.timetable,
                one.segments,
                among=among,
                counts=one.counts,
                counted=one.counted,
                warn=warn,
                opened=self._opened,
                seen=rows[number].seen if rows else nobody,
            )
            for number, (trial, one) in enumerate(zip(trials, known, strict=True))
        ]

    @property
    def counts(self) -> list[Counter[str]]:
        """What became of the calls, by trial."""
        return [judge.counts for judge in self._judges]

    def take(self, offset: int, message: Message) -> list[Told]:
        """What each trial says of the ticks that the message at this offset completes."""
        return [told for closed in self.ledger.add(offset, message) for told in self.apply(closed)]

    def apply(self, closed: Closed) -> list[Told]:
        """What each trial says of a closed tick.

        Raises
        ------
        LensMismatchError
            It was seen through another lens than the baseline of a trial, or than the one before it.
        """
        new = closed.offset > self._from
        if new:
            self.seen.first = min(self.seen.first or closed.tick, closed.tick)
            self.seen.last = max(self.seen.last, closed.tick)
        if not self._span.holds(closed.tick):
            return []
        wanted = not self._segments or closed.segment in self._segments
        if new:
            self._count(closed, wanted=wanted)
        if not wanted:
            return []
        told = []
        for number, (trial, judge) in enumerate(zip(self._trials, self._judges, strict=True)):
            if trial.segment in (None, closed.segment):
                _same_lens(trial, closed)
                alerts = judge.apply(closed)
                told += [Told(closed.tick, number, closed.segment, encode(one)) for one in alerts]
                if self._rows:
                    self._rows[number].alerts(closed.segment, alerts)
        self._opened.forget()
        return told

    def _count(self, closed: Closed, *, wanted: bool) -> None:
        ticks = self.seen.ticks
        if closed.segment in ticks or len(ticks) < NAMED:
            ticks[closed.segment] = ticks.get(closed.segment, 0) + 1
        if wanted and any(trial.segment in (None, closed.segment) for trial in self._trials):
            self.seen.panes += len(closed.panes)
            self.seen.calls += sum(one.calls for one in closed.panes)

    def finish(self) -> None:
        """All is judged: write the rest of the rows."""
        for judge, rows in zip(self._judges, self._rows, strict=False):
            rows.finish(judge.judged)

    def saved(self) -> Saved:
        """All that must be known to go on from here."""
        trials = []
        for segments, judge in zip(self._saved, self._judges, strict=True):
            segments |= judge.kept(self.ledger.position)
            trials.append(SavedTrial(dict(segments), dict(judge.counts), self.ledger.position - 1))
        seen = msgspec.structs.replace(self.seen, ticks=dict(self.seen.ticks))
        return Saved(self.ledger.place, tuple(trials), seen)

    def overviews(self) -> list[tuple[int, Overview]]:
        """What is known of each segment in the end, with the number of the trial."""
        self.saved()  # so that each judge knows its segments by name
        return [(n, judge.look(name)) for n, judge in enumerate(self._judges) for name in judge.names]


def _same_lens(trial: Trial, closed: Closed) -> None:
    wanted = trial.baseline.pane.lens if trial.baseline else None
    for one in closed.panes:
        if wanted is not None and one.lens != wanted:
            assert trial.baseline is not None
            raise LensMismatchError(
                f"panes of {closed.segment} were seen through lens {one.lens}, baseline {trial.baseline.id} "
                f"({trial.name}) through {wanted}: measure the calls again by --observe, or build a baseline through "
                f"their lens: driftline baseline build ... --lens {one.lens}"
            )


def in_order(told: Iterable[Told]) -> list[Told]:
    """Records of all partitions in an order that depends on none: by tick, trial and segment."""
    return sorted(told, key=lambda one: (one.tick, one.trial, one.segment))
