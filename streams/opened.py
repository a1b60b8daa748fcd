"""Panes from their bytes, and their sums: kept while several judges of one log ask for the same."""

from __future__ import annotations

from collections.abc import Sequence

from drift import pane
from drift.pane import Pane


class Opened:
    """Decodes and merges panes; what ``shared`` was asked for once is remembered until it is told to forget.

    Parameters
    ----------
    shared
        Whether there is more than one judge to ask.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._decoded: dict[int, tuple[bytes, Pane]] = {}  # by identity of the bytes, which are held so that it lasts
        self._merged: dict[tuple[int, ...], Pane] = {}

    def decode(self, data: bytes) -> Pane:
        """The pane of these bytes."""
        if not self._shared:
            return pane.decode(data)
        if id(data) not in self._decoded:
            self._decoded[id(data)] = data, pane.decode(data)
        return self._decoded[id(data)][1]

    def merge(self, panes: Sequence[Pane]) -> Pane:
        """The sum of panes that were decoded here."""
        if not self._shared:
            return pane.merge(panes)
        names = tuple(map(id, panes))
        if names not in self._merged:
            self._merged[names] = pane.merge(panes)
        return self._merged[names]

    def forget(self) -> None:
        """All judges have seen the tick."""
        self._decoded.clear()
        self._merged.clear()
