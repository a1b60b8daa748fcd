"""Calls' measures without their texts, in an archive by choice: a new lens needs no text and no embedding then.

What `streams.measure.Unseen` holds, a row a call, in ``measures/{embedder}/{day}/{content}.parquet``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np
import numpy.typing as npt
import xxhash

from drift.errors import LensMismatchError, SettingsError
from models.base import Embedder
from models.ngrams import BUCKETS, FORMAT_VIEW
from streams.archive import Archive, day_of
from streams.arrow import File, Table, arrow, to_bytes
from streams.measure import Meter, Unseen, Vectors, segment_of
from streams.records import Record
from streams.slices import measured

LABELS = (
    *("call_id", "app", "prompt_name", "variant", "prompt_version", "prompt_hash", "pair_id", "model", "served_model"),
    *("fingerprint", "provider", "app_version", "region", "finish_reason", "error_type"),
)
NUMBERS = ("latency_ms", "ttft_ms", "input_tokens", "output_tokens", "cached_input_tokens", "cost_usd")
HASHES = ("content", "user", "asked")
COUNTS = ("input_chars", "output_chars", "answered")
_VECTORS = {"input_vector": "inputs", "output_vector": "outputs", "format_vector": "formats"}
_FILE = re.compile(r"measures/([0-9a-f]{16})/(\d{4}-\d\d-\d\d)/[0-9a-f]+\.parquet")

LATEST = "9999"
"""A day that is later than any."""

BATCH = 1024
LEVEL = 9


@lru_cache(maxsize=4)
def schema(dimensions: int, buckets: int) -> Any:
    """Columns of a file of measures: `docs/archive.md` says what they mean."""
    pa, _ = arrow()
    widths = {"input_vector": dimensions, "output_vector": dimensions, "format_vector": buckets}
    return pa.schema(
        [
            ("segment", pa.string()),
            ("event_time", pa.timestamp("ms", tz="UTC")),
            *((name, pa.string()) for name in LABELS),
            ("embedder", pa.string()),
            *((name, pa.bool_() if name == "answered" else pa.int32()) for name in COUNTS),
            *((name, pa.float64()) for name in NUMBERS),
            ("feedback", pa.int8()),
            ("scores", pa.string()),
            ("attributes", pa.string()),
            *((name, pa.uint64()) for name in HASHES),
            *((name, pa.binary(2 * width)) for name, width in widths.items()),
        ]
    )


class Measures:
    """The measures that an archive holds of calls, by one embedder."""

    def __init__(self, archive: Archive, embedder: Embedder) -> None:
        self._archive, self._embedder = archive, embedder
        self._key = key(embedder)

    def add(self, meter: Meter, records: Sequence[Record], slices: Sequence[str] = ()) -> tuple[int, int]:
        """Measure calls and keep what is not there yet; how many were added, and how many were there.

        Parameters
        ----------
        slices
            Declared fields: of attributes only these are kept.
        """
        by_day, added = defaultdict[str, list[Record]](list), 0
        for record in records:
            by_day[day_of(record.event_time)].append(record)
        for day, found in by_day.items():
            known = self._known(day)
            new = []
            for record in found:
                name = record.call_id, record.event_time, record.content
                if name not in known:
                    known.add(name)
                    new.append(record)
            if not new:
                continue
            new.sort(key=lambda one: (segment_of(one), one.event_time, one.call_id, one.content))
            table = to_table(meter, new, slices)
            data = to_bytes(table, level=LEVEL)
            self._archive.begin()
            self._archive.folder.write(f"measures/{self._key}/{day}/{xxhash.xxh3_64_hexdigest(data)}.parquet", data)
            added += len(new)
        return added, len(records) - added

    def _known(self, day: str) -> set[tuple[str, int, int]]:
        return {
            name
            for part in self._files(day, day).get(day, ())
            for table in self._tables(part, ("call_id", "event_time", "content"))
            for name in zip(*(_plain(table, one) for one in ("call_id", "event_time", "content")), strict=True)
        }

    def calls(
        self, segments: Collection[str] = (), start: int | None = None, end: int | None = None
    ) -> Iterator[Unseen]:
        """Measured calls, some at a time, day by day.

        Raises
        ------
        LensMismatchError
            They were measured by another embedder.
        SettingsError
            There are none.
        BrokenOffError
            A file is cut off or damaged.
        """
        found = False
        for files in self.days(start, end).values():
            for calls in self._calls_of(files, segments, start, end):
                found = True
                yield calls
        if not found:
            self._refuse(segments)

    def days(self, start: int | None = None, end: int | None = None) -> dict[str, list[str]]:
        """Days of which there are measures, UTC, in order, with the files of each.

        Raises
        ------
        LensMismatchError
            They were measured by another embedder.
        SettingsError
            There are none.
        """
        low, high = day_of(start) if start is not None else "", day_of(end - 1) if end is not None else LATEST
        return self._files(low, high) or self._refuse((), between=(low, high))

    def of_day(self, files: Iterable[str], segments: Collection[str] = ()) -> Unseen | None:
        """Measured calls of the files of a day; None where there are none of these segments.

        Raises
        ------
        BrokenOffError
            A file is cut off or damaged.
        """
        parts = list(self._calls_of(files, segments, None, None))
        return joined(parts) if parts else None

    def _calls_of(
        self, files: Iterable[str], segments: Collection[str], start: int | None, end: int | None
    ) -> Iterator[Unseen]:
        for part in files:
            for table in self._tables(part):
                calls = from_table(table)
                at = np.array([one.event_time for one in calls.records], np.int64)
                kept = np.ones(len(at), bool)
                kept &= at >= start if start is not None else True
                kept &= at < end if end is not None else True
                if segments:
                    kept &= np.array([segment in segments for segment in table.column("segment").to_pylist()], bool)
                if kept.any():
                    yield take(calls, np.flatnonzero(kept))

    def _refuse(self, segments: Collection[str], between: tuple[str, str] = ("", LATEST)) -> NoReturn:
        found = self._files("", LATEST)
        if not found and any(map(_FILE.fullmatch, self._names())):
            raise LensMismatchError(
                f"{self._archive.address} holds measures of calls by another embedder, none by "
                f"{self._embedder.identity!r}: give --embedder as they were measured, or export them anew"
            )
        asked = f" of {', '.join(sorted(segments))}" if segments else ""
        if found:
            low, high = between
            there = (f" from {low} on" if low else "") + (f" until {high}" if high != LATEST else "")
            there += f"; its measures reach from {min(found)} to {max(found)}"
        else:
            there = ": keep some by driftline archive export --measures"
        raise SettingsError(f"{self._archive.address} holds no measures of calls{asked}{there}")

    def _names(self) -> list[str]:
        folder = self._archive.folder
        return folder.names("measures") if folder.exists() else []

    def _files(self, low: str, high: str) -> dict[str, list[str]]:
        """Files of each day, in order."""
        found: dict[str, list[str]] = {}
        for one in map(_FILE.fullmatch, self._names()):
            if one and one[1] == self._key and low <= one[2] <= high:
                found.setdefault(one[2], []).append(one[0])
        return found

    def _tables(self, name: str, columns: Sequence[str] | None = None) -> Iterator[Table]:
        with File(self._archive.folder, name, schema(self._embedder.dim, BUCKETS)) as file:
            yield from file.tables(columns)


class Kept(NamedTuple):
    """Calls of a segment that an archive holds measures of: event times of the first and last, how many, by what."""

    segment: str
    embedder: str
    first: int
    last: int
    calls: int


def contents(archive: Archive) -> tuple[list[Kept], int]:
    """What an archive holds of calls' measures, and its bytes.

    Raises
    ------
    BrokenOffError
        A file is cut off or damaged.
    """
    folder, size, found = archive.folder, 0, dict[tuple[str, str], Kept]()
    names = ("segment", "embedder", "event_time")
    for name in folder.names("measures") if folder.exists() else ():
        if not _FILE.fullmatch(name):
            continue
        size += folder.size(name)
        whole = schema(1, 1)
        with File(folder, name, arrow()[0].schema([whole.field(one) for one in names])) as file:
            for table in file.tables():
                grouped = table.group_by(list(names[:2])).aggregate(
                    [("event_time", "min"), ("event_time", "max"), ("event_time", "count")]
                )
                for one in map(Kept._make, zip(*map(_whole, grouped.columns), strict=True)):
                    known = found.get(one[:2], one._replace(calls=0))
                    first, last = min(known.first, one.first), max(known.last, one.last)
                    found[one[:2]] = one._replace(first=first, last=last, calls=known.calls + one.calls)
    return [found[one] for one in sorted(found)], size


class ArchivedMeter(Meter):
    """Measures the calls that it was given by what an archive holds of them, without their texts."""

    def __init__(self, embedder: Embedder, calls: Iterable[Unseen]) -> None:
        """Know these calls."""
        super().__init__(embedder, texts="none")
        self._calls = joined(list(calls))
        self.records = self._calls.records
        self._places = {(one.call_id, one.event_time, one.content): i for i, one in enumerate(self.records)}

    def unseen(self, records: Sequence[Record]) -> Unseen:
        """What is known of these calls."""
        return take(self._calls, self._chosen(records))

    def vectors(self, records: Sequence[Record], *, progress: Callable[[int], None] = lambda done: None) -> Vectors:
        """Vectors of these calls."""
        chosen = self._chosen(records)
        progress(len(records))
        return Vectors(*(getattr(self._calls.vectors, name)[chosen] for name in Vectors.__slots__))

    def _chosen(self, records: Sequence[Record]) -> npt.NDArray[np.intp]:
        return np.array([self._places[one.call_id, one.event_time, one.content] for one in records], np.intp)


def key(embedder: Embedder) -> str:
    """What tells the measures of one embedder from those of another."""
    return xxhash.xxh3_64_hexdigest(f"{embedder.identity}\n{FORMAT_VIEW}".encode())


def take(calls: Unseen, chosen: npt.NDArray[np.intp]) -> Unseen:
    """Some of the calls, in the order given."""
    vectors = Vectors(*(getattr(calls.vectors, name)[chosen] for name in Vectors.__slots__))
    rest = (getattr(calls, name)[chosen] for name in (*COUNTS, *HASHES))
    return Unseen([calls.records[i] for i in chosen.tolist()], vectors, *rest)


def joined(parts: Sequence[Unseen]) -> Unseen:
    """The calls of one or more parts."""
    vectors = Vectors(*(np.concatenate([getattr(one.vectors, name) for one in parts]) for name in Vectors.__slots__))
    rest = (np.concatenate([getattr(one, name) for one in parts]) for name in (*COUNTS, *HASHES))
    return Unseen([record for one in parts for record in one.records], vectors, *rest)


def to_table(meter: Meter, records: Sequence[Record], slices: Sequence[str] = ()) -> Table:
    """Measures of calls as columns."""
    pa, _ = arrow()
    wanted, tables = schema(meter.embedder.dim, BUCKETS), []
    for low in range(0, len(records), BATCH):
        part = records[low : low + BATCH]
        calls = meter.unseen(part)
        made: dict[str, Any] = {name: [getattr(one, name) for one in part] for name in (*LABELS, *NUMBERS, "feedback")}
        made |= {name: getattr(calls, name) for name in (*COUNTS, *HASHES)}
        made |= {
            "segment": [segment_of(one) for one in part],
            "event_time": [one.event_time for one in part],
            "embedder": [meter.embedder.identity] * len(part),
            "scores": [_json(one.scores) for one in part],
            "attributes": [_json(measured(one, slices).attributes) for one in part],
        }
        for column, name in _VECTORS.items():
            vectors = np.ascontiguousarray(getattr(calls.vectors, name), dtype="<i2")
            made[column] = [one.tobytes() for one in vectors]
        tables.append(pa.table([pa.array(made[one.name], one.type) for one in wanted], schema=wanted))
    return pa.concat_tables(tables).combine_chunks()


def from_table(table: Table) -> Unseen:
    """Measured calls of columns; their records have no texts, users, sessions nor traces."""
    columns = {name: _plain(table, name) for name in (*LABELS, *NUMBERS, "event_time", "feedback", "content")}
    columns |= {name: [_object(one) for one in _plain(table, name)] for name in ("scores", "attributes")}
    names = list(columns)
    records = [Record(**dict(zip(names, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    vectors = [
        np.frombuffer(b"".join(_plain(table, column)), "<i2").reshape(len(records), -1).astype(np.int16)
        for column in _VECTORS
    ]
    rest = (np.asarray(table.column(name).to_numpy()) for name in (*COUNTS, *HASHES))
    return Unseen(records, Vectors(*vectors), *rest)


def _plain(table: Table, name: str) -> list[Any]:
    return _whole(table.column(name))


def _whole(column: Any) -> list[Any]:
    """Values of a column; times are milliseconds since 1970."""
    return list((column.cast("int64") if str(column.type).startswith("timestamp") else column).to_pylist())


def _json(value: dict[str, Any]) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _object(text: str | None) -> dict[str, Any]:
    return msgspec.json.decode(text) if text else {}
