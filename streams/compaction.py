"""Old panes of an archive summed up: first those of a tick's source partitions, exactly, then ticks to larger ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from drift import pane as panes
from drift.baseline import REFERENCE
from drift.errors import SettingsError
from streams.archive import BUFFER_BYTES, Archive, Part, distinct
from streams.archive_rows import Row

HOUR_MS = 3_600_000

LARGER_SAMPLE = 256
"""Rows that a larger tick keeps: a day of hourly ones is enough for a baseline."""


@dataclass(slots=True)
class Compacted:
    """What a compaction has done: rows and bytes of panes before and after, of the days that it touched."""

    days: int = 0
    rows: int = 0
    kept: int = 0
    bytes: int = 0
    kept_bytes: int = 0


def check_length(into_ms: int) -> None:
    """See that larger ticks of this length never cross an hour.

    Raises
    ------
    SettingsError
        They would.
    """
    if not 0 < into_ms <= HOUR_MS or HOUR_MS % into_ms:
        raise SettingsError(f"--into must divide an hour evenly, such as 5m, 15m or 1h, got {into_ms / 1000:g} s")


def compact(
    archive: Archive,
    before: int,
    into_ms: int | None = None,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> Compacted:
    """Sum up ticks that ended before an event time, and join the files of a day to one.

    Parameters
    ----------
    into_ms
        Length of larger ticks; None: only the source partitions of each tick are merged, which changes no verdict.

    Raises
    ------
    SettingsError
        The length does not divide an hour.
    BrokenOffError
        A file is cut off or damaged; days before it are compacted, of the others nothing is changed.
    """
    if into_ms is not None:
        check_length(into_ms)
    archive.clear()
    done, days = Compacted(), archive.days(None, before)
    for number, (day, parts) in enumerate(days):
        for lens in sorted({part.lens for part in parts}):
            _day(archive, lens, day, [part for part in parts if part.lens == lens], before, into_ms, done)
        progress((number + 1) / len(days))
    return done


def _day(
    archive: Archive, lens: str, day: str, parts: list[Part], before: int, into_ms: int | None, done: Compacted
) -> None:
    """Compact a day of a lens, unless that would change nothing."""
    if not any(_mergeable(group) for group in _groups(archive, parts, before, into_ms)) and not _scattered(parts):
        return
    counted = Compacted()

    def summed() -> Iterator[Row]:
        for group in _groups(archive, parts, before, into_ms):
            rows = _summed(group)
            counted.rows += len(group.rows)
            counted.bytes += sum(len(row.pane) for row in group.rows)
            counted.kept += len(rows)
            counted.kept_bytes += sum(len(row.pane) for row in rows)
            yield from rows

    archive.replace(_files(lens, day, summed()), parts)
    done.days += 1
    for name in ("rows", "kept", "bytes", "kept_bytes"):
        setattr(done, name, getattr(done, name) + getattr(counted, name))


def _scattered(parts: Sequence[Part]) -> bool:
    """Whether there are several files of one resolution."""
    return len(parts) > len({part.resolution_s for part in parts})


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that become one, with the span of that; those that stay as they are have none."""

    rows: list[Row]
    span: tuple[int, int] | None


def _groups(archive: Archive, parts: Iterable[Part], before: int, into_ms: int | None) -> Iterator[_Group]:
    def place(row: Row) -> tuple[str, int, int]:
        if into_ms is not None and into_ms > row.end - row.tick:
            start = row.tick - row.tick % into_ms
            if row.end <= start + into_ms <= before:
                return row.segment, start, start + into_ms
        return row.segment, row.tick, row.end

    # a row of a tick that stays may stand between those of a larger one, never more than an hour of them
    for (_, start, end), found in _together(archive.rows(parts), place):
        rows = [one for _, tick in groupby(found, lambda row: row.order[:3]) for one in distinct(tick)]
        yield _Group(rows, (start, end) if end <= before else None)


def _together(
    rows: Iterable[Row], place: Callable[[Row], tuple[str, int, int]]
) -> Iterator[tuple[tuple[str, int, int], list[Row]]]:
    """Rows of equal places, which lie near each other, in order of the first of each."""
    held: dict[tuple[str, int, int], list[Row]] = {}
    for row in rows:
        for one in [one for one in held if one[0] != row.segment or one[2] <= row.tick]:
            yield one, held.pop(one)
        held.setdefault(place(row), []).append(row)
    yield from held.items()


def _mergeable(group: _Group) -> bool:
    return group.span is not None and (len(group.rows) > 1 or (group.rows[0].tick, group.rows[0].end) != group.span)


def _summed(group: _Group) -> list[Row]:
    if not _mergeable(group) or group.span is None:
        return group.rows
    rows = group.rows
    larger = any((row.tick, row.end) != group.span for row in rows)
    pane = panes.merge([panes.decode(row.pane) for row in rows], size=LARGER_SAMPLE if larger else REFERENCE)
    pane = replace(pane, tick=group.span[0], end=group.span[1])
    sources = tuple(sorted({source for row in rows for source in row.sources}))
    last, shortest = max(rows, key=lambda row: row.offset), min(row.tick_ms for row in rows)
    data = panes.encode(pane)
    return [Row.of_pane(pane, data, shortest, sources, last.partition, last.offset)]


def _files(lens: str, day: str, rows: Iterable[Row]) -> Iterator[tuple[str, str, float, Sequence[Row]]]:
    """Rows by the lengths of their ticks, in files of a bounded size."""
    held: dict[float, list[Row]] = {}
    sizes: dict[float, int] = {}
    for row in rows:
        length = (row.end - row.tick) / 1000
        held.setdefault(length, []).append(row)
        sizes[length] = sizes.get(length, 0) + len(row.pane)
        if sizes[length] >= BUFFER_BYTES:
            yield lens, day, length, sorted(held.pop(length), key=lambda row: row.order)
            del sizes[length]
    for length, found in held.items():
        yield lens, day, length, sorted(found, key=lambda row: row.order)
