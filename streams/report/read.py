"""A verdict file, or alert records as JSON lines, to what a report tells."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from drift.errors import BrokenOffError, CorruptError
from streams import sources
from streams.http import evidence
from streams.http.evidence import Record
from streams.measure import segment_name
from streams.verdict_columns import (
    FORMAT,
    BaselineCard,
    Begin,
    End,
    Mark,
    Row,
    Score,
    Stretch,
    Summary,
    Told,
)

NAME = 100
"""Characters of a kind or an id at most: a record with longer ones is none of ours."""

LONGEST = 64 << 20
"""Bytes of a row: one with a long text is read, and its text clipped."""


@dataclass(slots=True)
class Course:
    """A detector, block after block: event time, statistic, threshold, and whether an alarm stood (one a block)."""

    kind: str
    at: array[int] = field(default_factory=lambda: array("q"))
    statistic: array[float] = field(default_factory=lambda: array("d"))
    threshold: array[float] = field(default_factory=lambda: array("d"))
    standing: array[int] = field(default_factory=lambda: array("b"))


@dataclass(slots=True)
class Segment:
    """All that was told of a segment; without rows of blocks only its alarms."""

    name: str
    baselines: list[BaselineCard] = field(default_factory=list)
    courses: dict[str, Course] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    alerts: list[Record] = field(default_factory=list)
    summary: Summary | None = None
    start: int = 0
    end: int = 0
    calls: int = 0

    @property
    def baseline(self) -> BaselineCard | None:
        """What it was compared with last."""
        return self.baselines[-1] if self.baselines else None


@dataclass(slots=True)
class Account:
    """A file, read.

    Attributes
    ----------
    source
        Its name.
    rows
        Whether it holds rows of blocks, and not alerts alone.
    strange
        Alert records that are not as documented.
    """

    source: str
    rows: bool = True
    release: str = ""
    command: str = ""
    cut_off: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    strange: int = 0

    def segment(self, name: str) -> Segment:
        """The segment of this name, new if it was not told of yet."""
        found = self.segments.get(name)
        if found is None:
            found = self.segments[name] = Segment(name)
        return found


class _Kind(msgspec.Struct):
    """Which kind of line it is."""

    row: str = ""
    alert_id: str = ""
    format: int = 0
    release: str = ""


_kind = msgspec.json.Decoder(_Kind)
_row: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Row)


def read(path: str) -> Account:
    """What a file tells.

    Raises
    ------
    SourceError
        It cannot be read.
    CorruptError
        It is empty, cut off, of another release, or neither a verdict file nor alert records.
    """
    try:
        return _read(path)
    except BrokenOffError as error:  # nothing is being judged: there is no half of it to be had
        raise CorruptError(str(error)) from error


def _read(path: str) -> Account:
    lines = sources.lines(path, max_line=LONGEST)
    first = next(lines, None)
    if first is None:
        raise CorruptError(f"{path} is empty: write it with --verdicts, or alert records with --json")
    try:
        head = _kind.decode(first.data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CorruptError(f"{_neither(path)}: its first line is no such JSON ({error})") from error
    if head.row == "file":
        if head.format != FORMAT:
            raise CorruptError(
                f"{path} is of format {head.format} (written by Driftline {head.release or 'of an unknown release'}), "
                f"this release reads format {FORMAT}: report it with the release that wrote it, or judge again"
            )
        return _verdicts(path, first, lines)
    if head.alert_id:
        return _alerts(path, first, lines)
    raise CorruptError(f"{_neither(path)}: its first line is {'a ' + head.row + ' row' if head.row else 'no such row'}")


def _neither(path: str) -> str:
    return f"{path} is neither a verdict file (--verdicts) nor alert records (--json)"


def _verdicts(path: str, first: sources.Line, lines: Iterator[sources.Line]) -> Account:
    told, end, rows = Account(path), None, 1
    begin = _decoded(path, first)
    if isinstance(begin, Begin):
        told.release, told.command = begin.release, begin.command
    for line in lines:
        if end is not None:
            raise CorruptError(f"{path}: line {line.number} comes after its end: are these two files in one?")
        row = _decoded(path, line)
        rows += 1
        if isinstance(row, End):
            end = row
        else:
            _take(told, row)
    if end is None:
        raise CorruptError(f"{path} is cut off: after {rows:,} rows its end is missing; write or fetch it again")
    if end.rows != rows - 1:
        raise CorruptError(f"{path} is damaged: {rows - 1:,} rows of {end.rows:,}; write or fetch it again")
    told.cut_off, told.counts = end.cut_off, end.counts
    return told


def _decoded(path: str, line: sources.Line) -> Row:
    try:
        return _row.decode(line.data)
    except (msgspec.MsgspecError, RecursionError) as error:
        why = f"{path}: line {line.number} is no row of a verdict file ({error})"
        raise CorruptError(f"{why}: it is cut off or damaged; write or fetch it again") from error


def _take(told: Account, row: Row) -> None:
    if isinstance(row, Told):
        _alert(told, bytes(row.alert))
        return
    if isinstance(row, Begin | End):
        raise CorruptError(f"{told.source} begins twice: are these two files in one?")
    segment = told.segment(row.segment)
    if isinstance(row, Score):
        course = segment.courses.get(row.detector)
        if course is None:
            course = segment.courses[row.detector] = Course(row.kind)
        course.at.append(row.at)
        course.statistic.append(row.statistic)
        course.threshold.append(row.threshold)
        course.standing.append(row.standing)
        segment.calls = row.calls
        segment.start, segment.end = segment.start or row.start, row.at
    elif isinstance(row, Stretch):
        segment.stretches.append(row)
    elif isinstance(row, Mark):
        segment.marks.append(row)
    elif isinstance(row, BaselineCard):
        segment.baselines.append(row)
    elif isinstance(row, Summary):
        segment.summary = row


def _alerts(path: str, first: sources.Line, lines: Iterator[sources.Line]) -> Account:
    told = Account(path, rows=False)
    _alert(told, first.data)
    for line in lines:
        try:
            known = bool(_kind.decode(line.data).alert_id)
        except (msgspec.MsgspecError, RecursionError) as error:
            why = f"{path}: line {line.number} is no alert record ({error})"
            raise CorruptError(f"{why}: it is cut off or damaged; write or fetch it again") from error
        if not known:
            raise CorruptError(f"{path}: line {line.number} is no alert record, though those before it are")
        _alert(told, line.data)
    if not told.segments:
        raise CorruptError(f"{path}: none of its records is an alert as this release writes it")
    return told


def _alert(told: Account, data: bytes) -> None:
    found = evidence.read(data)
    if found is None or max(len(found.kind), len(found.alert_id)) > NAME:
        told.strange += 1
        return
    of = found.segment
    pool = bool(found.level) and of.prompt_name == "*"
    name = segment_name(of.app, "" if pool else of.prompt_name, of.variant, pooled=pool)
    told.segment(name).alerts.append(found)
