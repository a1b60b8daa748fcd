"""One partition of the panes topic: which ticks its messages have completed, as a function of that log alone.

A tick closes when every source partition is known to have passed it, by its own watermark or, while it is idle, by a
word that it still is so, written after the watermark of another partition: a partition whose first calls are on their
way is not overtaken by those that are read sooner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from streams.wire import Mark, Message, Sent

REPUBLISHED = "republished_panes"
OVERTAKEN = "overtaken_calls"


class Place(msgspec.Struct, frozen=True):
    """All that must be known to read on from an offset of the panes topic.

    Attributes
    ----------
    sources
        Source partitions, as far as they were told of; none of them may be without a mark when a tick closes.
    watermarks, reach
        By source partition: its own watermark, and the event time that it is known to have passed.
    closed
        Ticks that end at or before this event time are closed.
    counts
        Messages and what became of them.
    """

    offset: int = 0
    sources: int = 0
    watermarks: dict[int, int] = {}
    reach: dict[int, int] = {}
    closed: int = 0
    counts: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed tick of a segment: one pane of each source partition that had calls, and where that became known."""

    tick: int
    segment: str
    panes: Sequence[Sent]
    offset: int


class Ledger:
    """Holds panes back until every source partition has passed their tick.

    Attributes
    ----------
    position
        Offset of the next message to read.
    """

    def __init__(self, place: Place) -> None:
        """Read on from a place."""
        self.position = place.offset
        self.counts = Counter(place.counts)
        self._watermarks, self._reach = dict(place.watermarks), dict(place.reach)
        self._sources, self._closed = place.sources, place.closed
        self._held: dict[tuple[int, str], dict[int, Sent]] = {}
        self._places: dict[int, Place] = {}  # by tick: the place of its first pane
        self._seen: dict[int, set[tuple[int, int, str]]] = {}  # by source: names of panes since its watermark

    @property
    def place(self) -> Place:
        """Where to read on so that no pane that is held back is missed."""
        return min(self._places.values(), key=lambda place: place.offset, default=self._here())

    @property
    def closed(self) -> int:
        """Event time up to which ticks are closed."""
        return self._closed

    @property
    def waiting_for(self) -> list[int]:
        """Source partitions that no mark has come from, or that are behind all others."""
        missing = [source for source in range(self._sources) if source not in self._reach]
        if missing or not self._reach:
            return missing
        last = min(self._reach.values())
        return [source for source, reached in self._reach.items() if reached == last < max(self._reach.values())]

    @property
    def held(self) -> int:
        """Panes held back."""
        return sum(map(len, self._held.values()))

    def add(self, offset: int, message: Message) -> list[Closed]:
        """Ticks that the message at this offset completes, in order of time, then segment."""
        if isinstance(message, Sent):
            self._hold(offset, message)
        self.position = offset + 1
        return self._close(offset, message) if isinstance(message, Mark) else []

    def _hold(self, offset: int, pane: Sent) -> None:
        seen, name = self._seen.setdefault(pane.source, set()), (pane.end, pane.tick, pane.segment)
        if name in seen or pane.end <= self._watermarks.get(pane.source, 0):
            self.counts[REPUBLISHED] += 1
            return
        seen.add(name)
        if pane.end <= self._closed:
            self.counts[OVERTAKEN] += pane.calls
        else:
            if pane.tick not in self._places:
                self._places[pane.tick] = self._here()
            self._held.setdefault((pane.tick, pane.segment), {})[pane.source] = pane

    def _close(self, offset: int, mark: Mark) -> list[Closed]:
        self._sources = max(self._sources, mark.sources)
        watermark = self._watermarks[mark.source] = max(self._watermarks.get(mark.source, 0), mark.watermark)
        self._seen[mark.source] = {name for name in self._seen.get(mark.source, ()) if name[0] > watermark}
        others = min(mark.idle, max(self._watermarks.values()))
        self._reach[mark.source] = max(self._watermarks[mark.source], others)
        if len(self._reach) < self._sources:
            return []
        bound = min(self._reach.values())
        self._closed = max(self._closed, bound)
        done = sorted(key for key, held in self._held.items() if next(iter(held.values())).end <= bound)
        closed = [Closed(*key, [pane for _, pane in sorted(self._held.pop(key).items())], offset) for key in done]
        if closed:
            still = {tick for tick, _ in self._held}
            self._places = {tick: place for tick, place in self._places.items() if tick in still}
        return closed

    def _here(self) -> Place:
        return Place(
            self.position, self._sources, dict(self._watermarks), dict(self._reach), self._closed, dict(self.counts)
        )
