"""Records to rows: embeddings, format view, bins, flags and hashes of each call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import xxhash

from drift.bins import to_bins
from drift.call import FLAGS, MARKERS, NOTHING, ROW, SCORES, SERIES, Declared, Rows
from drift.lens import Lens, fit
from drift.pane import Texts
from models.base import Embedder
from models.cache import GridEmbedder
from models.ngrams import FORMAT_VIEW, trigram_view
from streams.default_lens import default_lens
from streams.records import Record
from streams.redact import EXCERPT, PIECE, Privacy, Redacted
from streams.scores import binned
from streams.slices import coded

TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"})
"""Finish reasons of answers that were cut off."""

_BATCH = 1024

Grid = npt.NDArray[np.int16]
Names = Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Embeddings of inputs and outputs ``(n, dimensions)`` and the outputs' format view ``(n, 1024)``, on the grid."""

    inputs: Grid
    outputs: Grid
    formats: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """Calls that were measured and not yet seen through a lens: it takes no texts to make their rows.

    Parameters
    ----------
    records
        Their labels, numbers and scores; texts, content, user and context are not looked at.
    input_chars, output_chars
        Characters of the texts.
    answered
        Whether there is an output that is not blank.
    content, user, asked
        Hashes of the record as it came and, salted, of the user (0 where unknown) and of the input.
    """

    records: Sequence[Record]
    vectors: Vectors
    input_chars: npt.NDArray[np.int32]
    output_chars: npt.NDArray[np.int32]
    answered: npt.NDArray[np.bool_]
    content: npt.NDArray[np.uint64]
    user: npt.NDArray[np.uint64]
    asked: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Rows of calls, the beginnings of their texts (or none), and the names behind each row's hashes.

    Texts are as they came: ``Meter.shown`` says what of them may leave the process. Equal labels share their names.
    """

    rows: Rows
    texts: tuple[Texts, ...]
    names: tuple[Names, ...]

    def take(self, chosen: npt.NDArray[np.intp]) -> Measured:
        """Some of the calls, in the order given."""
        places = chosen.tolist()
        texts = tuple([self.texts[i] for i in places]) if self.texts else ()
        return Measured(self.rows[chosen], texts, tuple([self.names[i] for i in places]))


def joined(parts: Sequence[Measured]) -> Measured:
    """The calls of one or more parts."""
    if len(parts) == 1:
        return parts[0]
    return Measured(
        np.concatenate([part.rows for part in parts]),
        tuple(chain.from_iterable(part.texts for part in parts)),
        tuple(chain.from_iterable(part.names for part in parts)),
    )


def segment_of(record: Record) -> str:
    """The stream of calls that is judged together: app and prompt name; shadow calls, which no user saw, apart."""
    return _segment(record.app, record.prompt_name, record.variant == "shadow")


POOLED = "\x1f*"
"""How the prompt name of a pooled call begins: no prompt is named so, and its segment is written ``app/*``."""


@lru_cache(maxsize=4096)
def _segment(app: str, prompt: str, shadow: bool) -> str:
    prompt = f"%2A{_quoted(prompt[1:])}" if prompt.startswith("*") else _quoted(prompt).removeprefix(POOLED[:-1])
    name = _quoted(app).replace("/", "%2F") + (f"/{prompt}" if prompt else "")
    return f"{name}#shadow" if shadow else name


def _quoted(name: str) -> str:
    return name.replace("%", "%25").replace("#", "%23")


def parts_of(segment: str) -> tuple[str, str, str]:
    """App, prompt name and variant (``shadow``, or none) of a segment; what there is none of is empty."""
    name, _, variant = segment.partition("#")
    app, _, prompt = name.partition("/")
    return unquote(app), unquote(prompt), variant


def segment_name(app: str, prompt: str, variant: str, *, pooled: bool = False) -> str:
    """The segment of which ``parts_of`` gives these parts; ``pooled`` where it is the pool of an app."""
    return _segment(app, POOLED if pooled else prompt, variant == "shadow")


class Meter:
    """Measures calls by one embedder.

    Parameters
    ----------
    texts
        Whether texts, cut to 400 characters, travel with sampled calls: as they came, redacted or not at all.
    salt
        Seeds the hashes of users and inputs. Only a secret one keeps known users and texts from being guessed: 0, the
        default, is no protection.

    Attributes
    ----------
    embed_s
        Seconds spent in the embedder so far.
    """

    def __init__(self, embedder: Embedder, *, texts: Privacy = "full", salt: int = 0) -> None:
        """Measure by this embedder."""
        self.embedder = embedder
        self._grid = GridEmbedder(embedder)
        self.texts, self._salt = texts, salt
        self.embed_s = 0.0

    @property
    def embedded(self) -> int:
        """Texts embedded so far; those that are remembered do not count."""
        return self._grid.misses

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
        begun = time.perf_counter()
        both = self._grid.measure([record.input for record in records] + outputs)
        self.embed_s += time.perf_counter() - begun
        return Vectors(both[: len(records)], both[len(records) :], trigram_view(outputs))

    def measure(self, lens: Lens, records: Sequence[Record], declared: Declared = NOTHING) -> Measured:
        """Rows of these calls, seen through a lens, with declared fields and named scores."""
        kept = EXCERPT if self.texts == "full" else PIECE + 1
        texts = tuple([(r.input[:kept], r.output[:kept]) for r in records]) if self.texts != "none" else ()
        return replace(seen(self.unseen(records), lens, declared), texts=texts)

    def unseen(self, records: Sequence[Record]) -> Unseen:
        """What is measured of these calls whatever the lens."""
        answered = [bool(r.output) and not r.output.isspace() for r in records]
        return Unseen(
            records,
            self.vectors(records),
            np.array([len(r.input) for r in records], np.int32),
            np.array([len(r.output) for r in records], np.int32),
            np.array(answered, dtype=bool),
            np.array([r.content for r in records], np.uint64),
            np.array(_users(records, self._salt), np.uint64),
            np.array(digests([r.input for r in records], self._salt), np.uint64),
        )

    def shown(self, texts: Sequence[Texts]) -> Sequence[Texts]:
        """Excerpts of measured texts that may leave the process; each is made when it is asked for."""
        return Redacted(texts) if self.texts == "redacted" else texts


def seen(calls: Unseen, lens: Lens, declared: Declared = NOTHING) -> Measured:
    """Rows of measured calls, seen through a lens, with declared fields and named scores; without texts."""
    records, vectors = calls.records, calls.vectors
    rows = np.zeros(len(records), ROW)
    rows["topic"], rows["band"], rows["features"] = lens.see(vectors.inputs, vectors.outputs, vectors.formats)
    labels, names = _labels(records)
    for name, values in {
        "key": digests([f"{r.call_id}\0{r.event_time}" for r in records]),
        "call": digests([r.call_id for r in records]),
        "content": calls.content,
        "at": [r.event_time for r in records],
        "stratum": labels[:, 0],
        "user": calls.user,
        "asked": calls.asked,
        "markers": labels[:, 1:],
        "slices": coded(records, declared.slices),
        "answered": calls.answered,
        "bins": np.concatenate([_bins(calls), binned(records, declared.scores)], axis=1),
        "flags": _flags(records, calls.answered),
    }.items():
        rows[name] = values
    return Measured(rows, (), names)


def _users(records: Sequence[Record], salt: int) -> list[int]:
    users = [r.user_id for r in records]
    return [code if name else 0 for name, code in zip(users, digests(users, salt), strict=True)]


def digests(texts: Iterable[str], seed: int = 0) -> list[int]:
    """XXH3-64 of each text, lone surrogates included."""
    return [xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed) for text in texts]


_VARIANT_AND_MARKERS = attrgetter("variant", *MARKERS)


def _labels(records: Sequence[Record]) -> tuple[npt.NDArray[np.uint64], tuple[Names, ...]]:
    """Hashes of each record's stratum and markers ``(n, 1 + markers)``, and the names behind them."""
    distinct: dict[tuple[str, ...], int] = {}
    places = [distinct.setdefault(labels, len(distinct)) for labels in map(_VARIANT_AND_MARKERS, records)]
    coded = [_coded(*labels) for labels in distinct]
    codes = np.array([codes for codes, _ in coded], np.uint64).reshape(len(coded), 1 + len(MARKERS))
    return codes[places], tuple([coded[place][1] for place in places])


@lru_cache(maxsize=4096)
def _coded(variant: str, *markers: str) -> tuple[tuple[int, ...], Names]:
    version, template = markers[_PROMPT_VERSION], markers[_PROMPT_HASH]
    named = [*markers[:_PROMPT_HASH], f"{version}\x1f{template}" if template else "", *markers[_PROMPT_HASH + 1 :]]
    labels = (f"{version}\x1f{variant}", *named)
    codes = [code or 1 if name else 0 for name, code in zip(labels, digests(labels), strict=True)]
    return tuple(codes), {code: name for name, code in zip(labels, codes, strict=True) if name}


_NUMBERS = ("input_tokens", "output_tokens", "latency_ms", "ttft_ms", "cost_usd")
_PROMPT_VERSION, _PROMPT_HASH = MARKERS.index("prompt_version"), MARKERS.index("prompt_hash")

assert SERIES[:2] == ("input_chars", "output_chars") and SERIES[6] == "cost_musd"
assert SERIES[2:6] == _NUMBERS[:4] and SERIES[7:10] == SCORES
assert FLAGS == ("error", "truncated", "empty_output")


def _bins(calls: Unseen) -> npt.NDArray[np.int32]:
    values = np.full((len(calls.records), 7), np.nan)
    for column, name in enumerate(_NUMBERS, 2):
        # fromiter takes None for NaN, like np.array, at twice its speed
        values[:, column] = np.fromiter(map(attrgetter(name), calls.records), np.float64, len(calls.records))
    values[:, 0] = np.where(calls.input_chars > 0, calls.input_chars, np.nan)
    values[:, 1] = np.where(calls.answered, calls.output_chars, np.nan)
    values[:, 6] *= 1e6
    values[~calls.answered, 3] = np.nan
    return to_bins(values)


def _flags(records: Sequence[Record], answered: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    error = np.array([bool(r.error_type) for r in records], dtype=bool)
    truncated = np.array([r.finish_reason in TRUNCATED for r in records], dtype=bool)
    return np.stack([error, truncated, ~answered & ~error], axis=1).astype(np.int8)
