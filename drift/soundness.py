"""Is a baseline itself sound: enough calls, whole cycles, no drift inside, nothing that dominates?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xxhash

from drift.bins import MISSING
from drift.call import FLAGS, SCORES, SERIES, Rows
from drift.coverage import cycles, near_weekend
from drift.finding import DRIFT, REPEATS, Finding, Severity, listed, percent
from drift.fit import LEAST_COMPARED, LEAST_VALUES, SCALARS, Features
from drift.frame import FEWEST
from drift.inner_drift import ANSWERS, Change, Inside, inner_drift
from drift.inside_words import drifted, instant, marker, remedy, unmoved
from drift.pane import Pane
from drift.timeline import HOUR_MS
from drift.tolerances import TOLERANCES

LEAST = 200
"""Calls below which there is no baseline."""

FEW = 1000
"""Calls below which small changes are noticed late."""

REPEATED_WARN, REPEATED_REFUSE = 0.2, 0.5
"""Shares of calls whose input already occurred at which a baseline warns, and refuses."""

DOMINANT = 0.2
"""Share of the calls from which one user or one session is too many."""

THIN = 0.2
"""Share of the calls in topics of fewer than ten from which that is said."""

ALPHA = 0.01
"""Chance that a baseline without drift is said to drift inside."""

LARGE, LARGE_ANSWERS = 4.0, 10.0
"""Tolerances from which a drift is refused; of answers half a residual standard deviation.

Answers a twentieth longer may lie .2 away where lengths hardly vary; another release of a model lies .8 and more.
"""

SHORT_MS = 4 * HOUR_MS
"""In less than this a daily cycle of a third moves topics by less than .06: what moves more is no cycle."""

REFUSED = frozenset({"topics", "inputs", "answers", "input_length", "output_length", *SCORES})
"""What makes a baseline useless for most verdicts when it drifts; a latency or an error rate only for its own."""


def examine(
    total: Pane,
    features: Features | None,
    *,
    largest_session: float | None = None,
    titles: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Every test of these calls.

    Parameters
    ----------
    total
        Their pane, with up to 5,000 of them as its sample.
    features
        The sample in the coordinates of a baseline; None where there are too few calls for one: nothing else is then
        worth a word.
    largest_session
        Share of the calls in the largest session, None where sessions are not known.
    titles
        Names of scores for people.
    """
    rows = total.sample.rows
    if features is None:
        return (_calls(total),)
    return (
        _calls(total),
        *cycles(total),
        *_repeats(rows),
        _user(rows),
        _session(largest_session),
        _topics(features),
        _answers(rows, features),
        _values(rows),
        _flags(rows),
        _inside(total, inner_drift(features, rows["band"], seed(rows)), titles or {}),
    )


