"""Call records: bytes from a topic or a file to a checked record, or to the reason why not."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
import xxhash

from streams.aliases import epoch_ms, gather, has_alias
from streams.checks import NUMBERS, Checks, Limits, Reason, RefusedError, Rejected, shown, too_deep

__all__ = ["DEFAULT_LIMITS", "FIELDS", "Limits", "Reason", "Record", "Rejected", "decode"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One call to a model, checked.

    Absent text is empty, an absent number None, an absent variant ``live``. Where a key came twice the last one counts.

    Attributes
    ----------
    event_time
        Milliseconds since 1970, UTC.
    input
        What was asked; of a list of messages the texts of all but the system's, joined by an empty line.
    prompt_hash
        As sent, otherwise XXH3-64 in hexadecimal of the system's text, if any.
    attributes
        What the contract does not name; ``_dropped`` counts entries cut off behind the last allowed one.
    content
        XXH3-64 of the bytes as they came.
    """

    call_id: str
    event_time: int
    app: str
    prompt_name: str = ""
    prompt_version: str = ""
    prompt_hash: str = ""
    variant: str = "live"
    pair_id: str = ""
    input: str = ""
    output: str = ""
    model: str = ""
    served_model: str = ""
    fingerprint: str = ""
    provider: str = ""
    app_version: str = ""
    region: str = ""
    session_id: str = ""
    user_id: str = ""
    finish_reason: str = ""
    error_type: str = ""
    scores: dict[str, float] = {}
    context: tuple[str, ...] = ()
    attributes: dict[str, Any] = {}
    trace_id: str = ""
    span_id: str = ""
    latency_ms: float | int | None = None
    ttft_ms: float | int | None = None
    input_tokens: float | int | None = None
    output_tokens: float | int | None = None
    cached_input_tokens: float | int | None = None
    cost_usd: float | int | None = None
    feedback: Literal[-1, 0, 1] | None = None
    content: int = 0


_ORDER = tuple(name for name in Record.__struct_fields__ if name != "content")
FIELDS = frozenset(_ORDER)
"""Names of the contract: what a field map may fill."""

DEFAULT_LIMITS = Limits()

_NO_MAP: Mapping[str, str] = MappingProxyType({})
_TEXTS = frozenset({"input", "output"})
LABELS = frozenset(info.name for info in msgspec.structs.fields(Record) if info.type is str) - _TEXTS
"""Fields that hold a label."""

