"""The default embedder: WordLlama's static token vectors, averaged."""

from __future__ import annotations

import logging
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from models.base import MAX_CHARACTERS, FloatArray, is_blank, unit_rows

_DIM = 256
_WORD = re.compile("▁+[^▁]*")  # the vocabulary writes a space as ▁
_WORD_MEMORY = 2**21  # characters of remembered words: some 50,000 words, 15 MB
_WORD_COST = 32  # charged on top of its characters, so that short words are bounded too


class StaticEmbedder:
    """WordLlama, 256 dimensions: the mean of a text's token vectors, at unit length.

    The vectors are those of ``WordLlama.embed(texts, norm=True)`` up to rounding, with two exceptions: blank texts are
    zero instead of NaN, and ``<s>``, ``</s>`` and ``<unk>`` are read as text, because in a call that is what they are.

    It is several times faster than the library on prose. No token of the vocabulary has a space after another
    character, so byte-pair encoding never merges across words, and the tokens of a word seen before can be remembered.
    The sum of a row adds its own tokens in their own order, so its bits depend on nothing else.

    Loading leaves the root logger alone and reads only the files of the installed package. No threads are started.
    """

    dim = _DIM
    exact = True

    def __init__(self) -> None:
        version, model = _load_library()
        self.identity = f"wordllama {version}, {_DIM} dimensions, float32, first {MAX_CHARACTERS} characters"
        self._table: FloatArray = model.embedding
        self._words = _WordTokens(model.tokenizer.model)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts; see :meth:`models.base.Embedder.embed`."""
        tokens = self._words.tokens(texts)
        indices = np.frombuffer(b"".join(tokens), dtype=np.int32)
        indptr = np.zeros(len(texts) + 1, dtype=np.int32)
        np.cumsum([len(row) // indices.itemsize for row in tokens], out=indptr[1:])
        chosen = csr_array(
            (np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(texts), len(self._table))
        )
        return unit_rows(np.asarray(chosen @ self._table, dtype=np.float32))

    def anchors(self) -> FloatArray:
        """Return the token table at unit length; see :meth:`models.base.Embedder.anchors`."""
        return unit_rows(self._table[self._table.any(axis=1)])


class _WordTokens:
    """Texts to token numbers, remembering the tokens of words."""

    def __init__(self, bpe: Any) -> None:
        self._bpe = bpe
        self._known: dict[str, bytes] = {}
        self._cost = 0

    def tokens(self, texts: Iterable[str]) -> list[bytes]:
        """Token numbers of each text, as the bytes of an int32 array; none for a blank text."""
        words = [_words(text) for text in texts]
        self._learn(set().union(*words).difference(self._known))
        known = self._known
        tokens = [b"".join([known[word] for word in row]) for row in words]
        if self._cost > _WORD_MEMORY:
            self._known, self._cost = {}, 0
        return tokens

    def _learn(self, words: Iterable[str]) -> None:
        """Tokenise new words; a lone surrogate, which the tokenizer refuses, counts as a question mark."""
        for word in words:
            readable = word.encode("utf-8", "replace").decode()
            self._known[word] = array("i", [token.id for token in self._bpe.tokenize(readable)]).tobytes()
            self._cost += len(word) + _WORD_COST


def _words(text: str) -> list[str]:
    """Cut a text before each run of spaces, where no token can span; a space stands before the first word too."""
    return [] if is_blank(text) else _WORD.findall("▁" + text[:MAX_CHARACTERS].replace(" ", "▁"))


def _load_library() -> tuple[str, Any]:
    """Version and model of the installed package."""
    with _root_logger_restored():
        import wordllama

        # Its own search for files fails offline; the package's folder given as a cache is where they are.
        folder = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=folder, dim=_DIM, disable_download=True)
    return wordllama.__version__, model


@contextmanager
def _root_logger_restored() -> Iterator[None]:
    """Undo the ``logging.basicConfig`` that importing WordLlama calls."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
