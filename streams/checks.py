"""What a value of a call record may be, and the words that say why it may not."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Any, Never

import msgspec

from streams.aliases import Gathered, epoch_ms


class Reason(StrEnum):
    """Why a line was rejected: a closed set, fit for a metric's label."""

    NOT_JSON = "not_json"  # no JSON in UTF-8; NaN and Infinity are none either
    NOT_AN_OBJECT = "not_an_object"  # JSON, but a list, text or number
    TOO_DEEP = "too_deep"  # nested beyond Limits.depth
    TOO_LARGE = "too_large"  # the line, a number, or the count of scores is over its bound
    TOO_LONG = "too_long"  # a text or label has too many characters
    MISSING_FIELD = "missing_field"  # call_id, event_time or app is absent, null or empty
    WRONG_TYPE = "wrong_type"  # a value of another type than the contract's
    NOT_ALLOWED = "not_allowed"  # feedback other than -1, 0, 1
    NOT_FINITE = "not_finite"  # a number no double can hold
    NEGATIVE = "negative"  # a duration, count or cost below zero
    BAD_TIME = "bad_time"  # event_time is no instant
    TOO_OLD = "too_old"  # event_time before Limits.oldest_ms
    IN_FUTURE = "in_future"  # event_time beyond now and Limits.ahead_ms
    NOTHING_TO_JUDGE = "nothing_to_judge"  # neither input, output nor error_type


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Why a line is no record: the reason, the field (empty: the whole line) and a sentence for whoever sent it."""

    reason: Reason
    field: str
    detail: str


@dataclass(frozen=True, eq=False)
class Limits:
    """What a record may be at most. Build it once: a decoder is compiled for each.

    Attributes
    ----------
    line_bytes
        The whole line.
    text_chars, label_chars
        Characters of ``input``, ``output`` and each text of ``context``; of any other text and of a score's name.
    attributes, scores, depth
        Entries kept of ``attributes``; scores of one call; levels of nesting in an attribute.
    tokens, duration_ms, cost_usd, score
        Largest counts of tokens, latencies, costs and magnitudes of a score.
    oldest_ms, ahead_ms
        Earliest event time (2000-01-01) and how far it may lie ahead of the clock given to `decode`.
    """

    line_bytes: int = 1 << 20
    text_chars: int = 1 << 18
    label_chars: int = 256
    attributes: int = 64
    scores: int = 32
    depth: int = 32
    tokens: int = 100_000_000
    duration_ms: int = 10_000_000
    cost_usd: int = 100_000
    score: int = 1_000_000_000
    oldest_ms: int = 946_684_800_000
    ahead_ms: int = 300_000


NUMBERS = MappingProxyType(
    {
        "latency_ms": "duration_ms",
        "ttft_ms": "duration_ms",
        "input_tokens": "tokens",
        "output_tokens": "tokens",
        "cached_input_tokens": "tokens",
        "cost_usd": "cost_usd",
    }
)
"""The limit of each number."""


class RefusedError(Exception):
    """Carries a rejection out of the checks to whoever decodes."""

    def __init__(self, reason: Reason, field: str, detail: str) -> None:
        super().__init__(detail)
        self.rejected = Rejected(reason, field, detail)


def too_deep(value: dict[str, Any] | list[Any], levels: int) -> bool:
    """Whether an object or list holds more than so many levels of them, itself included."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, (dict, list)) and (levels <= 1 or too_deep(item, levels - 1)):
            return True
    return False


def shown(value: object) -> str:
    """A value for a person to recognise: at most 80 characters, containers by size only."""
    if isinstance(value, dict):
        return f"an object (size {len(value)})"
    if isinstance(value, list):
        return f"a list (size {len(value)})"
    text = repr(value[:80]) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:79] + "…"


