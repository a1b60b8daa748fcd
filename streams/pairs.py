"""Joins shadow calls to the live calls of the same input, by pair_id."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from streams.building import in_order
from streams.records import Record

SHADOW = "#shadow"
"""How the segment of shadow calls ends."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Pairs in order of time, and what could not be one.

    Attributes
    ----------
    live, shadow
        The two sides of each pair, equally long.
    twice
        Calls left out because their side had an earlier one with the same pair_id.
    other_input
        Pairs left out because the two were not asked the same.
    known_before
        Pairs left out because the same two answers to the same input were seen before: a cache or a replay brings no
        new evidence.
    alone
        Calls of each side whose pair_id the other side does not have.
    nameless
        Calls of each side without a pair_id.
    """

    live: tuple[Record, ...]
    shadow: tuple[Record, ...]
    twice: int = 0
    other_input: int = 0
    known_before: int = 0
    alone: tuple[int, int] = (0, 0)
    nameless: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.live)

    def left_out(self, live: str = "live", shadow: str = "shadow") -> Iterator[str]:
        """Sentences about what is in no pair, with the remedy where there is one; the sides by these names."""
        if any(self.alone):
            yield f"calls without a partner, left out: {self.alone[0]:,} {live}, {self.alone[1]:,} {shadow}"
        if any(self.nameless):
            counts = f"{self.nameless[0]:,} {live}, {self.nameless[1]:,} {shadow}"
            yield f"calls without pair_id, left out: {counts} (--map pair_id=PATH reads it from elsewhere)"
        if self.twice:
            yield f"calls whose pair_id came before on their side: {self.twice:,}; the first by time counts"
        if self.other_input:
            yield f"pairs whose two inputs differ, left out: {self.other_input:,}; send the shadow what the live got"
        if self.known_before:
            yield f"pairs with the same input and both answers of an earlier pair: {self.known_before:,}; counted once"


def join(live: Iterable[Record], shadow: Iterable[Record]) -> Joined:
    """Pair calls of one app and prompt; whatever order they came in, the same pairs in order of time."""
    (first, twice), (second, also) = _by_pair(live), _by_pair(shadow)
    nameless = len(first.pop("", ())), len(second.pop("", ()))
    shared = [(calls[0], second[pair][0]) for pair, calls in first.items() if pair in second]
    same = [(a, b) for a, b in shared if a.input == b.input]
    seen: set[tuple[str, ...]] = set()
    fresh: list[tuple[Record, Record]] = []
    for a, b in same:
        outcomes = sorted((one.output, one.error_type) for one in (a, b))
        content = (a.input, *outcomes[0], *outcomes[1])
        if content not in seen:
            seen.add(content)
            fresh.append((a, b))
    alone = len(first) - len(shared), len(second) - len(shared)
    sides = tuple(a for a, _ in fresh), tuple(b for _, b in fresh)
    return Joined(*sides, twice + also, len(shared) - len(same), len(same) - len(fresh), alone, nameless)


def _by_pair(records: Iterable[Record]) -> tuple[dict[str, list[Record]], int]:
    """Calls by pair_id in order of time, the empty one's all, of the others the first; and how many were not."""
    found: dict[str, list[Record]] = {}
    twice = 0
    for record in in_order(records):
        calls = found.setdefault(record.pair_id, [])
        if record.pair_id and calls:
            twice += 1
        else:
            calls.append(record)
    return found, twice


def partners(one: Collection[str], other: Collection[str]) -> list[tuple[str, str]]:
    """Segments of two sources that belong together: equal ones, or live calls of one and their shadow in the other."""
    return [
        (name, twin)
        for name in sorted(one)
        for twin in (name if name in other else name + SHADOW,)
        if twin in other and (twin == name or twin not in one)
    ]
