"""Records to rows: embeddings, format view, bins, flags and hashes of each call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xxhash

from drift.bins import to_bins
from drift.call import FLAGS, MARKERS, ROW, Rows
from drift.lens import Lens, fit
from drift.pane import Texts
from models.base import Embedder
from models.cache import GridEmbedder
from models.ngrams import FORMAT_VIEW, trigram_view
from streams.default_lens import default_lens
from streams.records import Record

EXCERPT = 400
"""Characters of input and output that travel with a sampled call."""

TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"})
"""Finish reasons of answers that were cut off."""

_BATCH = 1024

Grid = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Embeddings of inputs and outputs ``(n, dimensions)`` and the outputs' format view ``(n, 1024)``, on the grid."""

    inputs: Grid
    outputs: Grid
    formats: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Rows of calls, their excerpts (or none), and the names behind the rows' hashes."""

    rows: Rows
    texts: tuple[Texts, ...]
    names: dict[int, str]


def segment_of(record: Record) -> str:
    """The stream of calls that is judged together: app and prompt name."""
    return f"{record.app}/{record.prompt_name}" if record.prompt_name else record.app


class Meter:
    """Measures calls by one embedder.

    Parameters
    ----------
    excerpts
        Whether texts, cut to 400 characters, travel with sampled calls.
    salt
        Seeds the hashes of users and inputs, so that they cannot be looked up elsewhere.
    """

    def __init__(self, embedder: Embedder, *, excerpts: bool = True, salt: int = 0) -> None:
        """Measure by this embedder."""
        self.embedder = embedder
        self._grid = GridEmbedder(embedder)
        self._excerpts, self._salt = excerpts, salt
        self._codes: dict[str, int] = {}

    def default_lens(self) -> Lens:
        """The lens that needs no calls."""
        return default_lens(self.embedder)

    def fit_lens(self, records: Sequence[Record], *, progress: Callable[[int], None] = lambda done: None) -> Lens:
        """A lens made for these calls."""
        vectors = self.vectors(records, progress=progress)
        return fit(self.embedder.identity, FORMAT_VIEW, vectors.inputs, vectors.outputs, vectors.formats)

    def vectors(self, records: Sequence[Record], *, progress: Callable[[int], None] = lambda done: None) -> Vectors:
        """Vectors of these calls; ``progress`` is told how many are done."""
        if len(records) > _BATCH:
            parts = []
            for low in range(0, len(records), _BATCH):
                parts.append(self.vectors(records[low : low + _BATCH]))
                progress(min(low + _BATCH, len(records)))
            return Vectors(*(np.concatenate([getattr(p, name) for p in parts]) for name in Vectors.__slots__))
        outputs = [record.output for record in records]
        both = self._grid.measure([record.input for record in records] + outputs)
        return Vectors(both[: len(records)], both[len(records) :], trigram_view(outputs))

    def measure(self, lens: Lens, records: Sequence[Record]) -> Measured:
        """Rows of these calls, seen through a lens."""
        vectors = self.vectors(records)
        rows = np.zeros(len(records), ROW)
        rows["topic"], rows["band"], rows["features"] = lens.see(vectors.inputs, vectors.outputs, vectors.formats)
        names: dict[int, str] = {}
        for name, values in {
            "key": [_digest(f"{r.call_id}\0{r.event_time}") for r in records],
            "call": [_digest(r.call_id) for r in records],
            "content": [r.content for r in records],
            "at": [r.event_time for r in records],
            "stratum": [self._code(f"{r.prompt_version}\x1f{r.variant}", names) for r in records],
            "user": [_digest(r.user_id, seed=self._salt) if r.user_id else 0 for r in records],
            "asked": [_digest(r.input, seed=self._salt) for r in records],
        }.items():
            rows[name] = values
        answered = np.array([bool(r.output) and not r.output.isspace() for r in records], dtype=bool)
        rows["answered"] = answered
        rows["markers"] = [[self._code(v, names) if v else 0 for v in _markers(r)] for r in records]
        rows["bins"] = _bins(records, answered)
        rows["flags"] = _flags(records, answered)
        texts = tuple((r.input[:EXCERPT], r.output[:EXCERPT]) for r in records) if self._excerpts else ()
        return Measured(rows, texts, names)

    def _code(self, name: str, names: dict[int, str]) -> int:
        code = self._codes.get(name)
        if code is None:
            if len(self._codes) >= 65_536:
                self._codes.clear()
            code = self._codes[name] = _digest(name) or 1
        names[code] = name
        return code


def _digest(text: str, seed: int = 0) -> int:
    return int(xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed=seed))


def _markers(record: Record) -> tuple[str, ...]:
    return (
        record.model,
        record.served_model,
        record.fingerprint,
        record.prompt_version,
        record.app_version,
        record.region,
    )


assert MARKERS == ("model", "served_model", "fingerprint", "prompt_version", "app_version", "region")
assert FLAGS == ("error", "truncated", "empty_output")


def _bins(records: Sequence[Record], answered: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    values = np.array(
        [
            (
                len(r.input) or None,
                len(r.output),
                r.input_tokens,
                r.output_tokens,
                r.latency_ms,
                r.ttft_ms,
                None if r.cost_usd is None else r.cost_usd * 1e6,
            )
            for r in records
        ],
        dtype=np.float64,
    )
    values[~answered, 1] = np.nan
    values[~answered, 3] = np.nan
    return to_bins(values)


def _flags(records: Sequence[Record], answered: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    error = np.array([bool(r.error_type) for r in records], dtype=bool)
    truncated = np.array([r.finish_reason in TRUNCATED for r in records], dtype=bool)
    return np.stack([error, truncated, ~answered & ~error], axis=1).astype(np.int8)
