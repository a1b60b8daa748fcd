"""Texts to grid vectors, embedding a text again only when it has been forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from models.base import Embedder, GridArray, to_grid

_ENTRY_BYTES = 256  # of Python objects per row: key 49, slot 32, node 56, and a place in a dict that may be half empty


class GridEmbedder:
    """An embedder, the grid, and a bounded memory of the rows asked for most recently.

    The memory changes cost, never results: a row depends on its text alone where the embedder is exact, and differs
    only as far as the embedder's own rows do between batches where it is not. Texts are told apart by a 128-bit hash.
    Not safe for use from several threads at once.

    Parameters
    ----------
    embedder
        What embeds texts that are not remembered.
    cache_bytes
        Upper bound of the memory, bookkeeping included. At 0 only repeats within a batch are saved.

    Attributes
    ----------
    hits, misses
        Texts answered from memory or from an equal text of the batch; texts embedded.

    Raises
    ------
    ValueError
        ``cache_bytes`` is negative.
    """

    def __init__(self, embedder: Embedder, cache_bytes: int = 64 * 2**20) -> None:
        if cache_bytes < 0:
            raise ValueError(f"cache_bytes must not be negative, got {cache_bytes}; 0 remembers nothing")
        self.embedder = embedder
        self.hits = 0
        self.misses = 0
        self._capacity = cache_bytes // (2 * embedder.dim + _ENTRY_BYTES)
        self._rows: GridArray = np.empty((self._capacity, embedder.dim), dtype=np.int16)
        self._slots: OrderedDict[bytes, int] = OrderedDict()  # oldest first; row of each remembered text

    def measure(self, texts: Sequence[str]) -> GridArray:
        """Embed texts on the grid.

        Returns
        -------
        GridArray
            Shape ``(len(texts), dim)``: the embedder's rows through :func:`models.base.to_grid`.
        """
        slots, recall = self._slots, self._slots.move_to_end
        new: dict[bytes, int] = {}
        new_texts: list[str] = []
        sources: list[int] = []  # a slot, or a position in new_texts counted from -1 downwards
        for text in texts:
            key = xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
            slot = slots.get(key)
            if slot is not None:
                recall(key)
                sources.append(slot)
                continue
            position = new.setdefault(key, len(new_texts))
            if position == len(new_texts):
                new_texts.append(text)
            sources.append(~position)
        self.misses += len(new)
        self.hits += len(sources) - len(new)
        return self._gather(np.array(sources, dtype=np.intp), new, new_texts)

    def _gather(self, sources: NDArray[np.intp], new: dict[bytes, int], texts: list[str]) -> GridArray:
        """Rows from memory and from the embedder, in the order asked for; the latter are remembered."""
        remembered = sources >= 0
        rows: GridArray = np.empty((len(sources), self.embedder.dim), dtype=np.int16)
        rows[remembered] = self._rows[sources[remembered]]
        if texts:
            fresh = to_grid(self.embedder.embed(texts))
            rows[~remembered] = fresh[~sources[~remembered]]
            self._remember(list(new), fresh)
        return rows

    def _remember(self, keys: list[bytes], rows: GridArray) -> None:
        """Keep rows, in place of the oldest where memory is full; the last ones of more than it holds."""
        if not self._capacity:
            return
        keys = keys[-self._capacity :]
        taken: list[int] = []
        for key in keys:
            slot = len(self._slots) if len(self._slots) < self._capacity else self._slots.popitem(last=False)[1]
            self._slots[key] = slot
            taken.append(slot)
        self._rows[taken] = rows[-len(keys) :]
