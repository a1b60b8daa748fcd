"""What calls cover of days and weeks, and what nobody can know from them."""

from __future__ import annotations

import numpy as np

from drift.distances.checked import IntArray
from drift.finding import Finding, listed
from drift.pane import Pane
from drift.timeline import DAY_MS, HOUR_MS

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def cycles(total: Pane) -> list[Finding]:
    """What the calls cover of days and weeks, and what nobody can know from them."""
    at, days = total.sample.rows["at"], (total.end - total.tick) / DAY_MS
    seen = np.bincount(at // HOUR_MS % 24, minlength=24)
    without = np.flatnonzero(seen == 0)
    weekdays = np.bincount((at // DAY_MS + 3) % 7, minlength=7)  # 1970 began on a Thursday
    if days < 1:
        return [_period(days)]
    found = [_period(days), _hours(days, without)]
    absent = [name for name, calls in zip(WEEKDAYS, weekdays, strict=True) if not calls]
    figures = {"weekdays_without_calls": absent}
    if days < 7 or absent:
        named = f"no calls on {listed(absent)}" if absent else "it covers less than a whole week"
        told = f"{named}: what belongs to some days of the week only may look like drift"
        return [*found, Finding("days of the week", "warn", told, figures)]
    return [*found, Finding("days of the week", "ok", "calls on all seven", figures)]


def near_weekend(at: int) -> bool:
    """Whether an instant lies within half a day of the begin or the end of a Saturday and Sunday (UTC)."""
    day = (at / DAY_MS + 3) % 7  # 0 is the begin of Monday
    return min(abs(day - 5), day, 7 - day) <= 0.5


def _period(days: float) -> Finding:
    figures = {"days": round(days, 2)}
    if days < 1:
        told = (
            f"it covers less than a day ({_duration(days)}): what it cannot know of the daily cycle may look like drift"
        )
        return Finding("period", "warn", told, figures)
    told = _duration(days)
    if days < 7:
        told += "; a weekly cycle is not known"
    elif days < 14:
        told += "; one week cannot tell what changes from week to week"
    return Finding("period", "ok", told, figures)


def _hours(days: float, without: IntArray) -> Finding:
    """Hours of the day without calls; on seven days or more they are how the traffic is."""
    figures = {"hours_without_calls": without.tolist()}
    if not len(without):
        return Finding("hours of the day", "ok", "calls at all 24", figures)
    told = f"no calls at {_ranges(without)} UTC"
    if days >= 7:
        return Finding(
            "hours of the day", "ok", f"{told} on any day: such calls would be compared with others", figures
        )
    return Finding("hours of the day", "warn", f"{told}: calls at these hours will be compared with others", figures)


def _ranges(hours: IntArray) -> str:
    """Hours such as ``00:00-06:00, 23:00-24:00``."""
    runs = np.split(hours, np.flatnonzero(np.diff(hours) > 1) + 1)
    return ", ".join(f"{run[0]:02d}:00-{run[-1] + 1:02d}:00" for run in runs)


def _duration(days: float) -> str:
    for unit, length in (("day", 1.0), ("hour", 1 / 24)):
        if days >= length:
            count = f"{days / length:.3g}"
            return f"{count} {unit}{'s' * (count != '1')}"
    return f"{days * 1440:.0f} minutes"
