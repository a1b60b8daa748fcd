"""What every embedder promises, and the integer grid its vectors are rounded to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
GridArray = NDArray[np.int16]

GRID = 16384
"""Steps of the grid from 0 to 1: the largest power of two at which a unit vector fits ``int16``."""

MAX_CHARACTERS = 8192
"""Characters of a text that are read. It bounds the cost of one call, and is part of every identity."""


class Embedder(Protocol):
    """Texts to unit vectors."""

    @property
    def identity(self) -> str:
        """Everything the vectors depend on, in words: part of a lens' identity."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def exact(self) -> bool:
        """Whether the bits of a row are independent of the other texts of its batch and of their order."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts.

        Parameters
        ----------
        texts
            Any strings; lone surrogates are allowed.

        Returns
        -------
        FloatArray
            Shape ``(len(texts), dim)``. Rows have unit length; that of an empty or blank text is zero. Never NaN.
        """

    def anchors(self) -> FloatArray:
        """Vectors the embedder knows without any corpus, shape ``(m, dim)``, of unit length.

        A codebook fitted to them covers what people may say before anybody has said it.
        """


def load_embedder(name: str = "wordllama", **options: Any) -> Embedder:
    """Load an embedder by name.

    Parameters
    ----------
    name
        ``wordllama``, or ``sentence-transformers:`` followed by a model's name or folder.
    options
        For sentence transformers: ``device``, ``batch_size``, ``half``.

    Raises
    ------
    ValueError
        No embedder has this name.
    ImportError
        The embedder needs an extra that is not installed.
    """
    # Imported here because each brings seconds of imports that the other does not need.
    kind, _, model = name.partition(":")
    if name == "wordllama":
        from models.static import StaticEmbedder

        return StaticEmbedder(**options)
    if kind == "sentence-transformers" and model:
        from models.sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder.load(model, **options)
    raise ValueError(f"embedder must be 'wordllama' or 'sentence-transformers:<name or folder>', got {name!r}")


def to_grid(vectors: FloatArray) -> GridArray:
    """Round vectors to the grid, half to even, so that sums of them are exact.

    Parameters
    ----------
    vectors
        Any shape, entries within ±1.

    Returns
    -------
    GridArray
        ``vectors * GRID``, same shape.

    Raises
    ------
    ValueError
        An entry is NaN, infinite or beyond the grid.

    Examples
    --------
    >>> to_grid(np.array([1.0, -0.5, 0.5 / 16384, 1.5 / 16384], dtype=np.float32))
    array([16384, -8192,     0,     2], dtype=int16)
    """
    largest = max(vectors.max(initial=0.0), -vectors.min(initial=0.0))
    if not largest <= 1.001:  # also false for NaN, which both extremes pass on
        raise ValueError(f"vectors must be finite with entries within ±1, got an entry of size {largest}")
    grid: GridArray = np.rint(vectors * np.float32(GRID)).astype(np.int16)
    return grid


def unit_rows(rows: FloatArray) -> FloatArray:
    """Scale each row to unit length; a row of zeros stays one.

    Lengths are summed in float64: the order in which a processor adds then hardly ever shows in the float32 result.
    """
    squares: NDArray[np.float64] = np.square(rows.astype(np.float64)).sum(axis=1, keepdims=True)
    lengths = np.sqrt(np.where(squares > 0, squares, 1.0)).astype(np.float32)
    return rows / lengths


def is_blank(text: str) -> bool:
    """Whether a text says nothing: empty, or white space only."""
    return not text or text.isspace()
