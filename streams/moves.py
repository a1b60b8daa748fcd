"""What people decide and every worker learns of: moves of tags, alarms acknowledged, and what holds for a tick."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from drift.errors import CorruptError


class Announced(msgspec.Struct, frozen=True, tag_field="record", tag="move"):
    """From a tick on, ``SEGMENT@TAG`` names a baseline.

    Attributes
    ----------
    sequence
        Counts the moves of the tag, from 1.
    baseline, lens
        Ids: the baseline that is named, and the lens that it is seen through.
    effective
        Event time in milliseconds since 1970: the first tick that it holds for is the first to start then or later.
    moved_at
        When the tag was moved, RFC 3339.
    by, why
        Who moved it, and the reason given.
    previous
        The baseline that the tag named before, empty if none.
    """

    segment: str
    tag: str
    sequence: int
    baseline: str
    lens: str
    effective: int
    moved_at: str
    by: str = ""
    why: str = ""
    previous: str = ""

    @property
    def name(self) -> str:
        """What tells it from all other moves: ``SEGMENT@TAG#SEQUENCE``."""
        return f"{self.segment}@{self.tag}#{self.sequence}"


class Acknowledgement(msgspec.Struct, frozen=True, tag_field="record", tag="acknowledgement"):
    """Somebody has taken notice of an alarm, which stands but need not be told of any more.

    Attributes
    ----------
    effective
        Event time in milliseconds since 1970: it is on record from the first tick on that starts then or later.
    acknowledged_at
        When, RFC 3339.
    by, why
        Who, and the reason given.
    """

    alert_id: str
    segment: str
    effective: int
    acknowledged_at: str
    by: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        """What tells it from all others; of several of one alarm the earliest counts, so that all are kept."""
        return f"acknowledged#{self.alert_id}#{self.acknowledged_at}"


Decision = Announced | Acknowledgement

_decoder: msgspec.json.Decoder[Decision] = msgspec.json.Decoder(Decision)


def encode(decision: Decision) -> bytes:
    """A decision on the wire."""
    return msgspec.json.encode(decision)


def decode(data: bytes) -> Decision:
    """A decision from the wire.

    Raises
    ------
    CorruptError
        It is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptError(f"neither a move of a tag nor an acknowledgement: {error}") from error


class Timetable:
    """Which baseline a tag names for each segment and tick, and which alarms are acknowledged, as far as is known.

    Parameters
    ----------
    tag
        The tag that is followed; moves of others are passed over.

    Attributes
    ----------
    heard
        The first acknowledgement of each alarm, in the order in which they were heard of.

    Examples
    --------
    >>> table = Timetable("prod")
    >>> table.add(Announced("bot/answer", "prod", 1, "0f54", "a1b2", 0, "2026-01-05T10:00:00Z"))
    >>> table.add(Announced("bot/answer", "prod", 2, "77aa", "a1b2", 60_000, "2026-01-05T11:00:00Z"))
    >>> [move.baseline for tick in (50_000, 60_000) if (move := table.at("bot/answer", tick))]
    ['0f54', '77aa']
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._moves: dict[str, dict[int, Announced]] = {}
        self._acknowledged: dict[str, dict[str, Acknowledgement]] = {}
        self.heard: list[Acknowledgement] = []

    @property
    def segments(self) -> Collection[str]:
        """Segments that the tag was ever set for."""
        return self._moves.keys()

    def add(self, move: Announced) -> None:
        """Learn of a move, in any order and as often as it comes.

        Of two that claim to be the same one but differ, the one of the later tick counts, whichever comes first.
        """
        if move.tag != self.tag:
            return
        known = self._moves.setdefault(move.segment, {})
        known[move.sequence] = max(move, known.get(move.sequence, move), key=_rank)

    def acknowledge(self, one: Acknowledgement) -> None:
        """Learn of an acknowledgement; the first one that is known of an alarm counts, whichever comes first."""
        known = self._acknowledged.setdefault(one.segment, {})
        if one.alert_id not in known:
            self.heard.append(one)
        known[one.alert_id] = min(one, known.get(one.alert_id, one), key=_rank)

    def learn(self, decision: Decision) -> None:
        """Learn of a decision of either sort."""
        if isinstance(decision, Announced):
            self.add(decision)
        else:
            self.acknowledge(decision)

    def acknowledged(self, segment: str) -> Mapping[str, Acknowledgement]:
        """Acknowledgements of a segment's alarms, by alert id."""
        return self._acknowledged.get(segment, {})

    def moves(self, segment: str) -> list[Announced]:
        """Moves of a segment, oldest first."""
        return [move for _, move in sorted(self._moves.get(segment, {}).items())]

    def at(self, segment: str, tick: int) -> Announced | None:
        """The move that holds for a tick: the youngest of those that are effective by its start.

        Parameters
        ----------
        tick
            Start of the tick, milliseconds since 1970.

        Returns
        -------
        Announced | None
            None where the tag is not set yet.
        """
        holding = [move for move in self._moves.get(segment, {}).values() if move.effective <= tick]
        return max(holding, key=lambda move: move.sequence, default=None)


def _rank(move: Decision) -> tuple[int, bytes]:
    return move.effective, encode(move)
