"""Segments too small for a baseline of their own: their calls are judged together, those of an app in one pool.

Who belongs to a pool is settled in event time, tick by tick as they close: the same whatever batches the log came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import msgspec

from drift.panel import KINDS
from streams.measure import POOLED, parts_of
from streams.observe import Clock
from streams.records import Record

SMALL = 4
"""A segment is small while it has fewer than the wanted calls over this: larger ones soon have enough themselves."""

SILENT = {name: inf for name, kind in KINDS.items() if kind == "data"}
"""Tolerances of what a pool never says: which prompts are called how often is not what people ask."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Small segments of an app: those that had calls before ``end``, when they had enough for a baseline together."""

    prompt_name: str
    name: str
    members: tuple[str, ...]
    end: int


def pooled(record: Record, pool: Pool) -> Record:
    """The call as one of its pool: what told it from others of its app is its variant."""
    label = " ".join(filter(None, (record.prompt_name or "(no prompt)", record.prompt_version)))
    label += "" if record.variant == "live" else f" ({record.variant})"
    return msgspec.structs.replace(
        record, prompt_name=pool.prompt_name, prompt_version="", prompt_hash="", variant=label
    )


class Pools:
    """Which small segments have enough calls together.

    Parameters
    ----------
    wanted
        Calls that become a baseline.

    Attributes
    ----------
    of
        The pool of each segment that is in one.
    """

    def __init__(self, wanted: int, clock: Clock) -> None:
        """Start with nothing seen."""
        self.of: dict[str, Pool] = {}
        self._wanted, self._clock = wanted, clock
        self._open: dict[int, Counter[str]] = {}
        self._waiting: dict[str, Counter[str]] = {}  # by app, calls of closed ticks
        self._small: Counter[str] = Counter()  # by app, those of its small segments
        self._made: Counter[str] = Counter()

    def count(self, name: str, event_time: int) -> None:
        """Take note of a call of a segment that waits for a baseline."""
        if name not in self.of:
            self._open.setdefault(self._clock.tick(event_time), Counter())[name] += 1

    def gathered(self, watermark: int) -> list[Pool]:
        """Pools that closed ticks have completed, in order of time, then app."""
        made = []
        for tick in sorted(one for one in self._open if one + self._clock.tick_ms <= watermark):
            grown = {name: n for name, n in self._open.pop(tick).items() if name not in self.of}
            for app in sorted({_app(name) for name in grown if _poolable(name)}):
                self._grow(app, {name: n for name, n in grown.items() if _poolable(name) and _app(name) == app})
                if self._small[app] >= self._wanted:
                    members = [name for name, n in self._waiting[app].items() if n * SMALL < self._wanted]
                    made.append(self._pool(app, members, tick + self._clock.tick_ms))
        return made

    def last(self, waiting: Mapping[str, Iterable[int]], least: int) -> list[Pool]:
        """Pools of segments that have fewer calls than are needed, at the end of the log; the first half is a baseline.

        Parameters
        ----------
        waiting
            Event times of the calls of each segment that is not judged.
        """
        made = []
        apps: dict[str, list[str]] = {}
        for name in waiting:
            if _poolable(name) and name not in self.of:
                apps.setdefault(_app(name), []).append(name)
        for app, names in sorted(apps.items()):
            times = sorted(at for name in names for at in waiting[name])
            if len(names) > 1 and len(times) >= least:
                middle = times[min(len(times) // 2, self._wanted) - 1]
                made.append(self._pool(app, names, self._clock.tick(middle) + self._clock.tick_ms))
        return made

    def _grow(self, app: str, grown: Mapping[str, int]) -> None:
        waiting = self._waiting.setdefault(app, Counter())
        for name, n in grown.items():
            before, after = waiting[name], waiting[name] + n
            waiting[name] = after
            small = [calls if calls * SMALL < self._wanted else 0 for calls in (before, after)]
            self._small[app] += small[1] - small[0]

    def _pool(self, app: str, members: Iterable[str], end: int) -> Pool:
        self._made[app] += 1
        number = self._made[app]
        prompt = f"{POOLED}{number if number > 1 else ''}"
        pool = Pool(prompt, f"{app}/{prompt.removeprefix(POOLED[:-1])}", tuple(sorted(members)), end)
        self.of |= dict.fromkeys(pool.members, pool)
        for name in pool.members:
            self._small[app] -= self._waiting.get(app, Counter()).pop(name, 0)
        return pool


def _app(name: str) -> str:
    """App of a segment, as its name spells it."""
    return name.partition("#")[0].partition("/")[0]


def _poolable(name: str) -> bool:
    """Shadow calls are no part of a pool: no user saw them."""
    return not parts_of(name)[2]
