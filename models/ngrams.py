"""The format view: how a text is written, whatever it says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import GRID, GridArray

FORMAT_VIEW = "byte 3-grams 1, first 4096 bytes"
"""Names the view and its version. With the number of buckets it is part of the identity of a lens."""

BUCKETS = 1024
"""Width of the view."""

_MAX_BYTES = 4096
_MULTIPLIER = np.uint32(0x9E3779B1)  # 2**32 / golden ratio: Knuth's multiplicative hash
_CHUNK = 32  # texts counted at once: 32 rows of 1,024 counts stay in a core's cache


def trigram_view(texts: Sequence[str], buckets: int = BUCKETS) -> GridArray:
    """Hashed counts of the overlapping 3-grams of each text's UTF-8 bytes.

    Semantic embedders half miss a change of format such as ``(A) x`` to ``(A). x``; these counts see it at once.

    Parameters
    ----------
    texts
        Any strings, lone surrogates too. The first 4,096 bytes of each are read.
    buckets
        A power of two, 2 to 65,536.

    Returns
    -------
    GridArray
        Shape ``(len(texts), buckets)``: the square root of each bucket's share of the text's 3-grams, times
        :data:`models.base.GRID`, rounded half to even. The square roots have unit length. A text of fewer than three
        bytes is a row of zeros.

    Raises
    ------
    ValueError
        ``buckets`` is not a power of two in its range.

    Examples
    --------
    >>> view = trigram_view(["aaaa", "ab"], buckets=4)
    >>> view.max(axis=1)
    array([16384,     0], dtype=int16)
    """
    if not 2 <= buckets <= 65536 or buckets & (buckets - 1):
        raise ValueError(f"buckets must be a power of two from 2 to 65536, got {buckets}")
    view = np.zeros((len(texts), buckets), dtype=np.int16)
    for start in range(0, len(texts), _CHUNK):
        chunk = [_first_bytes(text) for text in texts[start : start + _CHUNK]]
        _count(chunk, view[start : start + _CHUNK])
    return view


def _first_bytes(text: str) -> bytes:
    return text[:_MAX_BYTES].encode("utf-8", "surrogatepass")[:_MAX_BYTES]


def _count(chunk: list[bytes], view: GridArray) -> None:
    """Fill the rows of ``view``, which are zero, from the bytes of their texts."""
    buckets = view.shape[1]
    lengths = np.array([len(text) for text in chunk])
    starts = np.cumsum(lengths) - lengths
    # Every byte ends a gram, but the first two of a text end one that began in the text before.
    inside = np.ones(lengths.sum() + 2, dtype=np.bool_)
    inside[starts] = inside[starts + 1] = False
    inside = inside[:-2]
    rows = np.repeat(np.arange(0, view.size, buckets), lengths)
    cells = (rows + _hashed_grams(b"".join(chunk), buckets))[inside]
    scale = np.repeat(GRID / np.sqrt(np.maximum(lengths - 2, 1)), lengths)[inside]
    counts = np.bincount(cells, minlength=view.size)[cells]
    # Only cells that hold something are computed: a short text fills few of its buckets.
    view.reshape(-1)[cells] = np.rint(np.sqrt(counts) * scale)


def _hashed_grams(text: bytes, buckets: int) -> NDArray[np.uint32]:
    """Bucket of the gram that ends at each byte."""
    ends = np.frombuffer(b"\0\0" + text, dtype=np.uint8).astype(np.uint32)
    grams = ends[:-2] << np.uint32(16) | ends[1:-1] << np.uint32(8) | ends[2:]
    return (grams * _MULTIPLIER) >> np.uint32(33 - buckets.bit_length())  # the product's highest bits
