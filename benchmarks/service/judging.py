"""How many segments one core judges in real time: messages of closed ticks to verdicts, and state to bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.service.cluster import PARTITIONS, Cluster
from benchmarks.service.results import Found, spread
from benchmarks.service.states import BASELINE, BEFORE, Crowd, marks
from streams import wire
from streams.judging import Judging
from streams.ledger import Ledger, Place
from streams.moves import Timetable
from streams.settings import Settings
from streams.shelf import Shelf
from streams.store import Store

SEGMENTS, GOAL = 2000, 2000
CALLS_A_TICK = (1, 3, 10)
BLOCK = 10
TICKS = 3
TICK_S = 10.0
NAMES = [f"app{number}/answer" for number in range(SEGMENTS)]


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time: of each segment's first tick, of every later one, and of saving all segments."""

    first: float
    ticks: Sequence[float]
    saving: float
    bytes: int

    def a_tick(self, save_s: float) -> float:
        """Of a tick, with its part of saving."""
        return median(self.ticks) + self.saving * TICK_S / save_s


class Desk:
    """What the judge has of a partition."""

    def __init__(self, crowd: Crowd, settings: Settings) -> None:
        shelf = Shelf(Store(settings.store), crowd.meter)
        self._ledger = Ledger(Place())
        self._crowd, self._ticks = crowd, 0
        self._judging = Judging(settings, shelf, Timetable("prod"), dict.fromkeys(NAMES, crowd.kept))

    def tick(self, counts: Sequence[int]) -> float:
        """Seconds of one more tick."""
        messages = [data for _, data in self._crowd.tick(self._ticks, counts, NAMES)] + marks(self._ticks)
        self._ticks += 1
        begun = time.process_time()
        for data in messages:
            for closed in self._ledger.add(self._ledger.position, wire.decode(data)):
                self._judging.apply(closed)
        return time.process_time() - begun

    def save(self) -> tuple[float, int]:
        """Seconds and bytes of saving what has changed."""
        begun = time.process_time()
        kept = self._judging.kept(self._ledger.position)
        return time.process_time() - begun, sum(map(len, kept.values()))


def spent(crowd: Crowd, settings: Settings, calls: int) -> Spent:
    """Judge some ticks of so many calls of each segment, whose blocks fill up evenly over the ticks."""
    desk = Desk(crowd, settings)
    first = desk.tick([1 + place % BLOCK for place in range(SEGMENTS)])
    ticks = [desk.tick([calls] * SEGMENTS) for _ in range(TICKS)]
    return Spent(first, ticks, *desk.save())


def loading(crowd: Crowd, settings: Settings) -> list[float]:
    """Milliseconds until a segment can be judged by a baseline that was not read before."""
    times = []
    for _ in range(TICKS + 1):
        shelf = Shelf(Store(settings.store), crowd.meter)
        judging = Judging(settings, shelf, Timetable("prod"), {NAMES[0]: crowd.kept})
        begun, ledger = time.process_time(), Ledger(Place())
        for data in [*(data for _, data in crowd.tick(0, [BLOCK], NAMES[:1])), *marks(0)]:
            for closed in ledger.add(ledger.position, wire.decode(data)):
                judging.apply(closed)
        times.append((time.process_time() - begun) * 1000)
    return times[1:]


def run(cluster: Cluster) -> Found:
    """Every rate of calls by itself."""
    settings = cluster.service(segments=SEGMENTS).settings
    crowd, save_s = Crowd(settings), settings.live.save_s
    found = {calls: spent(crowd, settings, calls) for calls in CALLS_A_TICK}
    core = {calls: SEGMENTS * TICK_S / one.a_tick(save_s) for calls, one in found.items()}
    rows = [
        [calls, *spread(one.ticks, ".2f"), f"{one.saving:.2f}", f"{one.bytes / 1e6:.0f}", f"{core[calls]:,.0f}"]
        for calls, one in found.items()
    ]
    first = median(one.first for one in found.values()) / SEGMENTS * 1000
    least, middle, most = spread(loading(crowd, settings), ".0f")
    return Found(
        "Judging",
        f"{SEGMENTS:,} segments of one baseline ({BASELINE:,} calls) and one state ({BEFORE:,} calls judged before), "
        f"panes of up to {PARTITIONS} partitions, a block of {BLOCK} calls judged whenever it is full. Seconds of "
        f"one core, and segments that it judges where a tick takes {TICK_S:g} s and all are saved every {save_s:g} s. "
        f"The first tick of a segment after a start takes {first:.1f} ms; with a baseline of its own, that and "
        f"the first block take {middle} ms ({least} to {most}).",
        ["calls of a segment a tick", "tick, least", "median", "most", "saving all", "MB", "segments a core"],
        rows,
        f"{GOAL:,} segments a core",
        min(core.values()) >= GOAL,
    )
