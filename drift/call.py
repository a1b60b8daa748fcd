"""What one call is, once measured: a row of numbers and hashes, no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import xxhash

GRID = 1 << 14
"""Embeddings and features are whole numbers of 1/16384: sums of them are exact."""

DIMENSIONS = 64
"""Coordinates that a lens keeps of each view."""

VIEWS = ("input", "output", "format")
SCORES = ("score_1", "score_2", "score_3")
"""Series of eval scores; a baseline says which names they have."""

SERIES = (
    *("input_chars", "output_chars", "input_tokens", "output_tokens", "latency_ms", "ttft_ms", "cost_musd"),
    *SCORES,
    "feedback",
)
FLAGS = ("error", "truncated", "empty_output")
MARKERS = ("model", "served_model", "fingerprint", "prompt_version", "prompt_hash", "app_version", "region")
"""What may change with a drift; a template's hash is told apart by prompt version."""

SLICES, VALUES = 3, 8
"""Fields of calls that may be declared, and values of each whose sums are kept."""

NO_TOPIC = -1
"""The topic of a call without input."""

ROW = np.dtype(
    [
        ("key", "<u8"),  # hash of call_id and event time: the order of samples
        ("call", "<u8"),  # hash of call_id: duplicates meet
        ("content", "<u8"),  # hash of the record: which duplicate counts
        ("at", "<i8"),  # event time, milliseconds since 1970
        ("stratum", "<u8"),  # hash of prompt version and variant
        ("topic", "<i2"),
        ("band", "i1"),  # how far from the topic's centre, 0 (near) to 4
        ("answered", "i1"),  # 1 where there is an output
        ("features", "<i2", (len(VIEWS), DIMENSIONS)),
        ("bins", "<i4", (len(SERIES),)),
        ("flags", "i1", (len(FLAGS),)),
        ("user", "<u8"),  # salted hash, 0 where unknown
        ("asked", "<u8"),  # salted hash of the input
        ("markers", "<u8", (len(MARKERS),)),  # hash of each marker's value, 0 where missing
        ("slices", "<u8", (SLICES,)),  # hash of each declared field's value, 0 where it is missing or not admitted
    ]
)
"""One measured call. Names behind the hashes travel beside the rows."""

Rows = npt.NDArray[np.void]
"""Structured array of ``ROW``."""


@dataclass(frozen=True)
class Slice:
    """A declared field and its admitted values, at most ``VALUES``; a call of any other, or none, is ``other``."""

    field: str
    values: tuple[str, ...]

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Hash of each admitted value, never 0; equal values of different fields have different hashes."""
        texts = {value: f"{self.field}\x1f{value}".encode("utf-8", "surrogatepass") for value in self.values}
        return {value: xxhash.xxh3_64_intdigest(text) or 1 for value, text in texts.items()}


@dataclass(frozen=True)
class Declared:
    """What a baseline wants measured of its calls: declared fields, and the names of ``SCORES``."""

    slices: tuple[Slice, ...] = ()
    scores: tuple[str, ...] = ()


NOTHING = Declared()

OUTPUT_CHARS = SERIES.index("output_chars")
FEEDBACK = SERIES.index("feedback")
LENGTH_GRID = 1 << 10
"""Log lengths are whole numbers of 1/1024 before they are summed."""