class Checks:
    """Checks the values of one gathered object and names the field, what arrived and the remedy when it refuses."""

    def __init__(self, found: Gathered, limits: Limits, now_ms: int) -> None:
        self._found = found
        self._limits = limits
        self._latest_ms = now_ms + limits.ahead_ms

    def refuse(self, reason: Reason, name: str, arrived: str, remedy: str) -> Never:
        """Reject the record for one field."""
        origin = f" (from {self._found.origin[name]})" if name in self._found.origin else ""
        raise RefusedError(reason, name, f"{name}{origin} is {arrived}; {remedy}")

    def missing(self, reason: Reason, name: str, arrived: str) -> Never:
        """Reject the record for a field that is not there, and show which are."""
        names = ", ".join([*self._found.fields, *self._found.attributes]) or "nothing"
        present = names if len(names) <= 80 else names[:79] + "…"
        remedy = f"send it, or name where it lies: --map {name}=path.to.it"
        self.refuse(reason, name, f"{arrived} (the record has {present})", remedy)

    def text(self, name: str, value: object) -> str:
        """``input`` or ``output``: text; a list that is left here was no list of messages."""
        return self._string(name, value, self._limits.text_chars, "text or a list of {role, content}")

    def label(self, name: str, value: object) -> str:
        """Any other text; a whole number is taken as its digits, for ids and versions are often sent so."""
        return self._string(name, str(value) if type(value) is int else value, self._limits.label_chars, "text")

    def number(self, name: str, value: object) -> float | int:
        """A duration, count or cost: from zero to its limit."""
        number = self._number(name, value)
        largest = getattr(self._limits, NUMBERS[name])
        if number < 0:
            self.refuse(Reason.NEGATIVE, name, shown(value), "send zero or more, or leave it out")
        if number > largest:
            self.refuse(Reason.TOO_LARGE, name, shown(value), f"send at most {largest}: is the unit right?")
        return number

    def event_time(self, name: str, value: object) -> int:
        """Milliseconds since 1970 between the oldest allowed and a little ahead of the clock."""
        instant = epoch_ms(value)
        if instant is None:
            wanted = "send RFC 3339 such as 2026-01-31T12:00:00Z, or epoch seconds or milliseconds"
            self.refuse(Reason.BAD_TIME, name, shown(value), wanted)
        if instant < self._limits.oldest_ms:
            remedy = "epoch seconds read as milliseconds? Check the unit where it is written"
            self.refuse(Reason.TOO_OLD, name, f"{shown(value)}, before the earliest instant allowed", remedy)
        if instant > self._latest_ms:
            remedy = "check the sender's clock and the unit"
            self.refuse(Reason.IN_FUTURE, name, f"{shown(value)}, ahead of the clock", remedy)
        return instant

    def scores(self, name: str, value: object) -> dict[str, float]:
        """Scores by name; null scores are left out."""
        if not isinstance(value, dict):
            self.refuse(Reason.WRONG_TYPE, name, shown(value), "send an object of numbers by name")
        given = {key: score for key, score in value.items() if score is not None}
        if len(given) > self._limits.scores:
            self.refuse(Reason.TOO_LARGE, name, shown(given), f"send at most {self._limits.scores} scores")
        for key, score in given.items():
            self._string(name, key, self._limits.label_chars, "short names")
            if abs(self._number(name, score)) > self._limits.score:
                self.refuse(
                    Reason.TOO_LARGE, name, f"at {shown(score)}", f"send at most {self._limits.score} either way"
                )
        return {key: float(score) for key, score in given.items()}

    def feedback(self, name: str, value: object) -> int:
        """-1, 0 or 1."""
        number = self._number(name, value)
        if number not in (-1, 0, 1):
            self.refuse(Reason.NOT_ALLOWED, name, shown(value), "send -1, 0 or 1")
        return int(number)

    def context(self, name: str, value: object) -> tuple[str, ...]:
        """Retrieved texts; nulls are left out."""
        if not isinstance(value, list):
            self.refuse(Reason.WRONG_TYPE, name, shown(value), "send a list of texts")
        given = [item for item in value if item is not None]
        return tuple(self._string(name, item, self._limits.text_chars, "a list of texts") for item in given)

    def attributes(self, name: str, value: object) -> dict[str, Any]:
        """The first entries of what the contract does not name, and the count of the others."""
        if not isinstance(value, dict):
            self.refuse(Reason.WRONG_TYPE, name, shown(value), "send an object")
        kept = dict(islice(value.items(), self._limits.attributes))
        if too_deep(kept, self._limits.depth):
            self.refuse(Reason.TOO_DEEP, name, "nested too deeply", f"send at most {self._limits.depth} levels")
        dropped = len(value) - len(kept)
        return kept | {"_dropped": dropped} if dropped else kept

    def _string(self, name: str, value: object, longest: int, wanted: str) -> str:
        if not isinstance(value, str):
            remedy = f"send {wanted}, or name where that lies: --map {name}=path.to.it"
            self.refuse(Reason.WRONG_TYPE, name, shown(value), remedy)
        if len(value) > longest:
            self.refuse(Reason.TOO_LONG, name, f"{len(value)} characters long", f"send at most {longest}")
        return value

    def _number(self, name: str, value: object) -> float | int:
        if not isinstance(value, int | float) or isinstance(value, bool):
            quotes = " without quotes" if isinstance(value, str) else ""
            self.refuse(Reason.WRONG_TYPE, name, shown(value), f"send a number{quotes}")
        return value
