"""Populations of real calls without drift, whose sources may come more often at some hours than at others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from benchmarks.kinds.calls import Known, pool, record
from benchmarks.kinds.cases import OASST, UNEVEN
from benchmarks.real_calls import DATA, GPT35, make_calls, release
from drift.call import Rows
from drift.lens import Lens
from drift.pane import Texts
from models.base import load_embedder
from streams.records import Record

DAY_MS = 86_400_000
START_MS = 1_767_571_200_000
"""Monday, 5 January 2026, 00:00 UTC."""

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Calls of some files, from sources with a share each."""

    name: str
    files: tuple[str, ...]
    sources: tuple[tuple[str, float], ...]

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """All calls of its files."""
        rows = [row for file in self.files for row in make_calls().rows(file, DATA)]
        return tuple(record(row, place) for place, row in enumerate(rows))

    @cached_property
    def meter(self) -> Known:
        """A meter that has embedded them."""
        made = Known(load_embedder())
        made.know(self.records)
        return made

    @cached_property
    def places(self) -> tuple[IntArray, ...]:
        """Calls of each source."""
        rows = [row for file in self.files for row in make_calls().rows(file, DATA)]
        at = {id(row): place for place, row in enumerate(rows)}
        return tuple(
            np.array([at[id(row)] for row in make_calls().source(source, DATA)[0]]) for source, _ in self.sources
        )

    def shares(self, at: IntArray, swing: float) -> FloatArray:
        """Share of each source at these times, ``(n, sources)``: a wave a day each, one after the other."""
        share = np.array([weight for _, weight in self.sources])
        phase = np.arange(len(share)) / len(share)
        wave = 1 + swing * np.cos(2 * np.pi * ((at / DAY_MS)[:, None] - phase))
        made = share * wave
        return np.asarray(made / made.sum(axis=1, keepdims=True))

    def draw(self, at: IntArray, swing: float, rng: np.random.Generator, streams: int = 1) -> IntArray:
        """Places of calls at these times, drawn with replacement, ``(streams, n)``."""
        ends = np.cumsum(self.shares(at, swing), axis=1)
        source = (rng.random((streams, len(at), 1)) >= ends[:, :-1]).sum(axis=2)
        made = np.empty(source.shape, np.int64)
        for one, places in enumerate(self.places):
            here = source == one
            made[here] = rng.choice(places, int(here.sum()))
        return made


@dataclass(frozen=True)
class Seen:
    """All calls of a population through a lens."""

    rows: Rows
    texts: tuple[Texts, ...]
    names: dict[int, str]

    @classmethod
    def of(cls, population: Population, lens: Lens) -> Seen:
        """Measure them."""
        measured = population.meter.measure(lens, population.records)
        names = {code: name for known in measured.names for code, name in known.items()}
        return cls(measured.rows, tuple(measured.texts), names)


def times(first: int, count: int, a_day: int) -> IntArray:
    """Event times of calls that come evenly, so many a day, from the ``first``-th on."""
    return START_MS + (first + np.arange(count)) * DAY_MS // a_day


@cache
def populations() -> tuple[Population, ...]:
    """Questions without answers, and two of answers by tasks and by groups of questions."""
    domains = sorted({row["domain"] for row in make_calls().rows("clinc150", DATA)})
    counts = [sum(row["domain"] == one for row in make_calls().rows("clinc150", DATA)) for one in domains]
    pool()  # tells the groups of questions
    tasks = (("prime", 0.5), ("opinionqa", 0.3), ("sensitive_code dataset=leetcode_easy", 0.2))
    return (
        Population(
            "clinc150",
            ("clinc150",),
            tuple((f"clinc150 domain={one}", float(n)) for one, n in zip(domains, counts, strict=True)),
        ),
        Population(
            "GPT-3.5, three tasks",
            ("llmdrift_prime", "llmdrift_opinionqa", "llmdrift_sensitive_code"),
            tuple((release(task, GPT35, "0301"), share) for task, share in tasks),
        ),
        Population(
            "oasst 12b, four groups of questions",
            ("oasst_sampling",),
            tuple((f"{OASST.format('12b')} group={group}", share) for group, share in enumerate(UNEVEN)),
        ),
    )
