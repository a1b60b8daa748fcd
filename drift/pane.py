"""The sum: everything kept of one segment in one tick, and how sums add up and travel.

``merge`` is associative and commutative to the bit: every sum is of whole numbers, and tables are kept sorted by key.
A pane of few calls keeps their rows and derives its sums when asked; a larger one keeps sums and a fair sample of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from drift import codec
from drift.bins import LOGS
from drift.call import DIMENSIONS, FLAGS, LENGTH_GRID, MARKERS, OUTPUT_CHARS, ROW, SERIES, VIEWS, Rows
from drift.errors import LensMismatchError

SAMPLE = 64
"""Rows that a pane keeps by default."""

CELL = np.dtype(
    [
        ("stratum", "<u8"),
        ("topic", "<i2"),
        ("band", "i1"),
        ("answered", "i1"),
        ("n", "<i8"),
        ("features", "<i8", (len(VIEWS), DIMENSIONS)),
        ("length", "<i8", (2,)),  # log characters of the output and its square, on LENGTH_GRID
        ("flags", "<i8", (len(FLAGS),)),
    ]
)
_SUMMED = [(name, CELL[name]) for name in CELL.names or ()]
SLICE_CELL = np.dtype([("field", "i1"), ("value", "<u8"), *_SUMMED])
"""Cells of the calls of one admitted value of a declared field; other calls are what is left of all."""

SLICE_COUNT = np.dtype([("field", "i1"), ("value", "<u8"), ("series", "i1"), ("bin", "<i4"), ("n", "<i8")])
COUNT = np.dtype([("stratum", "<u8"), ("series", "i1"), ("bin", "<i4"), ("n", "<i8")])
MARK = np.dtype([("field", "i1"), ("value", "<u8"), ("n", "<i8")])

_CELL_KEYS = ("stratum", "topic", "band", "answered")
_KEYS = {
    CELL: _CELL_KEYS,
    COUNT: ("stratum", "series", "bin"),
    MARK: ("field", "value"),
    SLICE_CELL: ("field", "value", *_CELL_KEYS),
    SLICE_COUNT: ("field", "value", "series", "bin"),
}
_LOG_LENGTHS = np.rint(LOGS * LENGTH_GRID).astype(np.int64)

_TABLES = (CELL, COUNT, MARK, SLICE_CELL, SLICE_COUNT)
_FORMAT = 2

Table = npt.NDArray[np.void]
IntArray = npt.NDArray[np.int64]
Texts = tuple[str, str]
"""Excerpts of a call's input and output."""


def _starts(ordered: npt.NDArray[Any]) -> IntArray:
    """Where each run of equal values begins."""
    changed = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=changed[1:])
    return np.flatnonzero(changed)


def _ranks(columns: Sequence[npt.NDArray[Any]]) -> tuple[IntArray, list[npt.NDArray[Any]]]:
    """One whole number for each combination of key columns, in their order, and the values each column can take.

    The columns are broadcast against each other. ``np.unravel_index`` of a rank gives the place of each value.
    """
    ranks, values = np.zeros((), np.int64), []
    for column in columns:
        if column.dtype.kind == "u":  # hashes: few values, far apart
            ordered = np.sort(column, axis=None)
            known = ordered[_starts(ordered)]
            place = np.searchsorted(known, column)
        else:
            low, high = int(column.min()), int(column.max())
            known, place = np.arange(low, high + 1), column.astype(np.int64) - low
        ranks = ranks * len(known) + place
        values.append(known)
    return ranks, values


def _tally(kind: np.dtype[Any], columns: Sequence[npt.NDArray[Any]]) -> Table:
    """How often each combination of broadcast key columns occurs, in the order of the keys."""
    if not columns[-1].size:
        return np.zeros(0, kind)
    ranks, values = _ranks(columns)
    ranks = np.sort(ranks, axis=None)
    starts = _starts(ranks)
    table = np.zeros(len(starts), kind)
    places = np.unravel_index(ranks[starts], [len(known) for known in values])
    for name, known, place in zip(_KEYS[kind], values, places, strict=True):
        table[name] = known[place]
    table["n"] = np.diff(starts, append=len(ranks))
    return table


