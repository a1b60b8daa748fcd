"""The sampled calls that a shift of the inputs is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drift.baseline import Baseline
from drift.call import Rows
from drift.detectors.memory import FloatArray
from drift.fit import FAR, OFF_TOPIC

NEWCOMER = 0.1
"""Share of the baseline's calls that lie as far along a shift as those that it is said to be made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Newcomers:
    """Sampled calls that came new: their share in the baseline and now.

    They lie farther along the shift of the inputs than nine of ten calls of the baseline did or, where the share of
    questions far from every topic has grown, are such questions.
    """

    members: npt.NDArray[np.bool_]
    before: float
    now: float
    z: float


def newcomers(baseline: Baseline, shift: FloatArray, rows: Rows) -> Newcomers | None:
    """The calls that a shift of the inputs is made of, or None if they are not clearly more than before.

    Parameters
    ----------
    shift
        Mean whitened input since the change point less the baseline's, shape ``(d,)``.
    rows
        Sampled calls since the change point.
    """
    asked = rows["topic"] >= 0
    if not asked.any() or not shift.any():
        return None
    bound = float(np.quantile(baseline.fit.inputs @ shift, 1 - NEWCOMER))
    members = asked & (baseline.frame.inputs(rows["features"][:, 0]) @ shift > bound)
    n = float(asked.sum())
    return _clearly_more(members, NEWCOMER, float(members.sum()) / n, n, baseline.fit.size)


def far_questions(baseline: Baseline, far: float, n: float, rows: Rows) -> Newcomers | None:
    """The sampled questions far from every topic, or None if they are not clearly more than before.

    Parameters
    ----------
    far, n
        Such questions, and all, since the change point: counted, not sampled.
    """
    members = (rows["topic"] >= 0) & (rows["band"] >= FAR)
    known = baseline.panel.rates[OFF_TOPIC]
    return _clearly_more(members, known.rate, far / max(n, 1.0), n, known.size) if members.any() else None


def _clearly_more(members: npt.NDArray[np.bool_], before: float, now: float, n: float, size: float) -> Newcomers | None:
    z = (now - before) / float(np.sqrt(before * (1 - before) * (1 / n + 1 / size)))
    return Newcomers(members, before, now, z) if z > 2 else None
