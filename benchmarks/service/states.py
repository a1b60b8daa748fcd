"""Many segments that a judge knows, and the messages of their ticks: all are given one baseline and one state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import chain

import msgspec
import numpy as np

from benchmarks.service import calls
from benchmarks.service.cluster import PARTITIONS
from drift import pane as panes
from drift import snapshot, verdict
from drift.pane import Pane
from drift.state import Judge, start
from models.static import StaticEmbedder
from streams import wire
from streams.building import build_baseline
from streams.judging import Kept
from streams.measure import Measured, Meter
from streams.observe import TICK_MS
from streams.records import Record, Rejected, decode
from streams.settings import Settings
from streams.store import Store
from streams.wire import Mark, Sent

BASELINE, BEFORE = 3000, 3000
"""Calls of the baseline, and calls that were judged by it before."""

KINDS, MOST = 60, 10
"""Different ticks, and the most calls of one."""

BEGIN_MS = calls.START_MS + (BASELINE + BEFORE) * 1000
"""Start of the first tick that is judged next."""


def records(first: int, count: int) -> list[Record]:
    """Calls of one app, one a second of event time."""
    made = ({**calls.call(number, rate=1), "app": "app"} for number in range(first, first + count))
    found = [decode(msgspec.json.encode(one), now_ms=1 << 43) for one in made]
    return [one for one in found if not isinstance(one, Rejected)]


class Crowd:
    """A baseline in the store, the bytes that are saved of a segment judged by it for a while, and what comes next."""

    def __init__(self, settings: Settings) -> None:
        """Build the baseline, store it, and judge."""
        meter = Meter(StaticEmbedder())
        given = records(0, BASELINE + BEFORE + KINDS * MOST)
        self.baseline = build_baseline(meter, given[:BASELINE], force=True)
        Store(settings.store).put_baseline(self.baseline)
        self.meter, self._measured = meter, meter.measure(self.baseline.lens, given[BASELINE:], self.baseline.declared)
        judge = Judge(self.baseline, settings.budget, settings.all_tolerances, settings.clear_after)
        ticks = (
            self._pane(calls.START_MS + (BASELINE + first) * 1000, range(first, first + MOST))
            for first in range(0, BEFORE, MOST)
        )
        state = reduce(lambda state, pane: verdict.judge(judge, state, pane)[0], ticks, start(judge))
        self.kept = msgspec.msgpack.encode(Kept(-1, self.baseline.id, state=snapshot.encode(state)))

    def tick(self, number: int, counts: Sequence[int], names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Segment and message of the panes of a tick in which each segment has so many calls, over all partitions."""
        at = BEGIN_MS + number * TICK_MS
        made: dict[tuple[int, int], list[bytes]] = {}
        for place, (name, count) in enumerate(zip(names, counts, strict=True)):
            kind = (place + 7 * number) % KINDS
            if (kind, count) not in made:
                made[kind, count] = [panes.encode(one) for one in self._split(at, kind, count)]
            for source, data in enumerate(made[kind, count]):
                calls_there = len(range(source, count, PARTITIONS))
                sent = Sent(source, name, at, at + TICK_MS, calls_there, self.baseline.pane.lens, data)
                yield name, wire.encode(sent)

    def _split(self, at: int, kind: int, count: int) -> list[Pane]:
        first = BEFORE + kind * MOST
        parts = [range(first + source, first + count, PARTITIONS) for source in range(min(count, PARTITIONS))]
        return [self._pane(at, part) for part in parts]

    def _pane(self, at: int, chosen: range) -> Pane:
        found: Measured = self._measured.take(np.array(chosen))
        found.rows["at"] = at + np.arange(len(chosen)) * (TICK_MS // MOST)
        names = dict(chain.from_iterable(one.items() for one in found.names))
        lens = self.baseline.pane.lens
        return Pane.of(lens, "app/answer", (at, at + TICK_MS), found.rows, found.texts, names)


def marks(number: int) -> list[bytes]:
    """What every partition says once a tick is over."""
    at = BEGIN_MS + (number + 1) * TICK_MS
    return [wire.encode(Mark(source, PARTITIONS, at, number)) for source in range(PARTITIONS)]
