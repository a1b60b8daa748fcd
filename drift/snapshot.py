"""All that is remembered of a segment, as bytes: who goes on from them judges as if nobody had stopped.

A dataclass is written field by field as it declares them, so that none is forgotten; dictionaries keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from drift import codec
from drift import pane as panes
from drift.call import ROW, Rows
from drift.errors import CorruptError
from drift.pane import Pane
from drift.state import SegmentState

_FORMAT = 1
"""To be raised with every change of what a state or anything inside it declares or means."""

_LEVEL = 1
"""Of compression: states are written often and read seldom."""

_KNOWN = (str, int, float, np.ndarray)


def encode(state: SegmentState) -> bytes:
    """Bytes of a state; equal states give equal bytes."""
    return codec.pack({"state": _FORMAT, "fields": _plain(state)}, level=_LEVEL)


def decode(data: bytes) -> SegmentState:
    """State of these bytes, to the bit.

    Raises
    ------
    CorruptError
        They are not a state, are damaged, or are of a format that this release does not read.
    """
    tree = codec.unpack(data, "state", _FORMAT)
    try:
        state: SegmentState = _reader(SegmentState)(tree["fields"])
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptError(f"not a state, though it says so ({error}): judge the segment's calls again") from error
    return state


def _plain(value: Any) -> Any:
    """Lists, arrays and what msgpack knows."""
    if isinstance(value, _KNOWN):  # most there are, texts above all
        return value
    if isinstance(value, Pane):
        return panes.encode(value)
    if is_dataclass(value):
        return [_plain(getattr(value, one.name)) for one in fields(value)]
    if isinstance(value, Mapping):
        return [[key, _plain(one)] for key, one in value.items()]
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """From plain values to what a dataclass declares."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Pane:
        return panes.decode
    if hint == Rows:
        return partial(codec.table, dtype=ROW)
    if is_dataclass(hint):
        return _fields(hint)
    if origin is UnionType:  # a dataclass, or else an array or None
        some = _reader(inner[0])
        return lambda value: value if value is None or isinstance(value, np.ndarray) else some(value)
    if origin is Mapping:
        one = _reader(inner[1])
        return lambda pairs: {key: one(value) for key, value in pairs}
    if origin is tuple and inner[-1] is Ellipsis:
        each = _reader(inner[0])
        return lambda values: tuple(each(value) for value in values)
    return tuple if origin is tuple else lambda value: value


def _fields(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers = [_reader(hints[one.name]) for one in fields(kind)]
    return lambda values: kind(*(read(value) for read, value in zip(readers, values, strict=True)))
