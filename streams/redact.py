"""Secrets and personal numbers in excerpts, replaced by marks such as ⟨email⟩ before an excerpt leaves the process.

Emails, keys and other secrets, phone numbers, cards, IBANs and IP addresses are found by their form. Names and street
addresses have none and stay: where those must not leave either, ``texts: none`` is the setting. Nothing depends on
anything but the text, so that verdicts stay the same to the bit. Why by these means: docs/decisions/0008.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, overload

from drift.pane import Texts

Privacy = Literal["full", "redacted", "none"]
"""What is kept of texts."""

EXCERPT = 400
"""Characters of input and output that travel with a sampled call."""

PIECE = 768
"""Characters that are searched for an excerpt, one more of which is kept: what is cut must not be half a secret."""

MARGIN = 256
"""Characters at the end of a longer text's piece that are searched, so that they show what reaches into them, but never
shown: more than an email or a number has. Longer secrets are known by how they begin."""

Span = tuple[int, int, str]
"""Start, end and mark of what must not be shown."""

_EMAIL = re.compile(r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]+@(?!\d[\d.]*(?![\w-]))[\w-]+(?:\.[\w-]+)*")
_PEM = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY(?: BLOCK)?)-----(?:.*?-----END \1-----|.*)", re.S)
LONG = 14
"""Characters without a space from which a word may be a key."""

_LONG = re.compile(rf"[\w.+/=~:-]{{{LONG},}}")
_KEY = re.compile(
    r"""(?<![A-Za-z0-9])(?:
    (?:sk|rk|pk|ak)[-_][\w-]{12,} | (?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{10,}
    | gh[pousr]_\w{10,} | github_pat_\w{10,} | gl[a-z]{2,6}-[\w-]{12,} | xox[a-z]-[\w-]{8,} | xapp-[\w-]{8,}
    | AIza[\w-]{20,} | ya29\.[\w-]{10,} | GOCSPX-[\w-]{10,} | hf_\w{12,} | npm_\w{12,} | pypi-[\w-]{12,}
    | do[opr]_v1_\w{10,} | SG\.[\w.-]{16,} | shp[a-z]{2}_\w{10,} | (?:xai|pplx|nvapi|tvly)-[\w-]{12,}
    | (?:gsk|r8|lsv2|glsa|dckr_pat)_\w{12,} | AGE-SECRET-KEY-\w+ | sq0[a-z]{3}-[\w-]{10,} | whsec_[\w+/=]{12,}
    | \d{8,10}:[\w-]{30,} | eyJ[\w-]{8,}(?:\.[\w-]*){0,4} | (?P<drawn>[A-Za-z0-9+/]{32,}={0,2})
    )""",
    re.X,
)
_VALUE = r"""["'`]?
    (?:\s*(?::=|=>|[:=])\s*(?:bearer\s+|basic\s+)?["'`]?(?P<given>[^\s"'`,;<>⟨⟩]{4,})
    |\s+(?:is|ist|lautet|es|est)\s*:?\s*["'`]?(?=[^\s]*[\d!$%&*#@+])(?P<told>[^\s"'`,;<>⟨⟩]{4,}))"""
_NAMED = {
    word: re.compile(rf"{word}{rest}{_VALUE}", re.X)
    for word, rest in {
        "passw": "(?:or)?[dt]", "passphrase": "", "pwd": "", "kennwort": "", "contraseña": "", "mot": r"\ de\ passe",
        "secret": "", "token": "", "credential": "s?", "authorization": "",
        "api": "[ _-]?key", "access": "[ _-]?key", "private": "[ _-]?key",
    }.items()
}  # fmt: skip
_NAMED |= {word: re.compile(rf"\b{word}\s+(?P<given>[\w.~+/-]{{16,}}=*)(?P<told>)") for word in ("bearer", "basic")}
"""What follows a word that calls it a secret, by the beginning of that word in lower case."""

_USERINFO = re.compile(r"://(?P<given>[^\s/@:]*:[^\s/@]+)@")
_CARD = re.compile(r"(?<!\d)\d(?:[ \t\u00a0.\u2010-\u2015-]{0,3}\d){12,30}(?!\d)")
_DIGITS = re.compile(r"\d+")
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_IP4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)")
_IP6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])")
_NUMBERS = re.compile(r"\d(?:[^\w\n]{0,4}\d){3}")
_DOTTED = re.compile(r"\d\.\d")

_IBAN_CHARACTERS = {
    country: int(length)
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ DZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Length of an IBAN by country, of the SWIFT registry."""


class Redacted(Sequence[Texts]):
    """Inputs and outputs that are redacted when asked for: most calls are never sampled."""

    def __init__(self, texts: Sequence[Texts]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> Texts: ...
    @overload
    def __getitem__(self, place: slice) -> Redacted: ...
    def __getitem__(self, place: int | slice) -> Texts | Redacted:
        if isinstance(place, slice):
            return Redacted(self._texts[place])
        asked, answered = self._texts[place]
        return redacted(asked), redacted(answered)


def redacted(text: str, *, whole: bool = True) -> str:
    """The beginning of a text, at most 400 characters, secrets replaced by marks; no mark and no secret is cut.

    What comes after the first 769 characters is never looked at. The end of a text that is not ``whole`` is left out.

    >>> redacted("Write to jo+x@example.org or call +44 20 7946 0958.")
    'Write to ⟨email⟩ or call ⟨phone⟩.'
    """
    piece = text[:PIECE]
    shown = len(piece) if whole and len(piece) == len(text) else max(0, len(piece) - MARGIN)
    made, at, room = list[str](), 0, EXCERPT
    for start, end, kind in spans(piece):
        if start >= shown or room <= 0:
            break
        made.append(piece[at:start][:room])
        room -= len(made[-1])
        mark = f"⟨{kind}⟩"
        if room < len(mark):
            return "".join(made)
        made.append(mark)
        at, room = end, room - len(mark)
    made.append(piece[at : max(shown, at)][:room])
    return "".join(made)


def spans(text: str) -> list[Span]:
    """Where secrets stand, in order, apart from each other."""
    found: list[Span] = []
    for search in _searches(text):
        found += search(text)
    apart: list[Span] = []
    for start, end, kind in sorted(found, key=lambda span: (span[0], -span[1], span[2])):
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end), apart[-1][2])
        else:
            apart.append((start, end, kind))
    return apart


def _searches(text: str) -> Iterator[Callable[[str], Iterator[Span]]]:
    """What is worth looking for: most texts hold nothing of any kind, and few signs tell."""
    if "@" in text:
        yield _emails
    if "-----BEGIN" in text:
        yield _blocks
    if max(map(len, text.split()), default=0) >= LONG:
        yield _keys
    yield _named
    if any(digit in text for digit in "0123456789") or not text.isascii():
        if _NUMBERS.search(text):
            yield from (_cards, _ibans, _phones)
        if text.count(".") > 2 and _DOTTED.search(text):
            yield _addresses
    if "::" in text or text.count(":") > 6:
        yield _long_addresses


def _emails(text: str) -> Iterator[Span]:
    for found in _USERINFO.finditer(text):
        yield (*found.span("given"), "secret")
    for found in _EMAIL.finditer(text):
        yield (*found.span(), "email")


def _blocks(text: str) -> Iterator[Span]:
    for found in _PEM.finditer(text):
        yield (*found.span(), "key")


def _keys(text: str) -> Iterator[Span]:
    for long in _LONG.finditer(text):
        for found in _KEY.finditer(text, *long.span()):
            if not found["drawn"] or _drawn(found[0]):
                yield (*found.span(), "key")


def _drawn(token: str) -> bool:
    """Whether a long token looks drawn by lot, not written: digits and letters both, and no path."""
    digits = sum(character.isdigit() for character in token)
    return 3 <= digits < len(token) and token.count("/") <= len(token) // 12


def _named(text: str) -> Iterator[Span]:
    lower = text.lower()
    if len(lower) != len(text):  # a letter that becomes two
        lower = "".join(one if len(one.lower()) != 1 else one.lower() for one in text)
    for word, pattern in _NAMED.items():
        if word in lower:
            for found in pattern.finditer(lower):
                yield (*found.span("given" if found["given"] else "told"), "secret")


def _cards(text: str) -> Iterator[Span]:
    """Runs of 13 to 19 digits, whole groups of them, whose last is the Luhn check of the others."""
    for run in _CARD.finditer(text):
        groups = [found.span() for found in _DIGITS.finditer(text, *run.span())]
        for first in range(len(groups)):
            digits = ""
            for last in range(first, len(groups)):
                digits += text[slice(*groups[last])]
                if 13 <= len(digits) <= 19 and digits[0] in "23456" and _luhn(digits):
                    yield groups[first][0], groups[last][1], "card"


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    values = [int(digit) for digit in reversed(digits)]
    return sum(values[::2] + [value * 2 % 10 + value // 5 for value in values[1::2]]) % 10 == 0


def _ibans(text: str) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        length = _IBAN_CHARACTERS.get(found[0][:2].upper())
        places = [at for at in range(*found.span()) if text[at].isalnum()]
        if length is None or len(places) < length:
            continue
        account = "".join(text[at] for at in places[:length]).upper()
        number = int("".join(str(int(character, 36)) for character in account[4:] + account[:4]))
        if number % 97 == 1:  # ISO 13616, ISO 7064
            yield places[0], places[length - 1] + 1, "iban"


def _addresses(text: str) -> Iterator[Span]:
    return _parsed(_IP4, text)


def _long_addresses(text: str) -> Iterator[Span]:
    return _parsed(_IP6, text)


def _parsed(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for found in pattern.finditer(text):
        try:
            ipaddress.ip_address(found[0])
        except ValueError:
            continue
        if sum(character.isalnum() for character in found[0]) > 2:
            yield (*found.span(), "ip")


def _phones(text: str) -> Iterator[Span]:
    from streams.phones import phones  # loads the numbering plans, which few processes need

    for start, end in phones(text):
        yield start, end, "phone"
