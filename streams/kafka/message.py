"""A call of an app as a record of the topic, checked as its readers would check it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from streams.checks import Reason
from streams.kafka.outbox import Message
from streams.records import Record, Rejected, decode


def message(call: Any, now_ms: int) -> Message | Rejected:
    """The record of a topic for a call, or why it is none.

    Parameters
    ----------
    call
        A mapping, a dataclass or a ``msgspec.Struct`` with the fields of a call record, under any of their names. A
        missing ``event_time`` is now, a missing ``call_id`` made up. NaN is taken as absent, a ``datetime`` without
        offset as UTC.
    now_ms
        Milliseconds since 1970.
    """
    try:
        fields = _fields(call)
        if fields.get("event_time") is None:
            fields["event_time"] = now_ms
        return _checked(fields, now_ms)
    except Exception as error:  # whatever an app may hand over, it must go on
        return Rejected(Reason.NOT_JSON, "", f"the call cannot be written as JSON: {_words(error)}")


def _words(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # it speaks of the app's own objects
        return type(error).__name__


def _fields(call: Any) -> dict[str, Any]:
    if isinstance(call, Mapping):
        return dict(call)
    if isinstance(call, Record):
        call = msgspec.structs.asdict(call)
        del call["content"]
        return {name: value for name, value in call.items() if value not in (None, "", (), {})}
    if isinstance(call, msgspec.Struct):
        return msgspec.structs.asdict(call)
    if dataclasses.is_dataclass(call):
        return {field.name: getattr(call, field.name) for field in dataclasses.fields(call)}
    raise TypeError(f"a {type(call).__name__}; send a dict")


def _checked(fields: dict[str, Any], now_ms: int) -> Message | Rejected:
    """The message, if a reader of the topic would take it."""
    value = _ENCODER.encode(fields)
    made = None if fields.get("call_id") else uuid.uuid4().hex
    found = decode(value, now_ms=now_ms, fallback_id=made)
    if isinstance(found, Rejected):
        return found
    if found.call_id == made:  # no other name held one either
        return _checked({**fields, "call_id": made}, now_ms)
    return Message(found.call_id.encode(), value)


def _plain(value: Any) -> Any:
    """What msgspec does not know: NumPy's scalars and arrays, and sequences."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} among its values")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
