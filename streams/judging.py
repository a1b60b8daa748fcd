"""Closed ticks to alerts, segment by segment, for one partition of the panes topic; no clock, no Kafka.

What is known of a segment is a function of the log and of the moves of tags: it is saved with the offset up to which
it was judged, and what is read again from before that changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from drift import snapshot, verdict
from drift.alarm import ended
from drift.baseline import Baseline
from drift.call import Declared
from drift.errors import BaselineRefusedError
from drift.pane import Pane
from drift.state import Judge, SegmentState, start
from streams import first as firsts
from streams.alerts import Alert, alert, drift_clause
from streams.embedded import SeenBy, allowed_versions, nobody
from streams.embedded import Segment as Watched
from streams.first import First
from streams.label_values import Distinct
from streams.ledger import Closed
from streams.moves import Acknowledgement, Announced, Timetable
from streams.opened import Opened
from streams.overview import Overview, Phase, Standing, acknowledged, kinds_now, topic_shares
from streams.provisional import FROZEN, REFUSED, Provisional
from streams.settings import Settings
from streams.shares import Shares
from streams.shelf import Shelf
from streams.wire import Sent
from streams.wording import moment

UNKNOWN_LENS = "unknown_lens_calls"
BEYOND = "beyond_segments_calls"
WITHOUT = "without_baseline_calls"

Warn = Callable[[str], None]


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is saved of a segment.

    Attributes
    ----------
    position
        Offset of the last message that it reflects.
    baseline, origin
        Ids of its baseline and of its anchor's, if there is one apart.
    sequence
        Of the tag's move that named the baseline, 0 where it is of the segment's own first calls.
    state, first
        Bytes of what is remembered, or of the ticks that are to become a baseline.
    refused
        Why no baseline could be made of them.
    standing, raised
        Alarms that stand, and alarms so far by kind.
    """

    position: int
    baseline: str = ""
    origin: str = ""
    sequence: int = 0
    state: bytes = b""
    first: tuple[bytes, ...] = ()
    refused: str = ""
    standing: tuple[Standing, ...] = ()
    raised: dict[str, int] = {}


class _Shown(msgspec.Struct, frozen=True):
    """What of a saved segment is shown before it is judged again: reading no more of it is a hundred times faster."""

    baseline: str = ""
    refused: str = ""
    standing: tuple[Standing, ...] = ()
    raised: dict[str, int] = {}


@dataclass(slots=True)
class Segment:
    """What is known of a segment."""

    name: str
    position: int = -1
    sequence: int = 0
    origin: Baseline | None = None
    judge: Judge | None = None
    state: SegmentState | None = None
    first: First | None = None
    refused: str = ""
    provisional: Provisional | None = None
    standing: dict[str, Standing] = field(default_factory=dict)  # by alert id
    raised: Counter[str] = field(default_factory=Counter)
    until: int = 0  # end of the last judged tick
    told: set[str] = field(default_factory=set)  # lenses that were warned of

    @property
    def lens(self) -> str:
        """Lens of its baseline, empty where it has none."""
        return self.judge.baseline.pane.lens if self.judge else ""