def _groups(columns: Sequence[npt.NDArray[Any]]) -> tuple[IntArray, IntArray]:
    """Order that brings rows of equal keys together, in the order of the keys, and where each key begins in it."""
    ranks, _ = _ranks(columns)
    order = np.argsort(ranks)
    return order, _starts(ranks[order])


def _fold(table: Table) -> Table:
    """Rows of equal key added up, in the order of the keys."""
    if len(table) == 0:
        return table
    keys = _KEYS[table.dtype]
    order, starts = _groups([table[key] for key in keys])
    folded = table[order[starts]]
    if len(starts) < len(table):
        for name in table.dtype.names or ():
            if name not in keys:
                folded[name] = np.add.reduceat(table[name][order], starts, axis=0)
    return folded


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Tables of exact sums, each sorted by its key; those of slices are empty where no field is declared."""

    cells: Table  # CELL
    counts: Table  # COUNT
    marks: Table  # MARK
    slice_cells: Table  # SLICE_CELL
    slice_counts: Table  # SLICE_COUNT

    @property
    def n(self) -> int:
        """Calls summed up."""
        return int(self.cells["n"].sum())

    @classmethod
    def of(cls, rows: Rows) -> Sums:
        """Sums of these calls."""
        series, fields = np.arange(len(SERIES), dtype=np.int8), np.arange(len(MARKERS), dtype=np.int8)
        counts = _tally(COUNT, (rows["stratum"][:, None], series, rows["bins"]))
        cells = _cells(CELL, [rows[key] for key in _CELL_KEYS], rows)
        return cls(cells, counts, _tally(MARK, (fields, rows["markers"])), *sliced(rows, rows["slices"]))


def sliced(rows: Rows, codes: npt.NDArray[np.uint64]) -> tuple[Table, Table]:
    """Sums of the calls of each code of each column of ``codes``, shape ``(n, fields)``; 0 is no code."""
    row, field = np.nonzero(codes)
    value, field, held = codes[row, field], field.astype(np.int8), rows[row]
    cells = _cells(SLICE_CELL, [field, value, *(held[key] for key in _CELL_KEYS)], held)
    series = np.arange(len(SERIES), dtype=np.int8)
    return cells, _tally(SLICE_COUNT, (field[:, None], value[:, None], series, held["bins"]))


def _cells(kind: np.dtype[Any], keys: Sequence[npt.NDArray[Any]], rows: Rows) -> Table:
    """Sums of rows of equal keys, the columns that ``kind`` is keyed by."""
    if len(rows) == 0:
        return np.zeros(0, kind)
    order, starts = _groups(keys)
    cells = np.zeros(len(starts), kind)
    for name, key in zip(_KEYS[kind], keys, strict=True):
        cells[name] = key[order[starts]]
    cells["n"] = np.diff(starts, append=len(rows))
    logs = np.where(rows["answered"] == 1, _LOG_LENGTHS[rows["bins"][:, OUTPUT_CHARS]], 0)
    features = rows["features"].reshape(len(rows), -1)[order].astype(np.int64)
    cells["features"] = np.add.reduceat(features, starts, axis=0).reshape(cells["features"].shape)
    cells["length"] = np.add.reduceat(np.stack([logs, logs * logs], axis=1)[order], starts, axis=0)
    cells["flags"] = np.add.reduceat(rows["flags"][order], starts, axis=0, dtype=np.int64)
    return cells


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The calls with the smallest keys, and the smallest key ever left out (None: nothing was)."""

    rows: Rows  # sorted by key, then content
    texts: tuple[Texts, ...]  # one a row, or none at all
    tau: int | None = None

    @classmethod
    def of(cls, rows: Rows, texts: Sequence[Texts], size: int, tau: int | None = None) -> Sample:
        """The fair sample of at most ``size`` rows out of these, all calls whose key is below ``tau``."""
        key = rows["key"].copy()
        chosen = np.arange(len(rows)) if tau is None else np.flatnonzero(key < np.uint64(tau))
        if len(chosen) > size:
            tau = int(np.partition(key[chosen], size)[size])
            chosen = chosen[key[chosen] < np.uint64(tau)]
        order = chosen[np.lexsort([rows["content"][chosen], key[chosen]])]
        return cls(rows[order], tuple(texts[i] for i in order) if texts else (), tau)


