"""Closed ticks in Parquet files at any address of fsspec, to be replayed, and read by other programs.

::

    archive.json                                   what it is, and how far each topic was exported
    panes/{lens}/{day}/{resolution}s-{content}.parquet
    measures/{embedder}/{day}/{content}.parquet    by choice: see `streams.measures`
    pending/                                       files of a compaction that is under way

A file is written whole under its name, never changed, and named by its content. Of several panes of one name
(segment, tick, source partition) the first stays. A compaction, which replaces files, writes the new ones aside and
then what is to be done in ``pending/todo.json``: whoever opens the archive next does the rest, had it been interrupted.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import xxhash

from drift.errors import CorruptError, SettingsError, SourceError
from streams.archive_rows import COLUMNS, Row, from_table, schema, to_table
from streams.arrow import File, to_bytes
from streams.folder import Folder
from streams.ledger import Closed, Place

FORMAT = 1
ABOUT = "archive.json"
_TODO = "pending/todo.json"

BUFFER_BYTES = 128 << 20
"""Bytes of panes that are held before they are written."""

_FILE = re.compile(r"panes/([0-9a-f]+)/(\d{4}-\d\d-\d\d)/([0-9.e+]+)s-[0-9a-f]+\.parquet")


class About(msgspec.Struct, frozen=True):
    """What an archive says of itself; ``exports`` tells by topic and partition where the export reads on."""

    archive: int = FORMAT
    exports: dict[str, dict[str, Place]] = {}


class _Todo(msgspec.Struct, frozen=True):
    """Files to be put in place, by what they are called until then, and files to be taken away."""

    add: dict[str, str]
    remove: tuple[str, ...]


class Part(msgspec.Struct, frozen=True):
    """A file of panes; ``resolution_s`` is the length of its rows' ticks."""

    name: str
    lens: str
    day: str
    resolution_s: float


class Added(NamedTuple):
    """Rows that were added, with their calls and the bytes of their panes, and rows that were there already."""

    added: int = 0
    known: int = 0
    calls: int = 0
    bytes: int = 0

    def plus(self, other: Added) -> Added:
        """Both together."""
        return Added(*(a + b for a, b in zip(self, other, strict=True)))


