"""Phone numbers in a text, by the numbering plans of Google's libphonenumber."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU", "JP", "CN", "MX", "NL", "PL", "PT", "SE", "CH", "AT")
"""Countries whose numbers are known without their international prefix."""

BARE = 10
"""Digits in one run, without a leading zero, from which a number may be a phone's: shorter ones number all sorts."""

_BETWEEN = r"[ \t\u00a0()/.\u2010-\u2015-]"
_RUN = re.compile(rf"(?<![\w.,])(?:[+＋]{_BETWEEN}?|\()?\d(?:{_BETWEEN}{{0,3}}\d){{5,18}}(?![\w]|[.,]\d)")
_CALLED = re.compile(
    r"(?i)(?:phone|tel|telefon|téléphone|teléfono|mobile|mobil|móvil|cell|handy|fax|whatsapp|call|ring)\b[^\d\n+(]{0,20}\Z"
)
_DATE = re.compile(r"(?:\d{4}([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./ ])\d{1,2}\2\d{2,4})(?:\D+\d{1,2})?\Z")
_GROUP = re.compile(r"\d+")


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each phone number."""
    for run in _RUN.finditer(text):
        yield from _within(text, *run.span())


def _within(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The longest part of a run of digits that is a number: whole groups, given up from the end, then the front."""
    groups = [found.span() for found in _GROUP.finditer(text, start, end)]
    called = bool(_CALLED.search(text, max(0, start - 40), start))
    ends = [(start, last) for _, last in reversed(groups)]
    starts = [(first, end) for first, _ in groups[1:]]
    for low, high in ends + starts:
        if text[low] == "(" and ")" not in text[low:high]:
            low += 1
        if _is_phone(text[low:high], called):
            yield low, high
            if high < end:
                yield from _within(text, *_rest(groups, high, end))
            return


def _rest(groups: list[tuple[int, int]], high: int, end: int) -> tuple[int, int]:
    return next((first for first, _ in groups if first >= high), end), end


@lru_cache(maxsize=4096)
def _is_phone(number: str, called: bool) -> bool:
    digits = [character for character in number if character.isdigit()]
    if not 6 <= len(digits) <= 17 or _DATE.match(number):
        return False
    if number[0] in "+＋" or "".join(digits[:2]) == "00":
        return _possible("+" + "".join(digits[2:] if number[0] not in "+＋" else digits))
    if called:
        return True
    if digits[0] != "0" and len(digits) < (BARE if number.isdigit() else BARE - 1):
        return False
    return any(_valid(number, region) for region in REGIONS)


def _possible(number: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def _valid(number: str, region: str) -> bool:
    """Whether it is a number of the region, its digits grouped as there."""
    try:
        if not phonenumbers.is_valid_number(phonenumbers.parse(number, region)):
            return False
    except phonenumbers.NumberParseException:
        return False
    grouping = phonenumbers.Leniency.STRICT_GROUPING
    found = list(phonenumbers.PhoneNumberMatcher(number, region, grouping))
    return bool(found) and found[0].start <= 1 and found[0].end == len(number)
