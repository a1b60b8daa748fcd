"""Declared fields: which they may be, what a call holds there, and the values that are admitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

import msgspec
import numpy as np
import numpy.typing as npt

from drift.call import SLICES, VALUES, Slice
from drift.errors import SettingsError
from streams.records import LABELS, Record

ATTRIBUTE = "attributes."
LONGEST = 200
"""Characters of a value."""


def check(fields: Sequence[str]) -> None:
    """See that these fields can be declared.

    Raises
    ------
    SettingsError
        They are too many, twice the same, or none of a call record's.
    """
    if len(fields) > SLICES:
        raise SettingsError(f"slices: at most {SLICES} fields, got {len(fields)}: {', '.join(fields)}")
    for field in fields:
        if field not in LABELS and (not field.startswith(ATTRIBUTE) or field == ATTRIBUTE):
            raise SettingsError(
                f"slices: {field!r} is no label of a call record; give {ATTRIBUTE}NAME or one of "
                f"{', '.join(sorted(LABELS))}"
            )
    if twice := [field for field, n in Counter(fields).items() if n > 1]:
        raise SettingsError(f"slices: {twice[0]} is given twice")


def admit(records: Iterable[Record], fields: Sequence[str]) -> tuple[Slice, ...]:
    """Each field with its most frequent values in these calls, ties by name."""
    calls = list(records) if fields else []
    made = []
    for field in fields:
        held = Counter(map(_reader(field), calls))
        del held[""]
        ranked = sorted(held.items(), key=lambda item: (-item[1], item[0]))
        made.append(Slice(field, tuple(value for value, _ in ranked[:VALUES])))
    return tuple(made)


def coded(records: Sequence[Record], declared: Sequence[Slice]) -> npt.NDArray[np.uint64]:
    """Hash of each call's value of each declared field, 0 where it is missing or not admitted, ``(n, SLICES)``."""
    made = np.zeros((len(records), SLICES), np.uint64)
    for column, one in enumerate(declared):
        codes = one.codes
        made[:, column] = [codes.get(value, 0) for value in map(_reader(one.field), records)]
    return made


def measured(record: Record, fields: Sequence[str]) -> Record:
    """The record without what is never measured: context, and attributes that are not declared."""
    names = [field.removeprefix(ATTRIBUTE) for field in fields if field.startswith(ATTRIBUTE)]
    kept = {name: record.attributes[name] for name in names if name in record.attributes}
    return msgspec.structs.replace(record, context=(), attributes=kept)


def _reader(field: str) -> Callable[[Record], str]:
    """What a call holds in a field: text as it is, cut short, other plain values as JSON, all else empty."""
    if not field.startswith(ATTRIBUTE):
        return attrgetter(field)
    name = field.removeprefix(ATTRIBUTE)

    def read(record: Record) -> str:
        value = record.attributes.get(name)
        if isinstance(value, bool | int | float):
            return msgspec.json.encode(value).decode()
        return value[:LONGEST] if isinstance(value, str) else ""

    return read
