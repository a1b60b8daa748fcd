"""A drift inside a baseline in words: what moved, when, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from drift.call import MARKERS, SCORES
from drift.finding import percent
from drift.fit import SCALARS
from drift.inner_drift import Change, Inside
from drift.pane import Pane
from drift.timeline import DAILY, WEEKLY
from drift.tolerances import TOLERANCES

SHOWN = 3
"""Respects that a sentence names; the others are counted."""


def instant(ms: int) -> str:
    """RFC 3339, UTC, whole seconds: rounded down, so that a range from it holds the call."""
    return f"{np.datetime64(ms // 1000, 's')}Z"


def moved(one: Change, titles: Mapping[str, str]) -> str:
    """What one respect did, such as ``output length rose by 31 %``."""
    name, way = one.aspect.replace("_", " "), "rose" if one.effect > 0 else "fell"
    if one.aspect == "topics":
        return f"{percent(one.effect)} of the topic mix moved"
    if one.aspect == "inputs":
        return f"inputs moved by {one.effect:.2g} standard deviations"
    if one.aspect == "answers":
        return f"answers to like questions moved by {one.effect:.2g} residual standard deviations"
    if one.aspect in SCORES:
        return f"{titles.get(one.aspect, name)} {way} by {abs(one.effect):.2g} standard deviations"
    if one.aspect not in SCALARS:
        return f"the share of calls with {name} {way} by {abs(one.effect) * 100:.2g} points"
    if one.spread is not None and abs(one.spread) > max(abs(one.effect), TOLERANCES[one.aspect]):
        return f"the spread of {name} {'rose' if one.spread > 0 else 'fell'} by {percent(abs(one.spread))}"
    return f"{name.replace('ttft', 'time to first token')} {way} by {percent(abs(one.effect))}"


def unmoved(found: Inside) -> str:
    """That no drift was found, and in how many respects."""
    if not found.changes:
        return "too few calls to look for it"
    held = f", compared at equal hours of the {found.cycle}" if found.cycle else ""
    return f"none found in {len(found.changes)} respects{held}"


def drifted(found: Inside, sure: Sequence[Change], titles: Mapping[str, str], *, cyclic: bool) -> str:
    """What drifted, the surest first: that one dates the change.

    Parameters
    ----------
    cyclic
        Whether a daily or weekly cycle might be all that it is; this is then said.
    """
    names = ", ".join(moved(one, titles) for one in sure[:SHOWN])
    names += f" and {len(sure) - SHOWN} more" if len(sure) > SHOWN else ""
    return f"it drifts inside, at {instant(sure[0].at)}: {names}{_held(found) if cyclic else ''}"


def remedy(first: Change, before: bool, after: bool) -> str:
    """What to do about a drift, given whether enough calls are left before and after it."""
    at = instant(first.at)
    parts = [f"build it from there on (--from {at})"] * after + [f"of what was before (--to {at})"] * before
    return " or ".join(parts) if after else " or ".join([f"wait for more calls from there on (--from {at})", *parts])


def marker(total: Pane, at: int) -> str:
    """The change marker whose usual value is another one from this time on, empty where there is none."""
    rows = total.sample.rows
    later = rows["at"] >= at
    for i, field in enumerate(MARKERS):
        if field == "prompt_hash":  # told apart by prompt version, which has a name
            continue
        before, now = (_usual(rows["markers"][side, i]) for side in (~later, later))
        if before != now and before in total.names and now in total.names:
            return f"; the {field.replace('_', ' ')} went from {total.names[before]} to {total.names[now]} meanwhile"
    return ""


def _usual(codes: npt.NDArray[np.uint64]) -> int:
    """The value that most calls have, 0 where none does."""
    known, counts = np.unique(codes, return_counts=True)
    return int(known[counts.argmax()]) if 2 * counts.max(initial=0) > len(codes) else 0


def _held(found: Inside) -> str:
    """What was held fixed, or what the drift cannot be told from."""
    if not found.cycle:
        return f" (in less than {DAILY} days this cannot be told from a daily cycle)"
    if found.cycle == "day":
        return f" (at equal hours of the day; in less than {WEEKLY} days this cannot be told from a weekly cycle)"
    return " (at equal hours of the week)"
