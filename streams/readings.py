"""What a call shows before there is a baseline: a few numbers, read from its record or from the row of a pane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from drift.bins import MISSING, VALUES
from drift.call import FLAGS, Rows
from drift.call import SERIES as COLUMNS
from drift.pane import Pane
from drift.provisional import DELTA, RARE_DELTA
from streams.records import Record


@dataclass(frozen=True, slots=True)
class Series:
    """One number of a call, which detector's question it answers, and how; ``column`` is its series in rows of panes.

    What has no column is a share of calls, told by the flag of the detector's name.
    """

    detector: str
    measure: str
    unit: str
    delta: float
    column: str
    read: Callable[[Record], float | None]

    def values(self, rows: Rows) -> list[tuple[float, int]]:
        """Its values in measured calls, as close as bins tell them, and their event times."""
        if not self.column:
            flags = rows["flags"][:, FLAGS.index(self.detector)].astype(float)
            return list(zip(flags.tolist(), rows["at"].tolist(), strict=True))
        bins = rows["bins"][:, COLUMNS.index(self.column)]
        there = bins != MISSING
        logs = np.log(np.maximum(VALUES[bins[there]], 1.0))
        return list(zip(logs.tolist(), rows["at"][there].tolist(), strict=True))


def _log(value: float | None) -> float | None:
    return None if value is None else log(max(value, 1.0))


def _answered(record: Record) -> bool:
    return bool(record.output) and not record.output.isspace()


SERIES = {
    "output_tokens": Series(
        "output_length",
        "typical output length",
        "tokens",
        DELTA,
        "output_tokens",
        lambda record: _log(record.output_tokens) if _answered(record) else None,
    ),
    "output_chars": Series(
        "output_length",
        "typical output length",
        "characters",
        DELTA,
        "output_chars",
        lambda record: _log(len(record.output)) if _answered(record) else None,
    ),
    "latency": Series("latency", "typical latency", "ms", DELTA, "latency_ms", lambda record: _log(record.latency_ms)),
    "error": Series(
        "error", "share of calls: error", "points", RARE_DELTA, "", lambda record: float(bool(record.error_type))
    ),
}
"""What is watched, call by call; lengths and times in logs, so that one long answer does not count as many."""

Readings = Mapping[str, Sequence[tuple[float, int]]]
"""Of each series the values of calls in their order, and their event times; calls without a value are left out."""


def of_pane(pane: Pane) -> Readings:
    """What the rows of a pane show, by event time: all calls of a tick, or a fair sample of them."""
    rows = pane.sample.rows
    rows = rows[np.lexsort([rows["key"], rows["at"]])]
    return {name: series.values(rows) for name, series in SERIES.items()}


def of_records(calls: Sequence[Record]) -> Readings:
    """What calls show, one by one."""
    return {
        name: [(value, one.event_time) for one in calls if (value := series.read(one)) is not None]
        for name, series in SERIES.items()
    }


def distinct(records: Iterable[Record]) -> list[Record]:
    """Calls by event time and id; of those with one id that of the smallest content hash, as in a pane."""
    kept: dict[str, Record] = {}
    for one in sorted(records, key=lambda record: record.content):
        kept.setdefault(one.call_id, one)
    return sorted(kept.values(), key=lambda record: (record.event_time, record.call_id))
