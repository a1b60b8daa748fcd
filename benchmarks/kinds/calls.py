"""The real calls beside the project, each embedded once: streams are then draws of their rows.

Latency and cost are left out: they move with the task, and whether it is slower or dearer is not asked here. So is the
prompt's version, unless a source says ``declared``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from benchmarks.real_calls import DATA, NOW_MS, make_calls
from drift.call import GRID
from drift.lens import Lens, centres
from models.base import load_embedder
from streams.measure import Measured, Meter, Names, Vectors
from streams.records import Record, decode

FILES = ("llmdrift_prime", "llmdrift_opinionqa", "llmdrift_sensitive_code", "oasst_sampling")
LEFT_OUT = ("latency_ms", "ttft_ms", "cost_usd")
APP = "kinds"
GROUPS = 4
"""Groups of the questions of ``oasst_sampling``, by k-means of their embeddings."""

IntArray = npt.NDArray[np.int64]
Part = tuple[str, float]
Mix = Sequence[Part]
"""Sources, in the words of ``make_calls.py`` and ``group=`` or ``declared`` besides, and their shares."""


class Known(Meter):
    """A meter that embeds each distinct call once; ids of calls are their places in the pool."""

    def know(self, records: Sequence[Record]) -> None:
        """Embed these calls."""
        self._known = Meter(self.embedder).vectors(records)

    def vectors(self, records: Sequence[Record], *, progress: Callable[[int], None] = lambda done: None) -> Vectors:
        """What is known of them."""
        at = np.array([int(record.call_id) for record in records], np.intp)
        return Vectors(self._known.inputs[at], self._known.outputs[at], self._known.formats[at])


@dataclass(frozen=True)
class Pool:
    """All real calls, undeclared first, and their places by the identity of their row."""

    records: Sequence[Record]
    places: dict[int, int]
    meter: Known

    @cached_property
    def inputs(self) -> npt.NDArray[np.float64]:
        """Embeddings of the questions, ``(n, dimensions)``."""
        return self.meter.vectors(self.records).inputs / GRID

    @cached_property
    def outputs(self) -> npt.NDArray[np.float64]:
        """Embeddings of the answers, ``(n, dimensions)``."""
        return self.meter.vectors(self.records).outputs / GRID

    @cached_property
    def asked(self) -> IntArray:
        """One number for each distinct input."""
        return np.unique([record.input for record in self.records], return_inverse=True)[1]


@cache
def pool() -> Pool:
    """The real calls."""
    rows = [row for file in FILES for row in make_calls().rows(file, DATA)]
    records = [record(row, place, declared=place >= len(rows)) for place, row in enumerate(rows * 2)]
    meter = Known(load_embedder())
    meter.know(records)
    made = Pool(records, {id(row): place for place, row in enumerate(rows)}, meter)
    _group(made)
    return made


def record(row: dict, place: int, *, declared: bool = False) -> Record:
    """A row as the record of a call, its place for an id."""
    at = make_calls().datetime.datetime(2026, 1, 5, tzinfo=make_calls().datetime.UTC)
    call = make_calls().call(row, place, at, 0, APP, 0) | {"call_id": str(place)}
    dropped = LEFT_OUT if declared else (*LEFT_OUT, "prompt_version")
    made = decode(msgspec.json.encode({k: v for k, v in call.items() if k not in dropped}), now_ms=NOW_MS)
    assert isinstance(made, Record), made
    return made


def _group(made: Pool) -> None:
    """Give every row of ``oasst_sampling`` the group of its question."""
    rows = make_calls().rows("oasst_sampling", DATA)
    vectors = made.meter.vectors([made.records[made.places[id(row)]] for row in rows]).inputs / GRID
    middle = centres(np.unique(vectors, axis=0), GROUPS).astype(np.float64)
    for row, group in zip(rows, np.argmax(vectors @ middle.T, axis=1), strict=True):
        row["group"] = int(group)


@cache
def places(source: str) -> IntArray:
    """Places of a source's calls."""
    made = pool()
    terms = source.split()
    chosen, _, _ = make_calls().source(" ".join(term for term in terms if term != "declared"), DATA)
    found = np.array([made.places[id(row)] for row in chosen])
    return found + len(made.places) if "declared" in terms else found


def draw(mix: Mix, count: int, rng: np.random.Generator) -> IntArray:
    """Places of so many calls, drawn with replacement."""
    share = np.array([weight for _, weight in mix])
    source = rng.choice(len(mix), count, p=share / share.sum())
    drawn = np.empty(count, np.int64)
    for i, (text, _) in enumerate(mix):
        here = source == i
        drawn[here] = rng.choice(places(text), int(here.sum()))
    return drawn


@dataclass(frozen=True)
class Seen:
    """Some calls through a lens: place in the pool to row."""

    lens: Lens
    measured: Measured
    names: Names
    row: IntArray

    @classmethod
    def of(cls, lens: Lens, mixes: Sequence[Mix]) -> Seen:
        """All calls that these mixes may draw."""
        made = pool()
        used = np.unique(np.concatenate([places(text) for mix in mixes for text, _ in mix]))
        measured = made.meter.measure(lens, [made.records[place] for place in used])
        names = {code: name for known in measured.names for code, name in known.items()}
        row = np.full(len(made.records), -1)
        row[used] = np.arange(len(used))
        return cls(lens, measured, names, row)

    def blind(self) -> Seen:
        """The same calls, their inputs all alike: what is learnt of answers is then not conditional on anything."""
        rows = self.measured.rows.copy()
        rows["topic"], rows["band"] = 0, 0
        rows["features"][:, 0] = 0
        return replace(self, measured=replace(self.measured, rows=rows))
