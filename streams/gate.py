"""Panes of several partitions to whole ticks, closed by watermark, as ``drift.verdict.judge`` takes them."""

from __future__ import annotations

from collections.abc import Iterable

from drift.pane import Pane, merge


class Gate:
    """Holds panes back until every partition's watermark has passed their tick, then merges them.

    Parameters
    ----------
    partitions
        Source partitions; one for a file.
    """

    def __init__(self, partitions: int = 1) -> None:
        """Start with nothing held."""
        self._watermarks = [0] * partitions
        self._held: dict[tuple[int, str], list[Pane]] = {}

    def add(self, partition: int, panes: Iterable[Pane], watermark: int) -> list[Pane]:
        """Merged panes that are now complete, in order of time, then segment.

        Parameters
        ----------
        panes, watermark
            What the partition published, and the event time below which it will publish no more.
        """
        for pane in panes:
            self._held.setdefault((pane.tick, pane.segment), []).append(pane)
        self._watermarks[partition] = max(self._watermarks[partition], watermark)
        passed = min(self._watermarks)
        done = sorted(place for place, held in self._held.items() if held[0].end <= passed)
        return [merge(self._held.pop(place)) for place in done]
