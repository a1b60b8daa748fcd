"""A row of an archive: the pane of a segment, a tick and one or more source partitions, and sums to be read plainly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from drift import pane as panes
from drift.bins import LOGS
from drift.call import LENGTH_GRID, OUTPUT_CHARS
from drift.errors import CorruptError
from drift.pane import Pane
from streams.arrow import Table, arrow
from streams.measure import parts_of
from streams.wire import Sent

_LOG_LENGTHS = np.rint(LOGS * LENGTH_GRID).astype(np.int64)


class Row(NamedTuple):
    """What is kept of a pane; times in milliseconds since 1970.

    Attributes
    ----------
    tick_ms
        Length of the ticks that the judge closed; ``end - tick`` is more where they were summed up to a larger one.
    sources
        Source partitions that it sums up.
    partition, offset
        Where it stood on the topic of panes when its tick was known to be complete; -1 where that is not known.
    """

    segment: str
    tick: int
    end: int
    tick_ms: int
    sources: tuple[int, ...]
    calls: int
    lens: str
    answered: int
    errors: int
    truncated: int
    empty_outputs: int
    log_output_chars: float
    partition: int
    offset: int
    pane: bytes

    @property
    def exact(self) -> bool:
        """Whether it is a tick as the judge saw it."""
        return self.end - self.tick == self.tick_ms

    @property
    def order(self) -> tuple[str, int, int, tuple[int, ...]]:
        """By which rows are sorted."""
        return self.segment, self.tick, self.end, self.sources

    @classmethod
    def of(cls, sent: Sent, partition: int = -1, offset: int = -1) -> Row:
        """The row of a pane as it was published.

        Raises
        ------
        CorruptError
            Its bytes are no pane, or not of what it says.
        """
        row = cls.of_pane(panes.decode(sent.pane), sent.pane, sent.end - sent.tick, (sent.source,), partition, offset)
        if (row.segment, row.tick, row.end, row.lens) != (sent.segment, sent.tick, sent.end, sent.lens):
            raise CorruptError(f"a pane of {row.segment} is published as one of {sent.segment}")
        return row

    @classmethod
    def of_pane(
        cls, pane: Pane, data: bytes, tick_ms: int, sources: tuple[int, ...], partition: int = -1, offset: int = -1
    ) -> Row:
        """The row of a pane and its bytes."""
        span = pane.segment, pane.tick, pane.end, tick_ms, sources
        return cls(*span, pane.n, pane.lens, *_sums(pane), partition, offset, data)

    def sent(self) -> Sent:
        """The pane as it was published, or as one source partition would have published the sum of several."""
        return Sent(self.sources[0], self.segment, self.tick, self.end, self.calls, self.lens, self.pane)

    def checked(self, place: str) -> Row:
        """The same, once its columns are seen to be what its pane says.

        Raises
        ------
        CorruptError
            They are not; ``place`` says where it stands.
        """
        try:
            pane = panes.decode(self.pane)
            made = Row.of_pane(pane, self.pane, self.tick_ms, self.sources, self.partition, self.offset)
        except CorruptError as error:
            raise CorruptError(f"{place}, {self.segment}: {error}; export or copy it again") from error
        if wrong := [name for name in self._fields if getattr(made, name) != getattr(self, name)]:
            raise CorruptError(
                f"{place}, {self.segment}: columns {', '.join(wrong)} do not say what the pane holds: somebody has "
                "changed them, or the file is damaged; export or copy it again"
            )
        if not self.sources or self.tick_ms <= 0 or (self.end - self.tick) % self.tick_ms:
            raise CorruptError(f"{place}, {self.segment}: sources and tick_s are no pane's; export or copy it again")
        return self


def _sums(pane: Pane) -> tuple[int, int, int, int, float]:
    """Answered calls, those with each flag, and the sum of the logs of one plus the answers' characters."""
    if pane.kept is None:  # quicker than the sums of them all
        rows = pane.sample.rows
        answered = rows["answered"] == 1
        logs = _LOG_LENGTHS[rows["bins"][answered, OUTPUT_CHARS]].sum()
        flags = rows["flags"].sum(axis=0, dtype=np.int64)
        return int(answered.sum()), *_flags(flags), float(logs) / LENGTH_GRID
    cells = pane.kept.cells
    answered = cells["n"][cells["answered"] == 1].sum()
    flags = cells["flags"].sum(axis=0)
    return int(answered), *_flags(flags), float(cells["length"][:, 0].sum()) / LENGTH_GRID


def _flags(counts: npt.NDArray[np.int64]) -> tuple[int, int, int]:
    """Errors, truncated and empty outputs."""
    error, truncated, empty = (int(n) for n in counts)
    return error, truncated, empty


@lru_cache(maxsize=1)
def schema() -> Any:
    """Columns of a file of panes, in order: `docs/archive.md` says what they mean."""
    pa, _ = arrow()
    moment, text = pa.timestamp("ms", tz="UTC"), pa.string()
    return pa.schema(
        [
            ("segment", text),
            ("app", text),
            ("prompt_name", text),
            ("variant", text),
            ("tick", moment),
            ("end", moment),
            ("resolution_s", pa.float64()),
            ("tick_s", pa.float64()),
            ("sources", pa.list_(pa.int32())),
            ("calls", pa.int64()),
            ("lens", text),
            ("answered", pa.int64()),
            ("errors", pa.int64()),
            ("truncated", pa.int64()),
            ("empty_outputs", pa.int64()),
            ("log_output_chars", pa.float64()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("bytes", pa.int64()),
            ("pane", pa.binary()),
        ]
    )


def to_table(rows: Sequence[Row]) -> Table:
    """Rows as columns, in the order given."""
    pa, _ = arrow()
    made: dict[str, Any] = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    names = {segment: parts_of(segment) for segment in set(made["segment"])}
    for place, name in enumerate(("app", "prompt_name", "variant")):
        made[name] = [names[segment][place] for segment in made["segment"]]
    made["resolution_s"] = [(row.end - row.tick) / 1000 for row in rows]
    made["tick_s"] = [row.tick_ms / 1000 for row in rows]
    made["bytes"] = [len(row.pane) for row in rows]
    return pa.table([pa.array(made[field.name], field.type) for field in schema()], schema=schema())


COLUMNS = tuple(name for name in Row._fields if name != "tick_ms")


def from_table(table: Table) -> Iterator[Row]:
    """Rows of a table that has the columns ``COLUMNS`` and ``tick_s``."""
    pa, _ = arrow()
    columns = {name: table.column(name) for name in (*COLUMNS, "tick_s")}
    columns |= {name: columns[name].cast(pa.int64()) for name in ("tick", "end")}
    lists = {name: column.to_pylist() for name, column in columns.items()}
    lists["tick_ms"] = [round(1000 * one) for one in lists.pop("tick_s")]
    lists["sources"] = [tuple(one) for one in lists["sources"]]
    return map(Row._make, zip(*(lists[name] for name in Row._fields), strict=True))
