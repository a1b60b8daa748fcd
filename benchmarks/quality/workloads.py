"""The same calls for every detector: seeded draws of baselines, of streams without a change, and of streams with one.

A *family* is a population without drift; its *cases* are changes of it. Everything is drawn from a seed and a stream:

    family.baseline(seed)                (N,)       what a detector may learn from
    family.calm(seed, stream, calls)     (calls,)   the same population, going on
    case.changed(seed, stream)           (10000,)   the population for BEFORE calls, then HORIZON calls of the change

The seed decides the baseline, for ``topics`` which domain is held out of it too (``seed % 10``); a stream is another
draw against the same baseline. The calls before a change depend on seed and stream only, not on the case.

A call is a number: where ``family.kind`` is ``topics`` or ``models`` its row in ``family.pool`` (``records``, and
embeddings by ``embedded``), else the value itself: whole tokens for ``lengths``, 0 or 1 for ``flags``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt

from benchmarks.kinds.calls import Known, Mix, Pool, draw, pool, record
from benchmarks.kinds.cases import LATER, OASST, RELEASES, oasst, tasks
from benchmarks.real_calls import DATA, make_calls, release
from models.base import load_embedder

SEED = 5
BEFORE = 2000
"""Calls of a stream before its change; a detector that alarmed by then says nothing of the change."""

HORIZON = 8000
"""Calls after it, which is also what a miss counts."""

LENGTH = BEFORE + HORIZON
GRADUAL = 4000
"""Calls over which a gradual change grows from nothing to 20 %."""

DOMAINS = (
    "auto_and_commute",
    "banking",
    "credit_cards",
    "home",
    "kitchen_and_dining",
    "meta",
    "small_talk",
    "travel",
    "utility",
    "work",
)
MEDIAN, SPREAD = 200.0, 0.6
"""Tokens of an answer in the middle, and the standard deviation of their logarithm."""

FLAG_RATE = 0.02

Kind = Literal["topics", "models", "lengths", "flags"]
IntArray = npt.NDArray[np.int64]
Draw = Callable[[int, int, np.random.Generator], IntArray]
"""So many calls of a seed's population: ``draw(seed, calls, rng)``."""


def generator(*names: object) -> np.random.Generator:
    """Random numbers of their own for each family, seed, stream and case."""
    return np.random.default_rng([SEED, *(crc32(str(name).encode()) for name in names)])


@dataclass(frozen=True)
class Family:
    """A population without drift."""

    name: str
    kind: Kind
    size: int
    """Calls of a baseline."""

    before: Draw

    @property
    def pool(self) -> Pool:
        """The calls that rows point to."""
        return questions() if self.kind == "topics" else pool()

    def baseline(self, seed: int) -> IntArray:
        """What a detector learns from."""
        return self.before(seed, self.size, generator(self.name, "baseline", seed))

    def calm(self, seed: int, stream: int, calls: int = LENGTH) -> IntArray:
        """A stream in which nothing changes."""
        return self.before(seed, calls, generator(self.name, "calm", seed, stream))


@dataclass(frozen=True)
class Case:
    """A change of a family."""

    name: str
    family: Family
    after: Draw

    def changed(self, seed: int, stream: int) -> IntArray:
        """A stream whose call number ``BEFORE`` is the first that may be new."""
        before = self.family.before(seed, BEFORE, generator(self.family.name, "before", seed, stream))
        after = self.after(seed, HORIZON, generator(self.family.name, self.name, seed, stream))
        return np.concatenate([before, after])


@cache
def questions() -> Pool:
    """The questions of clinc150, as calls without answers."""
    rows = make_calls().rows("clinc150", DATA)
    meter = Known(load_embedder())
    records = [record(row, place, declared=False) for place, row in enumerate(rows)]
    meter.know(records)
    return Pool(records, {id(row): place for place, row in enumerate(rows)}, meter)


@cache
def embedded(kind: Literal["topics", "models"], side: Literal["inputs", "outputs"]) -> npt.NDArray[np.float32]:
    """Embeddings of a pool's inputs or outputs, ``(n, 256)``, rows at unit length."""
    made = questions() if kind == "topics" else pool()
    return np.asarray(getattr(made, side), dtype=np.float32)


