"""What one call is, once measured: a row of numbers and hashes, no text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GRID = 1 << 14
"""Embeddings and features are whole numbers of 1/16384: sums of them are exact."""

DIMENSIONS = 64
"""Coordinates that a lens keeps of each view."""

VIEWS = ("input", "output", "format")
SERIES = ("input_chars", "output_chars", "input_tokens", "output_tokens", "latency_ms", "ttft_ms", "cost_musd")
FLAGS = ("error", "truncated", "empty_output")
MARKERS = ("model", "served_model", "fingerprint", "prompt_version", "prompt_hash", "app_version", "region")
"""What may change with a drift; a template's hash is told apart by prompt version."""

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
    ]
)
"""One measured call. Names behind the hashes travel beside the rows."""

Rows = npt.NDArray[np.void]
"""Structured array of ``ROW``."""

OUTPUT_CHARS = SERIES.index("output_chars")
LENGTH_GRID = 1 << 10
"""Log lengths are whole numbers of 1/1024 before they are summed."""