@dataclass(frozen=True, eq=False)
class Pane:
    """Everything kept of one segment in one tick (or a sum of ticks), seen through one lens."""

    lens: str
    segment: str
    tick: int  # start of the (first) tick, milliseconds since 1970
    end: int  # end of the (last) tick
    sample: Sample
    kept: Sums | None  # None where the sample holds every call
    names: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def sums(self) -> Sums:
        """Exact sums over all calls."""
        return self.kept if self.kept is not None else Sums.of(self.sample.rows)

    @cached_property
    def n(self) -> int:
        """Calls in the pane."""
        return len(self.sample.rows) if self.kept is None else self.kept.n

    @classmethod
    def of(
        cls,
        lens: str,
        segment: str,
        span: tuple[int, int],
        rows: Rows,
        texts: Sequence[Texts],
        names: Mapping[int, str],
        *,
        size: int = SAMPLE,
    ) -> Pane:
        """Pane of these calls; ``texts`` is empty or one pair a row."""
        sample = Sample.of(rows, texts, size)
        kept = None if sample.tau is None else Sums.of(rows)
        return cls(lens, segment, *span, sample, kept, dict(sorted(names.items())))


def merge(panes: Iterable[Pane], *, size: int = SAMPLE) -> Pane:
    """Sum of one or more panes of one segment and lens, whatever their order.

    Raises
    ------
    LensMismatchError
        The panes were seen through different lenses.
    """
    given = list(panes)
    first = given[0]
    for pane in given:
        if pane.lens != first.lens:
            raise LensMismatchError(
                f"panes of segment {first.segment} were seen through lens {first.lens} and lens {pane.lens}: "
                "measure the calls again through one of them"
            )
    if len(given) == 1 and len(first.sample.rows) <= size:
        return first
    taus = [pane.sample.tau for pane in given if pane.sample.tau is not None]
    sample = Sample.of(
        np.concatenate([pane.sample.rows for pane in given]),
        _texts(given),
        size,
        min(taus) if taus else None,
    )
    kept = None if sample.tau is None else _add([pane.sums for pane in given])
    names = {code: name for pane in given for code, name in pane.names.items()}
    span = min(pane.tick for pane in given), max(pane.end for pane in given)
    return Pane(first.lens, first.segment, *span, sample, kept, dict(sorted(names.items())))


def _texts(given: Sequence[Pane]) -> list[Texts]:
    """One pair a row if any pane has texts, empty ones for the rows of panes without."""
    if not any(pane.sample.texts for pane in given):
        return []
    return [pair for pane in given for pair in pane.sample.texts or (("", ""),) * len(pane.sample.rows)]


def _add(sums: Sequence[Sums]) -> Sums:
    return Sums(*(_fold(np.concatenate([getattr(s, name) for s in sums])) for name in Sums.__slots__))


def encode(pane: Pane, *, level: int = 6) -> bytes:
    """Bytes of a pane: its rows where all are there, else its sums and sample, in the narrowest integers they fit.

    Parameters
    ----------
    level
        Of the compression: 1 is fast, more is smaller.
    """
    return codec.pack(
        {
            "pane": _FORMAT,
            "lens": pane.lens,
            "segment": pane.segment,
            "span": [pane.tick, pane.end],
            "names": {format(code, "x"): name for code, name in pane.names.items()},
            "rows": pane.sample.rows,
            "texts": pane.sample.texts,
            "tau": pane.sample.tau,
            "sums": None if pane.kept is None else [getattr(pane.kept, name) for name in Sums.__slots__],
        },
        level=level,
    )


def decode(data: bytes) -> Pane:
    """Pane of these bytes.

    Raises
    ------
    CorruptError
        They are not a pane of a version that this release reads.
    """
    tree = codec.unpack(data, "pane", _FORMAT)
    sample = Sample(
        codec.table(tree["rows"], ROW), tuple((before, after) for before, after in tree["texts"]), tree["tau"]
    )
    sums = tree["sums"]
    kept = None if sums is None else Sums(*(codec.table(t, kind) for t, kind in zip(sums, _TABLES, strict=True)))
    names = dict(sorted((int(code, 16), name) for code, name in tree["names"].items()))
    tick, end = tree["span"]
    return Pane(tree["lens"], tree["segment"], tick, end, sample, kept, names)
