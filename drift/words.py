"""What a topic is about, in the words that are typical of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

WORD = re.compile(r"⟨\w+⟩|[^\W\d_](?:[^\W_]|['’])+[^\W_]")
"""A mark in the place of what was redacted is a word of its own."""
_KEPT = 3000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """In how many of a baseline's ``n`` texts each word stands."""

    n: int
    frequency: Mapping[str, int]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Vocabulary:
        """Frequencies of the 3,000 commonest words."""
        counts = Counter(word for text in texts for word in words(text))
        return cls(len(texts), dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_KEPT]))

    def typical(self, texts: Sequence[str], count: int = 5) -> tuple[str, ...]:
        """Words that these texts hold more often than the baseline's, ranked by what each adds to their divergence."""
        held = Counter(word for text in texts for word in words(text))
        least = 2 if len(texts) > 3 else 1
        gains = {}
        for word, times in held.items():
            share, usual = times / len(texts), (self.frequency.get(word, 0) + 0.5) / (self.n + 1)
            if times >= least and share > usual:
                gains[word] = share * log(share / usual)
        return tuple(sorted(gains, key=lambda word: (-gains[word], word))[:count])


def words(text: str) -> frozenset[str]:
    """Distinct words of three letters or more, lower case."""
    return frozenset(WORD.findall(text.lower()))
