"""Outcomes of all streams, and what is counted of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.kinds.cases import POPULATIONS, Case
from benchmarks.kinds.judged import HORIZON, Outcome, Spent, Told
from benchmarks.kinds.rivals import Alone
from benchmarks.kinds.tables import Rate

CASES = {case.name: case for population in POPULATIONS for case in population.cases}

PROTOTYPE = {
    "model: GPT-3.5 0301 → 0613, three tasks": (62, 559, 5872),
    "model: GPT-3.5 0301 → 0613, opinionqa": (109, 1912, 6696),
    "model: GPT-4 0314 → 0613, opinionqa": (20, 48, 259),
    "model: oasst 12b → 3b": (62, 664, 6207),
    "model: oasst k50 → beam5": (21, 65, 477),
}
"""Mean delays of the prototype in STATISTICS.md, at 100, 30 and 10 % of the traffic."""


@dataclass
class Results:
    """Everything that was measured."""

    outcomes: list[Outcome] = field(default_factory=list)
    alone: list[tuple[str, Alone]] = field(default_factory=list)
    spent: dict[str, Spent] = field(default_factory=dict)
    budget: float = 20_000.0

    def of(self, case: str) -> list[Outcome]:
        """Outcomes of a case."""
        return [one for one in self.outcomes if one.case == case]

    def injected(self, *kinds: str, share: float | None = None) -> list[Outcome]:
        """Outcomes of the cases of a kind."""
        return [
            one for one in self.outcomes if CASES[one.case].injected in kinds and share in (None, CASES[one.case].share)
        ]

    def add(self, other: Results) -> None:
        """Take in the results of another population."""
        self.outcomes += other.outcomes
        self.alone += other.alone
        for name, spent in other.spent.items():
            self.spent.setdefault(name, Spent()).add(spent)

    @property
    def cases(self) -> list[Case]:
        """The cases that were run."""
        there = {one.case for one in self.outcomes}
        return [case for name, case in CASES.items() if name in there]


def clear(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Streams in which no alarm stood before the change."""
    return [one for one in outcomes if not one.false]


def named(outcomes: Iterable[Outcome], kind: str) -> Rate:
    """How often a kind was named after the change, of streams in which it did not stand before."""
    fresh = [one for one in outcomes if not one.standing(kind)]
    return Rate(sum(one.first(kind) is not None for one in fresh), len(fresh))


def all_named(outcomes: Iterable[Outcome], kinds: Sequence[str]) -> Rate:
    """How often all of these kinds were named."""
    fresh = clear(outcomes)
    return Rate(sum(all(one.first(kind) for kind in kinds) for one in fresh), len(fresh))


def first_right(outcomes: Iterable[Outcome], kinds: Sequence[str]) -> Rate:
    """How often the first kind named was one of these, of streams in which any was."""
    told = [one.told[0].kind for one in clear(outcomes) if one.told]
    return Rate(sum(kind in kinds for kind in told), len(told))


def delays(outcomes: Iterable[Outcome], kinds: Sequence[str]) -> list[float]:
    """Calls until all of these kinds were named, a miss counting as the horizon."""
    made = []
    for one in outcomes:
        if not any(one.standing(kind) for kind in kinds):
            found = [one.first(kind) for kind in kinds]
            made.append(float(max(told.calls if told else HORIZON for told in found)))
    return made


def points(outcomes: Iterable[Outcome], kind: str) -> list[Told]:
    """First alarms of a kind, in streams in which nothing stood before the change."""
    return [told for one in clear(outcomes) if (told := one.first(kind))]


def in_top(told: Sequence[Told], places: int) -> Rate:
    """How often an injected topic is among the first of the explanation."""
    return Rate(sum(1 <= one.rank <= places for one in told), len(told))
