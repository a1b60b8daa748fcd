"""Calls side by side, and the words in which they differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from streams.http.evidence import Example
from streams.http.texts import shown
from streams.redact import EXCERPT

LONGEST = 700
"""Characters of a text that are shown, and compared."""

PAIRS = 5

ALIKE = 0.25
"""Share of words in common from which on differences are marked: below it every word would be."""

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A call of the baseline beside one of now, their texts as markup; ``marked`` where differences are."""

    before: tuple[Markup, Markup] | None
    now: tuple[Markup, Markup] | None
    marked: bool = False


def pairs(before: Sequence[Example], now: Sequence[Example]) -> list[Pair]:
    """Calls of now, each beside the call of the baseline whose question is most like its own."""
    left = list(before)[:PAIRS]
    made = []
    for one in list(now)[:PAIRS]:
        best = max(left, key=lambda other: _alike(_words(other.input), _words(one.input)), default=None)
        if best is not None:
            left.remove(best)
        made.append(_pair(best, one))
    return made + [_pair(one, None) for one in left]


def _pair(before: Example | None, now: Example | None) -> Pair:
    if before is None or now is None:
        return Pair(_side(before), _side(now))
    asked, answered = _compared(before.input, now.input), _compared(before.output, now.output)
    old = asked or (_clip(before.input), _clip(now.input))
    new = answered or (_clip(before.output), _clip(now.output))
    return Pair((old[0], new[0]), (old[1], new[1]), asked is not None or answered is not None)


def _side(one: Example | None) -> tuple[Markup, Markup] | None:
    return None if one is None else (_clip(one.input), _clip(one.output))


def _clip(text: str) -> Markup:
    return shown(text, LONGEST) + _cut(text)


def _cut(text: str) -> Markup:
    """A mark after an excerpt that goes on in the call."""
    return Markup(' <span class="clipped">…</span>') if len(text) == EXCERPT else Markup("")


def _words(text: str) -> list[str]:
    return _WORDS.findall(text[:LONGEST])


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    first, second = ({word.lower() for word in words if word.strip()} for words in (one, other))
    return len(first & second) / max(len(first | second), 1)


def _compared(before: str, now: str) -> tuple[Markup, Markup] | None:
    """Both texts with what differs marked; None where they are equal or hardly share a word."""
    first, second = _words(before), _words(now)
    if before == now or _alike(first, second) < ALIKE:
        return None
    matched = difflib.SequenceMatcher(None, first, second).get_opcodes()
    old = [(code, "".join(first[low:high])) for code, low, high, _, _ in matched]
    new = [(code, "".join(second[low:high])) for code, _, _, low, high in matched]
    return _marked("del", old, len(before)) + _cut(before), _marked("ins", new, len(now)) + _cut(now)


def _marked(name: str, pieces: Sequence[tuple[str, str]], length: int) -> Markup:
    parts = [
        shown(piece, LONGEST)
        if code == "equal"
        else Markup("<{0}>{1}</{0}>").format(Markup(name), shown(piece, LONGEST))
        for code, piece in pieces
        if piece
    ]
    if length > LONGEST:
        parts.append(
            Markup(' <span class="clipped">… the first {:,} of {:,} characters</span>').format(LONGEST, length)
        )
    return Markup("").join(parts)