class Archive:
    """An archive at an address.

    Parameters
    ----------
    address
        A folder or what fsspec knows, such as ``s3://bucket/archive``.
    create
        Whether to begin one where there is nothing.

    Raises
    ------
    SourceError
        There is no archive, or it cannot be reached.
    CorruptError
        It is of a format that this release does not read.
    """

    def __init__(self, address: str, *, create: bool = False) -> None:
        self.address, self.folder = address, Folder(address)
        self.about = self._open(create)
        self._settle()

    def _open(self, create: bool) -> About:
        if not self.folder.exists() or not self.folder.has(ABOUT):
            if self.folder.exists() and self.folder.names(""):
                raise SourceError(f"{self.address} is no archive: it holds other files; name one, or an empty folder")
            if not create:
                raise SourceError(
                    f"there is no archive at {self.address}: check the address, or make one: "
                    "driftline archive export ADDRESS"
                )
            return About()  # it is begun by what is kept first
        try:
            about = msgspec.json.decode(self.folder.read(ABOUT), type=About)
        except msgspec.MsgspecError as error:
            raise CorruptError(f"{self.folder.path(ABOUT)} is damaged ({error}): remove it and export again") from error
        if about.archive != FORMAT:
            raise CorruptError(
                f"{self.address} is an archive of format {about.archive}, this release reads format {FORMAT}: use the "
                "release that wrote it"
            )
        return about

    def parts(self, start: int | None = None, end: int | None = None, lens: str = "") -> list[Part]:
        """Files that may hold panes of ticks from ``start`` until before ``end``."""
        low, high = day_of(start) if start is not None else "", day_of(end - 1) if end is not None else "9999-99-99"
        found = map(_FILE.fullmatch, self.folder.names("panes") if self.folder.exists() else ())
        made = [Part(one[0], one[1], one[2], float(one[3])) for one in found if one]
        return [one for one in made if low <= one.day <= high and lens in ("", one.lens)]

    def rows(
        self, parts: Iterable[Part], segments: Collection[str] = (), start: int | None = None, end: int | None = None
    ) -> Iterator[Row]:
        """Rows of files of one day, by segment and time; memory holds a row group of each.

        Raises
        ------
        BrokenOffError
            A file is cut off or damaged.
        """
        wanted = frozenset(segments)
        each = [self._rows(part.name, wanted, start, end) for part in parts]
        return heapq.merge(*each, key=lambda row: row.order)

    def _rows(self, name: str, segments: frozenset[str], start: int | None, end: int | None) -> Iterator[Row]:
        with File(self.folder, name, schema()) as file:

            def may_hold(group: int) -> bool:
                known = file.bounds(group, "segment")
                return not (segments and known) or any(known[0] <= one <= known[1] for one in segments)

            for table in file.tables([*COLUMNS, "tick_s"], may_hold):
                for row in from_table(table):
                    inside = (start is None or row.tick >= start) and (end is None or row.tick < end)
                    if inside and (not segments or row.segment in segments):
                        yield row

    def days(self, start: int | None = None, end: int | None = None, lens: str = "") -> list[tuple[str, list[Part]]]:
        """Files by day, in order of time."""
        by_day: dict[str, list[Part]] = defaultdict(list)
        for part in self.parts(start, end, lens):
            by_day[part.day].append(part)
        return sorted(by_day.items())

    def ticks(
        self, segments: Collection[str] = (), start: int | None = None, end: int | None = None
    ) -> Iterator[list[Row]]:
        """Rows of each tick of a segment, of a segment in order of time; a pane that came twice comes once."""
        for _, parts in self.days(start, end):
            for _, found in groupby(self.rows(parts, segments, start, end), lambda row: row.order[:3]):
                yield distinct(found)

    def closed(
        self,
        *,
        segments: Collection[str] = (),
        start: int | None = None,
        end: int | None = None,
        mixed: bool = False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Iterator[Closed]:
        """Closed ticks, of a segment in order of time; offsets number them in the order in which they are read.

        Parameters
        ----------
        segments
            Only these; none: all of them.
        start, end
            Ticks that start at or after ``start`` and before ``end``, event time in milliseconds since 1970.
        mixed
            Whether ticks of several lengths may come, and such as were summed up: a verdict on those is not the live
            one's, and whoever asks for it must say so.
        progress
            Told the share of the days that were read.

        Raises
        ------
        SettingsError
            The range is reversed, or holds nothing, or holds ticks of several lengths and they were not asked for.
        BrokenOffError
            A file is cut off or damaged.
        """
        days = [day for day, _ in self.days(start, end)]
        self.require(segments, start, end, mixed=mixed)
        number = -1
        for number, rows in enumerate(self.ticks(segments, start, end)):
            row = rows[0]
            yield Closed(row.tick, row.segment, [one.sent() for one in rows], number)
            progress(days.index(day_of(row.tick)) / len(days))
        if number < 0:
            raise SettingsError(self._nothing(segments, start, end))

    def require(
        self, segments: Collection[str] = (), start: int | None = None, end: int | None = None, *, mixed: bool = False
    ) -> set[tuple[float, float]]:
        """Lengths of the ticks of a range in seconds: of its rows, and of the ticks that those were made of.

        Raises
        ------
        SettingsError
            See ``closed``.
        """
        if start is not None and end is not None and start >= end:
            raise SettingsError(f"the range ends at {told(end)}, before it begins at {told(start)}: turn them round")
        found, wanted = set[tuple[float, float]](), frozenset(segments)
        columns = ("segment", "tick", "resolution_s", "tick_s")
        for part in self.parts(start, end):
            with File(self.folder, part.name, schema()) as file:
                for table in file.tables(columns):
                    found |= {
                        (resolution, tick)
                        for segment, at, resolution, tick in columns_of(table, columns)
                        if (not wanted or segment in wanted)
                        and (start is None or at >= start)
                        and (end is None or at < end)
                    }
        if not found:
            raise SettingsError(self._nothing(segments, start, end))
        if not mixed and (len(found) > 1 or any(resolution != tick for resolution, tick in found)):
            lengths = ", ".join(f"{resolution:g} s" for resolution, _ in sorted(found))
            raise SettingsError(
                f"{self.address} holds ticks of {lengths} there, some of them summed up since: their verdicts are not "
                "those that the live service gave; choose a range of one length by --from and --to ('driftline archive "
                "show' tells which), or ask for it nevertheless"
            )
        return found

    def _nothing(self, segments: Collection[str], start: int | None, end: int | None) -> str:
        low, high, known = None, None, set[str]()
        for one in self.contents():
            known.add(one.segment)
            if not segments or one.segment in segments:
                low, high = min(low or one.start, one.start), max(high or one.end, one.end)
        asked = f" of {', '.join(sorted(segments))}" if segments else ""
        if low is None or high is None:
            there = f"it holds {', '.join(sorted(known)[:5]) or 'none at all'}"
            if not known and self.folder.names("measures"):
                there = "it holds measures of calls: driftline replay --observe"
        else:
            there = f"they reach from {told(low)} to {told(high)}"
        between = "" if start is None and end is None else " between --from and --to"
        return f"{self.address} holds no panes{asked}{between}; {there}"

    def add(self, rows: Iterable[Row]) -> Added:
        """Keep rows that are not there yet."""
        files, there = defaultdict[tuple[str, str, float], list[Row]](list), 0
        by_day = defaultdict[str, list[Row]](list)
        for row in rows:
            by_day[day_of(row.tick)].append(row)
        parts = dict(self.days()) if by_day else {}
        for day, found in by_day.items():
            known = Known(self.names(parts.get(day, ()), {row.segment for row in found}))
            for row in found:
                if known.holds(row):
                    there += 1
                else:
                    known.add(row.segment, row.tick, row.end, row.sources)
                    files[row.lens, day, (row.end - row.tick) / 1000].append(row)
        self.begin()
        for (lens, day, resolution), kept in files.items():
            data = to_bytes(to_table(sorted(kept, key=lambda row: row.order)), plain=("pane",))
            self.folder.write(_name(lens, day, resolution, data), data)
        new = [row for kept in files.values() for row in kept]
        return Added(len(new), there, sum(row.calls for row in new), sum(len(row.pane) for row in new))

    def begin(self) -> None:
        """Make it an archive, if it is none yet."""
        if not self.folder.has(ABOUT):
            self.folder.write(ABOUT, msgspec.json.encode(self.about))

    def names(
        self, parts: Iterable[Part], segments: Collection[str]
    ) -> Iterator[tuple[str, int, int, tuple[int, ...]]]:
        """Segment, tick, end and source partitions of each row of these segments."""
        columns = ("segment", "tick", "end", "sources")
        for part in parts:
            with File(self.folder, part.name, schema()) as file:
                for table in file.tables(columns):
                    for segment, tick, end, sources in columns_of(table, columns):
                        if segment in segments:
                            yield segment, tick, end, tuple(sources)

    def exported(self, topic: str, places: Mapping[int, Place]) -> None:
        """Remember how far a topic was exported."""
        known = self.about.exports | {topic: {str(number): place for number, place in sorted(places.items())}}
        self.about = About(exports=known)
        self.folder.write(ABOUT, msgspec.json.encode(self.about))

    def places(self, topic: str) -> dict[int, Place]:
        """How far a topic was exported, by partition."""
        return {int(number): place for number, place in self.about.exports.get(topic, {}).items()}

    def replace(self, tables: Iterable[tuple[str, str, float, Sequence[Row]]], old: Sequence[Part]) -> int:
        """Put rows of a lens, a day and a resolution in the place of files, all at once; the bytes they take."""
        add, size = dict[str, str](), 0
        for lens, day, resolution, rows in tables:
            data = to_bytes(to_table(rows), plain=("pane",))
            name = _name(lens, day, resolution, data)
            size += len(data)
            add[f"pending/{name.replace('/', '_')}"] = name
            self.folder.write(f"pending/{name.replace('/', '_')}", data)
        kept = set(add.values())
        todo = _Todo(add, tuple(part.name for part in old if part.name not in kept))
        self.folder.write(_TODO, msgspec.json.encode(todo))
        self._settle()
        return size

    def _settle(self) -> None:
        """Do what a compaction had still to do, or take away what it never came to."""
        if self.folder.has(_TODO):
            todo = msgspec.json.decode(self.folder.read(_TODO), type=_Todo)
            for name, to in todo.add.items():
                self.folder.move(name, to)
            for name in todo.remove:
                self.folder.remove(name)
            self.folder.remove(_TODO)

    def clear(self) -> None:
        """Take away what an interrupted compaction had written before it could replace anything."""
        for name in self.folder.names("pending"):
            self.folder.remove(name)

    def contents(self, lens: str = "") -> list[Holding]:
        """What there is, by segment, lens and lengths of ticks."""
        found: dict[tuple[str, str, float, float], Holding] = {}
        columns = ("segment", "lens", "resolution_s", "tick_s", "tick", "end", "calls", "bytes")
        for _, parts in self.days(lens=lens):
            for part in parts:
                with File(self.folder, part.name, schema()) as file:
                    for table in file.tables(columns):
                        for *names, tick, end, calls, size in columns_of(table, columns):
                            key = tuple(names)
                            if key not in found:
                                found[key] = Holding(*names)
                            found[key].add(tick, end, calls, size)
        return [found[key] for key in sorted(found)]


class Holding(msgspec.Struct):
    """What an archive holds of a segment, seen through one lens, in ticks of one length."""

    segment: str
    lens: str
    resolution_s: float
    tick_s: float
    start: int = 0
    end: int = 0
    calls: int = 0
    panes: int = 0
    bytes: int = 0
    spans: list[tuple[int, int]] = []

    def add(self, tick: int, end: int, calls: int, size: int) -> None:
        """Count a row."""
        self.start, self.end = min(self.start or tick, tick), max(self.end, end)
        self.calls, self.panes, self.bytes = self.calls + calls, self.panes + 1, self.bytes + size
        if self.spans and tick - self.spans[-1][0] >= 0 and tick - self.spans[-1][1] <= GAP_MS:
            self.spans[-1] = (self.spans[-1][0], max(self.spans[-1][1], end))
        else:
            self.spans.append((tick, end))


GAP_MS = 3_600_000
"""A stretch without any call that is told as a gap, from this length on."""


def gaps(holdings: Iterable[Holding]) -> list[tuple[int, int]]:
    """Stretches of an hour and more between the first and the last tick in which a segment has no pane at all."""
    spans = sorted(span for one in holdings for span in one.spans)
    found, reached = list[tuple[int, int]](), spans[0][1] if spans else 0
    for start, end in spans:
        if start - reached > GAP_MS:
            found.append((reached, start))
        reached = max(reached, end)
    return found


class Known:
    """Names of panes, to tell which are there already: also those that were summed up since."""

    def __init__(self, names: Iterable[tuple[str, int, int, tuple[int, ...]]]) -> None:
        self._names: set[tuple[str, int, int, int]] = set()
        self._larger: dict[str, set[tuple[int, int]]] = {}
        self._lengths: set[int] = set()
        for name in names:
            self.add(*name)

    def add(self, segment: str, tick: int, end: int, sources: Iterable[int]) -> None:
        """A row of this name is there."""
        self._names |= {(segment, tick, end, source) for source in sources}
        self._larger.setdefault(segment, set()).add((tick, end))
        self._lengths.add(end - tick)

    def holds(self, row: Row) -> bool:
        """Whether the panes of a row are there, by themselves or in a larger tick."""
        if any((row.segment, row.tick, row.end, source) in self._names for source in row.sources):
            return True
        length, spans = row.end - row.tick, self._larger.get(row.segment, ())
        return any(
            (start := row.tick - row.tick % larger, start + larger) in spans and row.end <= start + larger
            for larger in self._lengths
            if larger > length
        )


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Rows of one tick of a segment, those left out whose source partitions have come already."""
    kept, seen = list[Row](), set[int]()
    for row in sorted(rows, key=lambda row: (-len(row.sources), row.sources)):
        if seen.isdisjoint(row.sources):
            seen.update(row.sources)
            kept.append(row)
    return sorted(kept, key=lambda row: row.sources)


def columns_of(table: Any, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Rows of plain values, times in milliseconds."""
    columns = [table.column(name).cast("int64") if name in ("tick", "end") else table.column(name) for name in names]
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _name(lens: str, day: str, resolution_s: float, data: bytes) -> str:
    return f"panes/{lens}/{day}/{resolution_s:g}s-{xxhash.xxh3_64_hexdigest(data)}.parquet"


def day_of(at: int) -> str:
    """The day of an instant, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def told(at: int) -> str:
    """An instant, to the second."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
