"""The sum: everything kept of one segment in one tick, and how sums add up and travel.

``merge`` is associative and commutative to the bit: every sum is of whole numbers, and tables are kept sorted by key.
A pane of few calls keeps their rows and derives its sums when asked; a larger one keeps sums and a fair sample of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from drift import codec
from drift.bins import LOGS
from drift.call import DIMENSIONS, FLAGS, LENGTH_GRID, OUTPUT_CHARS, ROW, SERIES, VIEWS, Rows
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
COUNT = np.dtype([("stratum", "<u8"), ("series", "i1"), ("bin", "<i4"), ("n", "<i8")])
MARK = np.dtype([("field", "i1"), ("value", "<u8"), ("n", "<i8")])

_KEYS = {CELL: ("stratum", "topic", "band", "answered"), COUNT: ("stratum", "series", "bin"), MARK: ("field", "value")}
_LOG_LENGTHS = np.rint(LOGS * LENGTH_GRID).astype(np.int64)

Table = npt.NDArray[np.void]
Texts = tuple[str, str]
"""Excerpts of a call's input and output."""


def _fold(table: Table) -> Table:
    """Rows of equal key added up, in the order of the keys."""
    if len(table) == 0:
        return table
    keys = _KEYS[table.dtype]
    table = table[np.lexsort([table[key] for key in reversed(keys)])]
    changed = np.zeros(len(table), dtype=bool)
    changed[0] = True
    for key in keys:
        changed[1:] |= table[key][1:] != table[key][:-1]
    starts = np.flatnonzero(changed)
    if len(starts) == len(table):
        return table
    folded = table[starts]
    for name in table.dtype.names or ():
        if name not in keys:
            folded[name] = np.add.reduceat(table[name], starts, axis=0)
    return folded


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Three tables of exact sums, each sorted by its key."""

    cells: Table  # CELL
    counts: Table  # COUNT
    marks: Table  # MARK

    @property
    def n(self) -> int:
        """Calls summed up."""
        return int(self.cells["n"].sum())

    @classmethod
    def of(cls, rows: Rows) -> Sums:
        """Sums of these calls."""
        cells = np.zeros(len(rows), CELL)
        for name in ("stratum", "topic", "band", "answered", "features", "flags"):
            cells[name] = rows[name]
        cells["n"] = 1
        logs = np.where(rows["answered"] == 1, _LOG_LENGTHS[rows["bins"][:, OUTPUT_CHARS]], 0)
        cells["length"] = np.stack([logs, logs * logs], axis=1)
        return cls(_fold(cells), _fold(_counts(rows)), _fold(_marks(rows)))


def _counts(rows: Rows) -> Table:
    counts = np.zeros((len(rows), len(SERIES)), COUNT)
    counts["stratum"] = rows["stratum"][:, None]
    counts["series"] = np.arange(len(SERIES), dtype=np.int8)
    counts["bin"] = rows["bins"]
    counts["n"] = 1
    return counts.ravel()


def _marks(rows: Rows) -> Table:
    values = rows["markers"]
    marks = np.zeros(values.shape, MARK)
    marks["field"] = np.arange(values.shape[1], dtype=np.int8)
    marks["value"] = values
    marks["n"] = 1
    return marks.ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The calls with the smallest keys, and the smallest key ever left out (None: nothing was)."""

    rows: Rows  # sorted by key, then content
    texts: tuple[Texts, ...]  # one a row, or none at all
    tau: int | None = None

    @classmethod
    def of(cls, rows: Rows, texts: Sequence[Texts], size: int, tau: int | None = None) -> Sample:
        """The fair sample of at most ``size`` rows out of these, all calls whose key is below ``tau``."""
        order = np.lexsort([rows["content"], rows["key"]])
        if tau is not None:
            order = order[rows["key"][order] < np.uint64(tau)]
        if len(order) > size:
            tau = int(rows["key"][order[size]])
            order = order[rows["key"][order] < np.uint64(tau)]
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
    return Sums(
        _fold(np.concatenate([s.cells for s in sums])),
        _fold(np.concatenate([s.counts for s in sums])),
        _fold(np.concatenate([s.marks for s in sums])),
    )


def encode(pane: Pane) -> bytes:
    """Bytes of a pane: its rows where all are there, else its sums and sample, in the narrowest integers they fit."""
    return codec.pack(
        {
            "pane": 1,
            "lens": pane.lens,
            "segment": pane.segment,
            "span": [pane.tick, pane.end],
            "names": {format(code, "x"): name for code, name in pane.names.items()},
            "rows": pane.sample.rows,
            "texts": pane.sample.texts,
            "tau": pane.sample.tau,
            "sums": None if pane.kept is None else [pane.kept.cells, pane.kept.counts, pane.kept.marks],
        }
    )


def decode(data: bytes) -> Pane:
    """Pane of these bytes.

    Raises
    ------
    CorruptError
        They are not a pane of a version that this release reads.
    """
    tree = codec.unpack(data, "pane", 1)
    sample = Sample(
        codec.table(tree["rows"], ROW), tuple((before, after) for before, after in tree["texts"]), tree["tau"]
    )
    sums = tree["sums"]
    kept = None if sums is None else Sums(*(codec.table(t, d) for t, d in zip(sums, (CELL, COUNT, MARK), strict=True)))
    names = {int(code, 16): name for code, name in tree["names"].items()}
    tick, end = tree["span"]
    return Pane(tree["lens"], tree["segment"], tick, end, sample, kept, names)