_CHECKS: dict[str, Callable[[Checks, str, object], Any]] = {
    **dict.fromkeys(LABELS, Checks.label),
    **dict.fromkeys(_TEXTS, Checks.text),
    **dict.fromkeys(NUMBERS, Checks.number),
    "event_time": Checks.event_time,
    "scores": Checks.scores,
    "context": Checks.context,
    "feedback": Checks.feedback,
    "attributes": Checks.attributes,
}
_DEFAULTS = msgspec.structs.astuple(Record("", 0, ""))[: len(_ORDER)]
_FIRST_OPTIONAL = _ORDER.index("latency_ms")  # from here on None is what absence looks like
_SURROGATES = re.compile(  # an escaped backslash, a whole pair, or (the group) half a pair
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode(
    line: bytes,
    *,
    now_ms: int,
    limits: Limits = DEFAULT_LIMITS,
    field_map: Mapping[str, str] = _NO_MAP,
    fallback_id: str | None = None,
) -> Record | Rejected:
    """Read one call record; whatever the bytes are, nothing is raised.

    Parameters
    ----------
    line
        One JSON object in UTF-8. Half a surrogate pair, as left by cutting a text, is read as U+FFFD.
    now_ms
        The clock that bounds ``event_time``, in milliseconds since 1970: a topic record's own timestamp, or now.
    limits
        Bounds; beyond them a record is rejected.
    field_map
        Field to dotted path, applied before any other name (see `streams.aliases.gather`).
    fallback_id
        The ``call_id`` of a record without one.

    Returns
    -------
    Record or Rejected
        Which of the two never depends on anything but the arguments.
    """
    if len(line) > limits.line_bytes:
        return Rejected(
            Reason.TOO_LARGE,
            "",
            f"the line is longer than {limits.line_bytes} bytes; send one call per line and shorten its texts",
        )
    record = None if field_map else _decode_own_names(line, now_ms, limits, fallback_id)
    if record is not None:
        return record
    try:
        return _decode_any_names(line, now_ms, limits, field_map, fallback_id)
    except RefusedError as refused:
        return refused.rejected


@lru_cache(maxsize=8)
def _decoder(limits: Limits) -> msgspec.json.Decoder[Any]:
    """Takes only records inside the limits and under the contract's own names, nulls included."""
    label: Any = Annotated[str, msgspec.Meta(max_length=limits.label_chars)]
    text: Any = Annotated[str, msgspec.Meta(max_length=limits.text_chars)]
    score: Any = Annotated[float, msgspec.Meta(ge=-limits.score, le=limits.score)]
    types: dict[str, Any] = dict.fromkeys(LABELS, label | None) | dict.fromkeys(_TEXTS, text | None)
    for name, limit in NUMBERS.items():
        inside = msgspec.Meta(ge=0, le=getattr(limits, limit))
        types[name] = Annotated[int, inside] | Annotated[float, inside] | None
    types["event_time"] = int | float | str | None
    types["scores"] = Annotated[dict[label, score], msgspec.Meta(max_length=limits.scores)]
    types["feedback"] = Literal[-1, 0, 1] | None
    types["context"] = tuple[text, ...] | None
    types["attributes"] = Annotated[dict[str, Any], msgspec.Meta(max_length=limits.attributes)]
    defaults = dict(zip(_ORDER, _DEFAULTS, strict=True)) | dict.fromkeys(("call_id", "event_time", "app"))
    fields = [(name, types[name], defaults[name]) for name in _ORDER]
    return msgspec.json.Decoder(msgspec.defstruct("Wire", fields, forbid_unknown_fields=True, gc=False))


def _decode_own_names(line: bytes, now_ms: int, limits: Limits, fallback_id: str | None) -> Record | None:
    """The fast path: one compiled pass; None where anything at all needs a closer look."""
    try:
        wire = _decoder(limits).decode(line)
    except (ValueError, RecursionError):
        return None
    event_time = epoch_ms(wire.event_time)
    call_id = wire.call_id or fallback_id
    if (
        event_time is None
        or not limits.oldest_ms <= event_time <= now_ms + limits.ahead_ms
        or not (call_id and wire.app and wire.variant)
        or not (wire.input or wire.output or wire.error_type)
        or (wire.attributes and (has_alias(wire.attributes) or too_deep(wire.attributes, limits.depth)))
    ):
        return None
    values = msgspec.structs.astuple(wire)
    if None in values[:_FIRST_OPTIONAL]:
        values = tuple(default if value is None else value for value, default in zip(values, _DEFAULTS, strict=True))
    return Record(*(call_id, event_time, *values[2:], xxhash.xxh3_64_intdigest(line)))


def _decode_any_names(
    line: bytes, now_ms: int, limits: Limits, field_map: Mapping[str, str], fallback_id: str | None
) -> Record:
    """The careful path: any spelling, and a sentence for what is wrong."""
    found = gather(_parse(line), FIELDS, field_map)
    checks = Checks(found, limits, now_ms)
    given = {"attributes": found.attributes} | found.fields
    checked = {name: _CHECKS[name](checks, name, value) for name, value in given.items()}
    values = {"call_id": fallback_id} | {name: value for name, value in checked.items() if value != ""}
    for name in ("call_id", "event_time", "app"):
        if not values.get(name):
            checks.missing(Reason.MISSING_FIELD, name, "missing")
    if values.keys().isdisjoint(("input", "output", "error_type")):
        checks.missing(Reason.NOTHING_TO_JUDGE, "output", "missing, like input and error_type")
    return Record(**values, content=xxhash.xxh3_64_intdigest(line))


def _parse(line: bytes) -> dict[str, Any]:
    """The line's object; refuses what is none."""
    try:
        document = msgspec.json.decode(line)
    except RecursionError:
        raise RefusedError(Reason.TOO_DEEP, "", "the line is nested too deeply; send flat records") from None
    except msgspec.ValidationError as error:  # untyped, so only numbers are refused
        detail = f"the line holds a number no double can hold ({error}); leave it out"
        raise RefusedError(Reason.NOT_FINITE, "", detail) from None
    except ValueError as error:
        whole = _SURROGATES.sub(lambda found: rb"\ufffd" if found[1] else found[0], line)
        if whole != line:
            return _parse(whole)
        detail = f"the line is not JSON ({error}); send one object per line, in UTF-8, null for NaN and Infinity"
        raise RefusedError(Reason.NOT_JSON, "", detail) from None
    if not isinstance(document, dict):
        detail = f"the line is {shown(document)}; send one JSON object per line (jq -c '.[]' splits a list)"
        raise RefusedError(Reason.NOT_AN_OBJECT, "", detail)
    return document
