"""Difference of two shares."""

from __future__ import annotations

import math

from drift.distances.checked import Z95, Interval
from drift.errors import EmptySampleError, ShapeError


def share_difference(hits_baseline: int, calls_baseline: int, hits_current: int, calls_current: int) -> Interval:
    """Difference of the shares of calls that carry a flag, current less baseline.

    The interval is Newcombe's hybrid of the two Wilson score intervals, his method 10 [1]_, at 95 %: it stays
    inside [-1, 1] and does not collapse when no call, or every call, carries the flag.

    Parameters
    ----------
    hits_baseline, hits_current
        Calls with the flag, from 0 to all.
    calls_baseline, calls_current
        All calls, positive.

    Returns
    -------
    Interval
        As a proportion: 0.01 is one point.

    Raises
    ------
    EmptySampleError
        A side has no calls.
    ShapeError
        A side has fewer than zero hits, or more hits than calls.

    References
    ----------
    .. [1] Newcombe (1998), Interval estimation for the difference between independent proportions.

    Examples
    --------
    >>> [round(bound, 4) for bound in share_difference(48, 80, 56, 70)]
    [0.2, 0.0524, 0.3339]
    """
    before, before_low, before_high = _wilson("baseline", hits_baseline, calls_baseline)
    now, now_low, now_high = _wilson("current", hits_current, calls_current)
    effect = now - before
    below = math.hypot(now - now_low, before_high - before)
    above = math.hypot(now_high - now, before - before_low)
    return Interval(effect, max(effect - below, -1.0), min(effect + above, 1.0))


def _wilson(name: str, hits: int, calls: int) -> tuple[float, float, float]:
    """Give a share and its score interval, Wilson (1927)."""
    if calls < 1:
        raise EmptySampleError(f"calls_{name} must be positive, got {calls}")
    if not 0 <= hits <= calls:
        raise ShapeError(f"hits_{name} must lie between 0 and calls_{name} = {calls}, got {hits}")
    share, square = hits / calls, Z95**2
    centre = (share + square / (2 * calls)) / (1 + square / calls)
    half = Z95 / (1 + square / calls) * math.sqrt(share * (1 - share) / calls + square / (4 * calls**2))
    return share, max(centre - half, 0.0), min(centre + half, 1.0)