def seed(rows: Rows) -> int:
    """Of every random choice about these calls."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(rows["key"]).tobytes()) & 0x7FFFFFFF


def _repeated(texts: np.ndarray) -> tuple[float, float]:
    """Share of texts that occurred before, and of the commonest of them."""
    counts = np.unique(texts, return_counts=True, axis=0)[1]
    n = max(len(texts), 1)
    return (len(texts) - len(counts)) / n, int(counts.max(initial=0)) / n


def _calls(total: Pane) -> Finding:
    n = total.n
    if n < LEAST:
        told = f"a baseline needs at least {LEAST} calls, got {n}: give a longer range of calls"
        return Finding("calls", "refuse", told, {"calls": n})
    if n < FEW:
        told = f"only {n} calls: small changes will be noticed late; 3,000 or more serve better"
        return Finding("calls", "warn", told, {"calls": n})
    return Finding("calls", "ok", f"{n:,} calls", {"calls": n})


def _repeats(rows: Rows) -> list[Finding]:
    share, largest = _repeated(rows["asked"][rows["topic"] >= 0])
    figures = {"repeated": round(share, 4), "commonest": round(largest, 4)}
    severity: Severity = "refuse" if share > REPEATED_REFUSE else "warn" if share > REPEATED_WARN else "ok"
    told = f"{percent(share)} of the calls repeat an earlier input"
    told += f", the commonest input makes up {percent(largest)}" if share else ""
    if severity != "ok":
        told += ": they count as fresh evidence and are not, so thresholds rest on fewer distinct calls"
    mended = f"take them from varied traffic, at most {percent(REPEATED_REFUSE)} may repeat"
    return [
        Finding(REPEATS, severity, told, figures, mended if severity == "refuse" else ""),
        _repeated_answers(rows),
    ]


def _repeated_answers(rows: Rows) -> Finding:
    """Of answers: equal ones have equal features. A canned answer is no fault, so this only says so."""
    answered = rows[rows["answered"] == 1]
    if not len(answered):
        return Finding("repeated answers", "ok", "no answers", {"repeated": 0.0, "commonest": 0.0})
    share, largest = _repeated(answered["features"][:, 1:].reshape(len(answered), -1))
    told = f"{percent(share)} of the answers repeat an earlier one"
    told += f", the commonest makes up {percent(largest)}" if share else ""
    return Finding("repeated answers", "ok", told, {"repeated": round(share, 4), "commonest": round(largest, 4)})


def _user(rows: Rows) -> Finding:
    users = rows["user"][rows["user"] > 0]
    if not len(users):
        return Finding("largest user", "ok", "users are not known", {"share": None})
    share = int(np.unique(users, return_counts=True)[1].max()) / len(rows)
    if share <= DOMINANT:
        return Finding("largest user", "ok", f"{percent(share)} of the calls", {"share": round(share, 4)})
    told = f"one user made {percent(share)} of the calls: what is normal for that user will be what is normal"
    return Finding("largest user", "warn", told, {"share": round(share, 4)})


def _session(share: float | None) -> Finding:
    if share is None:
        return Finding("largest session", "ok", "sessions are not known", {"share": None})
    if share <= DOMINANT:
        return Finding("largest session", "ok", f"{percent(share)} of the calls", {"share": round(share, 4)})
    told = f"one session holds {percent(share)} of the calls: they are not independent of each other"
    return Finding("largest session", "warn", told, {"share": round(share, 4)})


def _topics(features: Features) -> Finding:
    """Calls in topics too small for their answers to be compared."""
    asked = features.topic[features.topic >= 0]
    counts = np.bincount(asked)
    share = float(counts[counts < FEWEST].sum() / max(len(asked), 1))
    figures = {"topics": int((counts > 0).sum()), "thin": round(share, 4)}
    told = f"{figures['topics']} topics, {percent(share)} of the calls in those of fewer than {FEWEST}"
    if share <= THIN:
        return Finding("topics", "ok", told, figures)
    return Finding("topics", "warn", f"{told}: answers there are not compared; give more calls", figures)


def _answers(rows: Rows, features: Features) -> Finding:
    answered, compared = int((rows["answered"] == 1).sum()), int((features.cell >= 0).sum())
    figures = {"answered": answered, "compared": compared}
    if not answered:
        return Finding("answers compared", "ok", "no answers: changes of the model cannot be seen", figures)
    if compared >= LEAST_COMPARED:
        return Finding("answers compared", "ok", f"{compared:,} of {answered:,}", figures)
    told = f"only {compared} answers can be compared, of {LEAST_COMPARED} needed: changes of the model cannot be seen"
    return Finding("answers compared", "warn", told, figures)


def _values(rows: Rows) -> Finding:
    """Lengths, durations and the like that some calls have, but too few for a detector."""
    given = {
        name: max(int((rows["bins"][:, SERIES.index(series)] != MISSING).sum()) for series in options)
        for name, options in SCALARS.items()
    }
    few = {name: n for name, n in given.items() if 0 < n < max(LEAST_VALUES, len(rows) / 2)}
    absent = [name.replace("_", " ") for name, n in given.items() if not n and name not in SCORES]
    figures = {"calls_with_a_value": given}
    if few:
        named = listed([f"{name.replace('_', ' ')} ({n} calls)" for name, n in few.items()])
        told = f"too few calls have a value to judge {named}: at least {LEAST_VALUES} and half of the calls must"
        return Finding("values", "warn", told, figures)
    return Finding("values", "ok", f"not given: {listed(absent)}" if absent else "all given", figures)


def _flags(rows: Rows) -> Finding:
    raised = {name: int(rows["flags"][:, i].sum()) for i, name in enumerate(FLAGS)}
    never = [name.replace("_", " ") for name, n in raised.items() if not n]
    told = f"never seen: {listed(never)}; how rare they are is not known" if never else "all seen"
    return Finding("flags", "ok", told, raised)


def _large(one: Change, cyclic: bool) -> bool:
    """Whether a drift is to be refused; ``cyclic`` where a day or a weekend may be all that it is, but for answers."""
    if one.aspect == ANSWERS:
        return one.size >= LARGE_ANSWERS
    return one.aspect in REFUSED and one.size >= LARGE and not cyclic


def _inside(total: Pane, found: Inside, titles: Mapping[str, str]) -> Finding:
    """Whether the calls drift inside, and what to do about it."""
    span = total.end - total.tick
    sure = [one for one in found.changes if one.p_value < ALPHA and one.size > 1]
    sure.sort(key=lambda one: (one.p_value, -one.size))
    long = not found.cycle and span >= SHORT_MS
    large = any(_large(one, long or (found.cycle == "day" and near_weekend(one.at))) for one in sure)
    severity: Severity = "refuse" if large else "warn" if sure else "ok"
    figures: dict[str, Any] = {
        "compared_at_equal_hours_of": found.cycle or None,
        "at": instant(sure[0].at) if sure else None,
        "aspects": [
            {
                "name": titles.get(one.aspect, one.aspect),
                "drift": one in sure,
                "p_first_half_against_second": round(one.p_half, 4),
                "p_change_point": round(one.p_change, 4),
                "at": instant(one.at),
                "effect": round(one.effect, 4),
                "spread": None if one.spread is None else round(one.spread, 4),
                "tolerance": TOLERANCES[one.aspect],
                "calls": one.calls,
            }
            for one in found.changes
        ],
    }
    if not sure:
        return Finding(DRIFT, "ok", unmoved(found), figures)
    after = float((total.sample.rows["at"] >= sure[0].at).mean()) * total.n
    told = drifted(found, sure, titles, cyclic=bool(found.cycle) or not large) + marker(total, sure[0].at)
    return Finding(DRIFT, severity, told, figures, remedy(sure[0], total.n - after >= LEAST, after >= LEAST))
