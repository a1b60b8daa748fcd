"""Which turns of phrase came and went: how answers begin, and the words and marks that they hold.

The format view sees such changes in hashed 3-grams of bytes, which cannot be read; they are counted in sampled texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

TOKEN = re.compile(r"\w+|[^\w\s]+|\n+")
LONGEST = 4
"""Tokens of the longest phrase."""

SURE = 3.5
"""Standard deviations from which a phrase is told: thousands are looked at."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase whose share of answers moved; ``opening`` where answers begin with it."""

    text: str
    opening: bool
    before: float
    now: float
    z: float


def phrases(before: Sequence[str], now: Sequence[str], most: int = 5) -> tuple[Phrase, ...]:
    """The phrases that moved most, none a part of another that moved as much the same way.

    Parameters
    ----------
    before, now
        Sampled answers of the baseline and since the change point; fewer than ten on a side say nothing.
    """
    if min(len(before), len(now)) < 10:
        return ()
    counts = [Counter(one for text in side for one in _held(text)) for side in (before, now)]
    moved = [
        one
        for (text, opening) in counts[0].keys() | counts[1].keys()
        if (one := _compare(text, opening, counts, (len(before), len(now)))).z ** 2 > SURE**2
    ]
    moved.sort(key=lambda one: (-round(abs(one.z), 1), -len(one.text), not one.opening, one.text))
    told: list[Phrase] = []
    for one in moved:
        if not any(_akin(one, other) for other in told):
            told.append(one)
        if len(told) == most:
            break
    return tuple(told)


def _akin(one: Phrase, other: Phrase) -> bool:
    """Whether two phrases tell the same: one is part of the other, and it did not take its place."""
    return (one.text in other.text or other.text in one.text) and not _replaced(one, other)


def _replaced(one: Phrase, other: Phrase) -> bool:
    """Whether of two phrases with the same beginning one went and one came, in about as many answers."""
    gains = one.now - one.before, other.now - other.before
    begin = one.text.startswith(other.text) or other.text.startswith(one.text)
    alike = min(map(abs, gains)) > 0.5 * max(map(abs, gains))
    return begin and alike and gains[0] * gains[1] < 0 and one.opening == other.opening


def became(turns: Sequence[Phrase]) -> tuple[Phrase, Phrase] | None:
    """A phrase that went and the one that came in its place, which begins as it does."""
    pairs = ((one, other) for one in turns for other in turns if one.z < 0 < other.z)
    return next((pair for pair in pairs if _replaced(*pair)), None)


def _held(text: str) -> set[tuple[str, bool]]:
    """Every phrase of a text, and how it opens."""
    tokens = [(found.start(), found.end()) for found in TOKEN.finditer(text)]
    held = set()
    for first in range(len(tokens)):
        for last in range(first, min(first + LONGEST, len(tokens))):
            phrase = text[tokens[first][0] : tokens[last][1]]
            held.add((phrase, False))
            if first == 0:
                held.add((phrase, True))
    return held


def _compare(text: str, opening: bool, counts: Sequence[Counter[tuple[str, bool]]], sizes: tuple[int, int]) -> Phrase:
    (a, b), (n, m) = (side[text, opening] for side in counts), sizes
    pooled = (a + b + 1) / (n + m + 2)
    z = (b / m - a / n) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return Phrase(text, opening, a / n, b / m, z)
