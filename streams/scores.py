"""Eval scores and feedback of call records: which scores a baseline measures, and their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from drift.bins import to_score_bins
from drift.call import FEEDBACK, SCORES, SERIES
from drift.errors import SettingsError
from streams.records import Record

COMMON = 0.5
"""Share of a baseline's calls that bear a score which is measured unasked."""


def check(names: Sequence[str]) -> None:
    """See that these scores can be measured.

    Raises
    ------
    SettingsError
        They are too many, or twice the same.
    """
    if len(names) > len(SCORES):
        raise SettingsError(f"scores: at most {len(SCORES)} names, got {len(names)}: {', '.join(names)}")
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise SettingsError(f"scores: {twice[0]} is given twice")


def names(records: Iterable[Record], wanted: Sequence[str]) -> tuple[str, ...]:
    """The scores that were asked for, or the commonest that at least half of these calls bear, ties by name."""
    if wanted:
        return tuple(wanted)
    calls = list(records)
    held = Counter(name for record in calls for name in record.scores)
    ranked = sorted((-n, name) for name, n in held.items() if n >= COMMON * len(calls))
    return tuple(name for _, name in ranked[: len(SCORES)])


def binned(records: Sequence[Record], measured: Sequence[str]) -> npt.NDArray[np.int32]:
    """Bins of the named scores, and of feedback, ``(n, SCORES + 1)``."""
    values = np.full((len(records), len(SCORES) + 1), np.nan)
    for column, name in enumerate(measured):
        values[:, column] = [record.scores.get(name, np.nan) for record in records]
    values[:, -1] = np.fromiter((record.feedback for record in records), np.float64, len(records))
    return to_score_bins(values)


assert (*SCORES, "feedback") == SERIES[-len(SCORES) - 1 :] and len(SERIES) - 1 == FEEDBACK
