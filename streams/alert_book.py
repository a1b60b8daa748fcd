"""Alarms at a glance: the records of the newest ones by their state, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

import msgspec

from streams.measure import segment_name
from streams.moves import Acknowledgement, Timetable

State = Literal["firing", "acknowledged", "resolved"]

STATES: tuple[State, ...] = get_args(State)
ALARMS = 1000
SIZE = 64 * 2**20
LONGEST = 4 * 2**20
"""Bytes of a record beyond which it is passed over; with texts of calls of some hundred characters it has 20,000."""

_HEAD = 10_000
"""Bytes that what is held beside a record may take."""
_SENTENCE = 1000
_Short = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Name = Annotated[str, msgspec.Meta(max_length=500)]
_Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$", max_length=30)]


class Of(msgspec.Struct, frozen=True, omit_defaults=True):
    """The segment of an alarm."""

    app: _Name = ""
    prompt_name: _Name = ""
    variant: _Name = ""


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is read of a record at once; the rest is read by whoever shows it."""

    alert_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-zA-Z_-]{1,100}$")]
    state: State
    segment: Of
    kind: _Short
    detector: _Short
    sentence: str
    raised_at: _Instant
    since: _Instant
    resolved_at: _Instant | Literal[""] = ""
    provisional: bool = False
    level: _Name = ""


@dataclass(slots=True)
class Kept:
    """An alarm.

    Attributes
    ----------
    heads, records
        By state, what was read of its records, and their bytes.
    noticed
        That somebody acknowledged it, be it among the records yet or not.
    """

    heads: dict[State, Head] = field(default_factory=dict)
    records: dict[State, bytes] = field(default_factory=dict)
    noticed: Acknowledgement | None = None

    @property
    def state(self) -> State:
        """How it is now: an alarm that ended neither begins again nor needs to be taken notice of."""
        if self.noticed is not None and self.standing:
            return "acknowledged"
        return next(state for state in reversed(STATES) if state in self.heads)

    @property
    def standing(self) -> bool:
        """Whether it has not ended."""
        return "resolved" not in self.heads

    @property
    def head(self) -> Head:
        """Of its earliest record, which has the evidence unless that has gone from the topic."""
        return next(self.heads[state] for state in STATES if state in self.heads)

    @property
    def alert_id(self) -> str:
        """Its id."""
        return self.head.alert_id

    @property
    def segment(self) -> str:
        """The segment that it is of."""
        of = self.head.segment
        return segment_name(of.app, of.prompt_name, of.variant, pooled=bool(self.head.level))

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return sum(map(len, self.records.values())) + _HEAD * len(self.records)

    @property
    def order(self) -> tuple[str, str]:
        """Alarms by the time at which they were raised."""
        raised = min(head.raised_at for head in self.heads.values())
        return raised, self.head.alert_id


class AlertBook:
    """Alarms by id, at most so many; where there are more, the oldest that ended are dropped, standing ones last.

    Parameters
    ----------
    timetable
        What is known of acknowledgements.
    alarms, size
        How many are kept at most, and how many bytes of memory they may take.
    longest
        Bytes of a record beyond which it is passed over.

    Attributes
    ----------
    counts
        Records that were passed over: ``unreadable`` and ``too_long``; and alarms ``dropped``.
    waiting
        What whoever fills the book waits for, in words; empty once every record has been seen.
    """

    def __init__(
        self,
        timetable: Timetable | None = None,
        *,
        alarms: int = ALARMS,
        size: int = SIZE,
        longest: int = LONGEST,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.waiting = ""
        self._timetable = timetable or Timetable("")
        self._alarms, self._size, self._longest = alarms, size, longest
        self._kept: dict[str, Kept] = {}
        self._ended: list[tuple[str, str]] = []
        self._standing: list[tuple[str, str]] = []
        self._taken = 0
        self._dropped: dict[str, None] = {}  # ended alarms, the newest last: their records may come again

    def add(self, data: bytes) -> None:
        """Learn of a record, in any order; of two of a state that differ, one is kept, whichever comes first."""
        if len(data) > self._longest:
            self.counts["too_long"] += 1
            return
        try:
            data.decode()  # what is not read is passed on, and must be text as well
            head = msgspec.json.decode(data, type=Head)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.counts["unreadable"] += 1
            return
        if head.alert_id in self._dropped:
            return
        kept = self._take(head.alert_id) or Kept()
        if data >= kept.records.get(head.state, b""):
            kept.records[head.state] = data
            kept.heads[head.state] = msgspec.structs.replace(head, sentence=head.sentence[:_SENTENCE])
        self._put(head.alert_id, kept)
        while len(self._kept) > self._alarms or self._taken > self._size:
            self._drop()

    def get(self, alert_id: str) -> Kept | None:
        """The alarm of this id, None where it is not known, or no more."""
        return self._now(self._kept[alert_id]) if alert_id in self._kept else None

    def alarms(self, *, app: str = "", kind: str = "", state: str = "") -> list[Kept]:
        """Alarms of an app, a kind and a state, ``standing`` among them, the newest first; empty stands for any."""
        order = sorted(self._ended + self._standing, reverse=True)
        return [
            kept
            for kept in (self._now(self._kept[alert_id]) for _, alert_id in order)
            if app in ("", kept.head.segment.app)
            and kind in ("", kept.head.kind)
            and state in ("", kept.state, "standing" if kept.standing else "")
        ]

    def _now(self, kept: Kept) -> Kept:
        kept.noticed = self._timetable.acknowledged(kept.segment).get(kept.alert_id)
        return kept

    def _put(self, alert_id: str, kept: Kept) -> None:
        self._kept[alert_id] = kept
        self._taken += kept.size
        insort(self._list(kept), kept.order)

    def _take(self, alert_id: str) -> Kept | None:
        kept = self._kept.pop(alert_id, None)
        if kept is not None:
            self._taken -= kept.size
            among = self._list(kept)
            del among[bisect_left(among, kept.order)]
        return kept

    def _list(self, kept: Kept) -> list[tuple[str, str]]:
        return self._standing if kept.standing else self._ended

    def _drop(self) -> None:
        _, alert_id = (self._ended or self._standing)[0]
        kept = self._take(alert_id)
        self.counts["dropped"] += 1
        if kept is not None and not kept.standing:
            self._dropped[alert_id] = None
            if len(self._dropped) > 10 * self._alarms:
                del self._dropped[next(iter(self._dropped))]