class Judging:
    """The segments of a partition.

    Parameters
    ----------
    saved
        Bytes of each segment, as ``kept`` gave them.
    among
        Partitions that share the cap on segments and a fleet's budget.
    counts, counted
        What had been counted, up to the message at this offset.
    opened
        Reads panes, for several judges of one log once.
    seen
        Gives what is shown each block of a segment that was scored.

    Attributes
    ----------
    counts
        Calls that were judged, and those that were not, by reason.
    beyond
        Segments that were not admitted.
    """

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        timetable: Timetable,
        saved: Mapping[str, bytes],
        *,
        among: int = 1,
        counts: Mapping[str, int] | None = None,
        counted: int = -1,
        warn: Warn = lambda text: None,
        opened: Opened | None = None,
        seen: SeenBy = nobody,
    ) -> None:
        self.counts: Counter[str] = Counter(counts or {})
        self.beyond = Distinct()
        self._counted = counted
        self._opened = opened or Opened()
        self._seen_by = seen
        self._settings, self._shelf, self._timetable, self._warn = settings, shelf, timetable, warn
        self._saved = dict(saved)
        self._segments: dict[str, Segment] = {}
        self._dirty: set[str] = set()
        self._news = set(self._saved)
        self._heard = 0  # acknowledgements that have been looked at
        self._cap = max(settings.segments // among, 1)
        self._shares = Shares(settings.budget, settings.shared, timetable.segments, among=among, warn=warn)
        for name in sorted(self._saved.keys() - timetable.segments):  # they were admitted by who was here before
            self._shares.admits(name)

    @property
    def segments(self) -> int:
        """Segments that are known."""
        return len(self._saved.keys() | self._segments.keys())

    @property
    def names(self) -> list[str]:
        """Segments of which anything is saved."""
        return sorted(self._saved)

    @property
    def dirty(self) -> int:
        """Segments that have changed since ``kept``."""
        return len(self._dirty)

    @property
    def judged(self) -> list[Watched]:
        """Segments that were judged since they were restored, as a watch has them."""
        return [
            Watched(one.name, judge=one.judge, state=one.state)
            for _, one in sorted(self._segments.items())
            if one.state is not None
        ]

    def apply(self, closed: Closed) -> list[Alert]:
        """Alerts of a closed tick of a segment; none where the segment's state reflects it already."""
        segment = self._segment(closed.segment)
        if segment is None:
            if closed.offset > self._counted:
                self.counts[BEYOND] += sum(pane.calls for pane in closed.panes)
                self.beyond.add(closed.segment)
            return []
        if closed.offset <= segment.position:
            return []
        self._dirty.add(segment.name)
        self._news.add(segment.name)
        due = self._timetable.at(segment.name, closed.tick)
        alerts = self._follow(segment, due, closed) if due and due.sequence != segment.sequence else []
        alerts += self._acknowledged(segment, closed)
        panes = self._seen(segment, closed.panes)
        if panes and segment.judge is None:
            alerts += self._fill(segment, panes)
        elif panes:
            alerts += self._judge(segment, self._opened.merge(panes))
        return alerts

    def news(self, limit: int) -> list[Overview]:
        """Overviews of at most so many segments of which something new is known since they were asked for."""
        heard = self._timetable.heard[self._heard :]
        self._heard += len(heard)
        self._news |= {one.segment for one in heard} & (self._segments.keys() | self._saved.keys())
        chosen = sorted(self._news)[:limit]
        self._news.difference_update(chosen)
        return [self._overview(name) for name in chosen]

    def look(self, name: str) -> Overview:
        """What is known of a segment now; one that was saved is restored first, to say all of it."""
        self._segment(name)
        return self._overview(name)

    def _overview(self, name: str) -> Overview:
        segment = self._segments.get(name)
        known = self._timetable.acknowledged(name)
        if segment is None:
            saved = msgspec.msgpack.decode(self._saved[name], type=_Shown)
            phase: Phase = "judged" if saved.baseline else "refused" if saved.refused else "filling"
            standing = tuple(_taken_note_of(one, known) for one in saved.standing)
            return Overview(name, phase, 0, 0, saved.baseline, 0, (), standing, saved.raised, {}, saved.refused)
        standing = tuple(_taken_note_of(one, known) for one in segment.standing.values())
        judge, state = segment.judge, segment.state
        if judge is None or state is None:
            phase = "refused" if segment.refused else "filling"
            return Overview(name, phase, 0, 0, "", 0, (), standing, dict(segment.raised), {}, segment.refused)
        return Overview(
            name,
            "judged",
            segment.until,
            state.calls,
            judge.baseline.id,
            judge.baseline.pane.end,
            kinds_now(judge, state),
            standing,
            dict(segment.raised),
            topic_shares(judge, state),
        )

    def kept(self, position: int) -> dict[str, bytes]:
        """Bytes of the segments that have changed, as of the message before this position."""
        made = {name: self._kept(self._segments[name], position - 1) for name in sorted(self._dirty)}
        self._saved |= made
        self._dirty.clear()
        return made

    def _segment(self, name: str) -> Segment | None:
        segment = self._segments.get(name)
        if segment is None:
            if name in self._saved:
                segment = self._read(name, msgspec.msgpack.decode(self._saved[name], type=Kept))
            elif name in self._timetable.segments:
                segment = Segment(name)
            elif self.segments >= self._cap or not self._shares.admits(name):
                return None
            else:
                segment = Segment(name)
            self._segments[name] = segment
        return segment

    def _read(self, name: str, kept: Kept) -> Segment:
        segment = Segment(name, kept.position, kept.sequence, refused=kept.refused)
        if kept.baseline:
            segment.origin = self._shelf.baseline(kept.origin) if kept.origin else None
            segment.judge = self._judge_of(segment, self._shelf.baseline(kept.baseline))
            segment.state = snapshot.decode(kept.state)
        elif kept.first:
            segment.first = First.of(self._settings.first, kept.first)
        segment.standing, segment.raised = {one.alert_id: one for one in kept.standing}, Counter(kept.raised)
        return segment

    def _kept(self, segment: Segment, position: int) -> bytes:
        segment.position = max(segment.position, position)
        kept = Kept(
            segment.position,
            segment.judge.baseline.id if segment.judge else "",
            segment.origin.id if segment.origin else "",
            segment.sequence,
            snapshot.encode(segment.state) if segment.state else b"",
            segment.first.held if segment.first else (),
            segment.refused,
            tuple(segment.standing.values()),
            dict(segment.raised),
        )
        return msgspec.msgpack.encode(kept)

    def _judge_of(self, segment: Segment, baseline: Baseline) -> Judge:
        settings = self._settings
        return Judge(
            baseline,
            self._shares.of([segment.name]),
            settings.all_tolerances,
            settings.clear_after,
            segment.origin,
            allowed_versions(settings.prompts.allowed, segment.name),
        )

    def _follow(self, segment: Segment, move: Announced, closed: Closed) -> list[Alert]:
        """Judge by the baseline that the tag names from this tick on; alarms against the one before end."""
        baseline = self._shelf.baseline(move.baseline)
        told = self._end_alarms(segment, move, closed)
        segment.sequence, segment.first, segment.refused = move.sequence, None, ""
        if segment.judge and segment.judge.baseline.id == baseline.id:
            return []
        segment.origin = self._shelf.origin(segment.name, baseline)
        segment.judge = self._judge_of(segment, baseline)
        segment.state = start(segment.judge)
        return told

    def _end_alarms(self, segment: Segment, move: Announced, closed: Closed) -> list[Alert]:
        if segment.first is not None:
            return self._end_provisional(segment, segment.first, move, closed)
        if segment.judge is None or segment.state is None or segment.judge.baseline.id == move.baseline:
            return []
        told, pane = [], self._opened.decode(closed.panes[0].pane)
        by = f" by {move.by}" if move.by else ""
        why = f" ({move.why})" if move.why else ""
        for latch in list(segment.state.latches.values()):
            segment.state, alarms = ended(segment.judge, segment.state, pane, latch.detector)
            for one in alarms:
                record = alert(segment.judge, segment.name, one, replay="")
                sentence = (
                    f"The alarm of {segment.name} ({record.detector}, since {moment(latch.since)}) ends: "
                    f"{move.segment}@{move.tag} was moved to baseline {move.baseline}{by}{why}."
                )
                told.append(msgspec.structs.replace(record, sentence=sentence))
        segment.standing.clear()
        return told

    def _end_provisional(self, segment: Segment, first: First, move: Announced, closed: Closed) -> list[Alert]:
        tolerances = self._settings.all_tolerances
        watching = segment.provisional or firsts.provisional(first, segment.name, tolerances)
        why = f"{move.segment}@{move.tag} names baseline {move.baseline} from here on"
        segment.provisional = None
        return [one for *_, one in watching.end(segment.name, closed.tick, self._settings.clock, why)]

    def _seen(self, segment: Segment, panes: Sequence[Sent]) -> list[Pane]:
        """The panes that were seen through the segment's lens; calls seen otherwise are counted."""
        wanted = segment.lens or self._shelf.default
        strange = [one for one in panes if one.lens != wanted]
        self.counts[UNKNOWN_LENS] += sum(one.calls for one in strange)
        for lens in {one.lens for one in strange} - segment.told:
            segment.told.add(lens)
            self._warn(
                f"{segment.name}: calls were seen through lens {lens}, its baseline through {wanted}: they are not "
                "judged; an observer has not heard of a tag's move yet, or measures by another embedder"
            )
        return [self._opened.decode(one.pane) for one in panes if one.lens == wanted]

    def _judge(self, segment: Segment, pane: Pane) -> list[Alert]:
        judge, state = segment.judge, segment.state
        assert judge is not None and state is not None
        self.counts["judged_calls"] += pane.n
        segment.state, alarms = verdict.judge(judge, state, pane, seen=self._seen_by(segment.name, judge))
        segment.until = pane.end
        told = []
        for one in alarms:
            told.append(record := alert(judge, segment.name, one, replay=""))
            if record.state == "firing":
                drift = drift_clause(judge, segment.name, one)
                segment.standing[record.alert_id] = Standing.of(record, one.since, drift)
                segment.raised[record.kind] += 1
            else:
                segment.standing.pop(record.alert_id, None)
        return told

    def _acknowledged(self, segment: Segment, closed: Closed) -> list[Alert]:
        """Records of alarms that somebody has taken notice of by this tick."""
        known, told = self._timetable.acknowledged(segment.name), []
        for name, one in segment.standing.items():
            ack = known.get(name)
            if ack is None or one.acknowledged or closed.tick < ack.effective:
                continue
            segment.standing[name] = msgspec.structs.replace(one, acknowledged=True)
            told.append(acknowledged(segment.name, one, ack))
        return told

    def _fill(self, segment: Segment, panes: Sequence[Pane]) -> list[Alert]:
        """Let the first calls become the baseline; until then the segment is watched against itself."""
        if segment.refused:
            self.counts[WITHOUT] += sum(pane.n for pane in panes)
            return []
        known, tolerances = segment.first or First(self._settings.first), self._settings.all_tolerances
        if segment.provisional is None:
            segment.provisional = firsts.provisional(known, segment.name, tolerances)
        tick = firsts.whole(panes)
        segment.first = known.add(tick)
        self.counts["first_calls"] += tick.n
        told = segment.provisional.tick(segment.name, tick, tolerances)
        if segment.first.full:
            self._freeze(segment, segment.first)
            why = FROZEN if segment.judge else REFUSED
            told += segment.provisional.end(segment.name, tick.end, self._settings.clock, why)
            segment.provisional = None
        return [one for *_, one in told]

    def _freeze(self, segment: Segment, first: First) -> None:
        segment.first = None
        try:
            lens, scores = self._shelf.lens(self._shelf.default), Declared(scores=self._settings.scores)
            made = firsts.build(first, lens, declared=scores, texts=self._settings.texts, kept=self._shelf.calibrations)
        except BaselineRefusedError as refused:
            segment.refused = str(refused)
            self._warn(f"{segment.name}: {refused}")
            return
        self._shelf.put(made)
        self._warn(f"{segment.name}: the first {made.pane.n:,} calls are the baseline ({made.id})")
        for warning in made.facts.get("warnings", ()):
            self._warn(f"{segment.name}: {warning}")
        segment.origin = self._shelf.origin(segment.name, made)
        segment.judge = self._judge_of(segment, made)
        segment.state = start(segment.judge)


def _taken_note_of(one: Standing, known: Mapping[str, Acknowledgement]) -> Standing:
    """The same, acknowledged where that is known, be it on record yet or not."""
    return msgspec.structs.replace(one, acknowledged=True) if one.alert_id in known else one
