"""Calls that a baseline does not hold, seen through its lens: to try it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from drift import verdict
from drift.baseline import Baseline
from drift.block import sizes
from drift.budget import LARGEST
from drift.call import Rows
from drift.pane import Pane
from drift.parts import IntArray
from drift.state import Judge, start
from streams.alerts import Alert, alert
from streams.measure import Meter
from streams.observe import Clock, Observer, Sight
from streams.records import Record

_BATCH = 1000
_MS_A_DAY = 86_400_000


@dataclass(frozen=True)
class HeldBack:
    """Panes of calls in order of time, whose samples hold every call."""

    panes: Sequence[Pane]

    @cached_property
    def rows(self) -> Rows:
        """The calls in order of their ticks, in one tick in that of their keys."""
        return np.concatenate([pane.sample.rows for pane in self.panes])

    @cached_property
    def blocks(self) -> IntArray:
        """Calls of each block that is judged, cut as in calibration; the last calls may be in none."""
        made = [[LARGEST] * (n // LARGEST) + [n % LARGEST] * (n % LARGEST > 0) for n in sizes(self.panes)]
        return np.array([part for block in made for part in block], np.int64)

    @property
    def calls_a_day(self) -> float:
        """Their rate of calls."""
        return len(self.rows) / max((self.panes[-1].end - self.panes[0].tick) / _MS_A_DAY, 1e-6)

    def judged(self, judge: Judge) -> list[Alert]:
        """Alarms that begin while the calls are judged in their order; facts about prompt versions are none."""
        state, raised = start(judge), list[Alert]()
        for pane in self.panes:
            state, alarms = verdict.judge(judge, state, pane)
            raised += [alert(judge, pane.segment, one, replay="") for one in alarms if one.state == "firing"]
        return [one for one in raised if one.rule is None]


def seen(
    meter: Meter,
    baseline: Baseline,
    records: Sequence[Record],
    clock: Clock,
    *,
    progress: Callable[[float], None] = lambda done: None,
) -> HeldBack:
    """Calls in order of time through the baseline's lens, each id of a tick once."""
    sight = Sight.of(baseline)
    observer = Observer(meter, lambda segment, tick: sight, clock, sample=max(len(records), 1))
    for low in range(0, len(records), _BATCH):
        observer.add(records[low : low + _BATCH])
        progress(min(low + _BATCH, len(records)) / len(records))
    return HeldBack(observer.finish())
