"""Records of a source as the calls of its segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from drift.errors import BaselineRefusedError, SourceError
from streams.measure import segment_of
from streams.observe import Clock
from streams.records import Record

Groups = dict[str, list[Record]]
Step = Callable[[str, float], None]


def grouped(records: Iterable[Record], start: int | None, end: int | None) -> Groups:
    """Records by segment, those from ``start`` until before ``end``, each segment's in order of event time."""
    groups: Groups = {}
    for record in records:
        if (start is None or record.event_time >= start) and (end is None or record.event_time < end):
            groups.setdefault(segment_of(record), []).append(record)
    for group in groups.values():
        group.sort(key=lambda record: (record.event_time, record.call_id, record.content))
    return groups


def first_ticks(records: Sequence[Record], wanted: int, clock: Clock) -> Sequence[Record]:
    """Records of the first whole ticks that reach this many calls.

    Raises
    ------
    BaselineRefusedError
        There are fewer calls.
    """
    if len(records) < wanted:
        raise BaselineRefusedError(
            f"segment {segment_of(records[0])}: --first {wanted} calls, but there are {len(records)}: ask for fewer"
        )
    end = clock.tick(records[wanted - 1].event_time) + clock.tick_ms
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


@contextmanager
def bars(out: Console, segment: str) -> Iterator[Step]:
    """A function to be told of each step and the share of it that is done: drawn on a terminal, nothing elsewhere."""
    if not out.is_terminal:
        yield lambda what, done: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(segment, total=1.0)
        yield lambda what, done: progress.update(task, description=f"{segment}: {what}", completed=done)
