"""Seeded texts and calls to measure with."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice

import msgspec
import numpy as np

from models.base import Embedder, FloatArray
from streams.measure import Meter, Vectors
from streams.observe import TICK_MS, Observer
from streams.records import Record, Rejected, decode
from streams.simulate import START, simulate

BATCH = 256
SEED = 0
WORDS = """the to and of a in is you I for that it on your with my can not be this have are we from order if but as
account will or please at an by how do when what was all so any card there has which more need would one time new
they payment help our get number then up out should here use no me may its bank about been check after other also
only like make want day some change them under their into these first information transfer address email please,
today. days. money refund status, customer support: however, because before through between delivery item(s) it's
don't application request password contact confirm available example, following consider important different several
*Note:* - 1. 2. 3. (optional) step process policy within without please. details. service website
option email.""".split()  # noqa: SIM905 - a list of words reads better as text

LENGTHS = {"short": 7, "long": 126}
"""Words per text that make 11 and 200 tokens on average."""


def make_texts(rng: random.Random, words: int, count: int = BATCH) -> list[str]:
    """Texts of Zipf-distributed words, one in twelve of them a number of its own."""
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    texts = (rng.choices(WORDS, weights, k=rng.randint(words // 2, words + words // 2)) for _ in range(count))
    return [" ".join(f"{rng.randrange(10**6)}" if rng.random() < 1 / 12 else word for word in text) for text in texts]


@cache
def lines(count: int) -> tuple[bytes, ...]:
    """Call records of the simulated support assistant before anything drifts, one JSON object each."""
    return tuple(msgspec.json.encode(call) for call in islice(simulate(SEED, calls_a_day=count), count))


def read(data: Sequence[bytes]) -> list[Record]:
    """Records of lines that are all in order."""
    found = [decode(line, now_ms=1 << 43) for line in data]
    return [record for record in found if not isinstance(record, Rejected)]


def paced(records: Sequence[Record], calls_a_tick: int) -> list[Record]:
    """The same calls, so many in each tick of 10 s."""
    start, gap = int(START.timestamp() * 1000), TICK_MS // calls_a_tick
    times = (start + i // calls_a_tick * TICK_MS + i % calls_a_tick * gap for i in range(len(records)))
    return [msgspec.structs.replace(record, event_time=at) for record, at in zip(records, times, strict=True)]


def in_batches(records: Sequence[Record]) -> list[Sequence[Record]]:
    """Batches of 256."""
    return [records[low : low + BATCH] for low in range(0, len(records), BATCH)]


def fill(observer: Observer, records: Sequence[Record]) -> None:
    """Give an observer the next records of the log, in batches."""
    for batch in in_batches(records):
        observer.admit(batch)
        observer.add(batch)


class FreeEmbedder:
    """An embedder that costs nothing, to see what surrounds it."""

    identity = "free"
    exact = True

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._rows = np.random.default_rng(SEED).uniform(-0.1, 0.1, (BATCH, dim)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        return self._rows[: len(texts)]

    def anchors(self) -> FloatArray:
        return self._rows


class KnowingMeter(Meter):
    """A meter that knows the vectors of some batches beforehand, by their first call."""

    def __init__(self, embedder: Embedder, batches: Sequence[Sequence[Record]]) -> None:
        super().__init__(embedder)
        self.known = {batch[0].call_id: Meter.vectors(self, batch) for batch in batches}

    def vectors(self, records: Sequence[Record], *, progress: Callable[[int], None] = lambda done: None) -> Vectors:
        return self.known[records[0].call_id]
