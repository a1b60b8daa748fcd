"""Text of strangers as markup: everything is text, what cannot be seen is shown, and no text reaches beyond itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from markupsafe import Markup, escape

LONGEST = 2000
"""Characters of one text that a page shows."""

_UNUSUAL = re.compile(r"[^\n\t -~]")
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Letters and marks by their category that show nothing."""
_JOINERS = "\u200c\u200d"
_JOINED = ("Lo", "Mn", "Mc", "So", "Sk")
"""What scripts and emoji join by them: between others they only hide."""


def shown(text: str, limit: int = LONGEST) -> Markup:
    """A text of anybody, for a page.

    Its direction ends with it, control characters and others that show nothing are marks such as ``U+202E``, and of a
    text longer than the limit the beginning is shown, with the number of its characters.
    """
    inside = Markup().join(_pieces(text[:limit].replace("\r\n", "\n")))
    rest = Markup(' <span class="clipped">… the first {:,} of {:,} characters</span>').format(limit, len(text))
    return Markup('<bdi dir="auto" lang="">{}</bdi>{}').format(inside, rest if len(text) > limit else "")


def _pieces(text: str) -> Iterator[Markup]:
    start = 0
    for found in _UNUSUAL.finditer(text):
        place, character = found.start(), found[0]
        if _hidden(text, place, character):
            yield escape(text[start:place])
            yield Markup('<span class="mark">U+{:04X}</span>').format(ord(character))
            start = place + 1
    yield escape(text[start:])


def _hidden(text: str, place: int, character: str) -> bool:
    if character in _JOINERS:
        return not (_joins(text[place - 1 : place]) and _joins(text[place + 1 : place + 2]))
    if _selects(character):  # one after a symbol chooses how it looks, in other places they carry what is not seen
        before = text[place - 1 : place]
        return not before or before.isspace() or before.isalnum() or _selects(before)
    return character in _BLANK or unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")


def _joins(neighbour: str) -> bool:
    return bool(neighbour) and (unicodedata.category(neighbour) in _JOINED or _selects(neighbour))


def _selects(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