@cache
def _of_domain(domain: str) -> tuple[IntArray, IntArray]:
    """Rows outside a domain of clinc150, and inside."""
    names = np.array([row["domain"] for row in make_calls().rows("clinc150", DATA)])
    return np.flatnonzero(names != domain), np.flatnonzero(names == domain)


def held_out(seed: int) -> str:
    """The domain that a seed holds out of its baseline."""
    return DOMAINS[seed % len(DOMAINS)]


def _home(seed: int, calls: int, rng: np.random.Generator) -> IntArray:
    return rng.choice(_of_domain(held_out(seed))[0], calls)


def _newcomers(share: float, over: int = 0) -> Draw:
    """A domain that was not there; its share grows over so many calls."""

    def drawn(seed: int, calls: int, rng: np.random.Generator) -> IntArray:
        home, away = _of_domain(held_out(seed))
        shares = share * np.minimum(1.0, (np.arange(calls) + 1.0) / max(over, 1))
        return np.where(rng.random(calls) < shares, rng.choice(away, calls), rng.choice(home, calls))

    return drawn


def _mixed(mix: Mix) -> Draw:
    return lambda seed, calls, rng: draw(mix, calls, rng)


def _lengths(times: float = 1.0, wider: float = 1.0, cut: float = 0.0) -> Draw:
    """Log-normal lengths in whole tokens, a share of them cut at half the median."""

    def drawn(seed: int, calls: int, rng: np.random.Generator) -> IntArray:
        tokens = MEDIAN * times * np.exp(SPREAD * wider * rng.standard_normal(calls))
        ended = np.where(rng.random(calls) < cut, np.minimum(tokens, MEDIAN / 2), tokens)
        return np.maximum(np.rint(ended), 1).astype(np.int64)

    return drawn


def _flags(rate: float) -> Draw:
    return lambda seed, calls, rng: (rng.random(calls) < rate).astype(np.int64)


def _topics() -> list[Case]:
    family = Family("clinc150", "topics", 5000, _home)
    made = [Case(f"new domain, {share:.0%}", family, _newcomers(share)) for share in (0.05, 0.1, 0.2, 0.5)]
    return [*made, Case("new domain, slowly to 20%", family, _newcomers(0.2, GRADUAL))]


def _swap(name: str, before: Mix, now: Mix) -> Case:
    return Case(name, Family(name.partition(" → ")[0], "models", 3000, _mixed(before)), _mixed(now))


def _models() -> list[Case]:
    large, small = (((OASST.format(size), 1.0),) for size in ("12b", "3b"))
    sampled, searched = oasst("sampling_config=k50"), oasst("sampling_config=beam5")
    made = [_swap("oasst 12b → 3b", large, small), _swap("oasst k50 → beam5", sampled, searched)]
    for old, later in LATER.items():
        before, now = RELEASES[old], RELEASES[later]
        made.append(_swap(f"three tasks, {old} → {later[-4:]}", tasks(*before), tasks(*now)))
        surveys = (((release("opinionqa", *which), 1.0),) for which in (before, now))
        made.append(_swap(f"opinionqa, {old} → {later[-4:]}", *surveys))
    return made


def _scalars() -> list[Case]:
    lengths = Family("lengths", "lengths", 5000, _lengths())
    flags = Family(f"flags, {FLAG_RATE:.0%}", "flags", 5000, _flags(FLAG_RATE))
    made = [Case(f"length +{more:.0%}", lengths, _lengths(1 + more)) for more in (0.05, 0.1, 0.2)]
    made.append(Case("length, spread x1.25", lengths, _lengths(wider=1.25)))
    made.append(Case("length, 10% cut", lengths, _lengths(cut=0.1)))
    return made + [Case(f"flags 2% → {rate:.0%}", flags, _flags(rate)) for rate in (0.03, 0.04, 0.01, 0.08)]


CASES: tuple[Case, ...] = (*_topics(), *_models(), *_scalars())
FAMILIES: tuple[Family, ...] = tuple({case.family.name: case.family for case in CASES}.values())
