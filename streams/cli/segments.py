"""Records of a source as the calls of its segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drift.errors import BaselineRefusedError, SourceError
from streams.building import first_ticks, in_order
from streams.measure import segment_of
from streams.observe import Clock
from streams.records import Record

Groups = dict[str, list[Record]]


def grouped(records: Iterable[Record], start: int | None, end: int | None) -> Groups:
    """Records by segment, those from ``start`` until before ``end``, each segment's in order of event time."""
    groups: Groups = {}
    for record in records:
        if (start is None or record.event_time >= start) and (end is None or record.event_time < end):
            groups.setdefault(segment_of(record), []).append(record)
    return {name: in_order(group) for name, group in groups.items()}


def first_calls(records: Sequence[Record], wanted: int, clock: Clock) -> Sequence[Record]:
    """Records of the first whole ticks that reach this many calls.

    Raises
    ------
    BaselineRefusedError
        There are fewer calls.
    """
    end = first_ticks(records, wanted, clock)
    if end is None:
        raise BaselineRefusedError(
            f"segment {segment_of(records[0])}: --first {wanted} calls, but there are {len(records)}: ask for fewer"
        )
    return [record for record in records if record.event_time < end]


def chosen(groups: Groups, segments: Sequence[str], source: str) -> Groups:
    """The groups that were asked for, or all by name.

    Raises
    ------
    SourceError
        There is none, or one that was asked for is missing.
    """
    if not groups:
        raise SourceError(f"{source} has no calls between --from and --to: give a wider range")
    if missing := [name for name in segments if name not in groups]:
        known = ", ".join(sorted(groups)[:20])
        raise SourceError(f"{source} has no segment {', '.join(missing)} in that range; it has {known}")
    return {name: groups[name] for name in (segments or sorted(groups))}
