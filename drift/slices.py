"""Which value of a field carries a drift: its share of the whole shift, and whether the other calls drift less.

The shift of a mean from m to m' is the exact sum over the values v of a field of ``p'_v (m'_v - m) - p_v (m_v - m)``,
with the shares p of calls before and p' now (Kitagawa 1955). A value carries it where its calls have moved otherwise
than the rest, which is tested along the direction of the whole shift, and where it has clearly more than its share.
In that test each side is compared with itself in the baseline, so values that always differed are no finding; and the
direction is independent of the difference tested: one is of the sum of both sides, the other of their difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from drift.baseline import Baseline
from drift.block import Block, Layout
from drift.call import MARKERS, VALUES, Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect, effect
from drift.seasonal_sums import adjusted, hours_of
from drift.shift import Means, Shift, means, projections, shift_of
from drift.sliced_sums import of_rows, parts
from drift.state import Judge, SegmentState

OTHER = "other"
"""Calls of values that were not admitted, or without the field."""

STRATUM = "\x1f"
"""Between prompt version and variant in the name of a stratum."""

LEAST_BEFORE = 100
"""Calls of the baseline from which a value is compared with its own past; with fewer, with all of the baseline."""

LEAST_NOW = 5
"""Calls since the change, on either side, from which a value is looked at."""

WITHIN = 5
"""Sampled calls, less one for each value, from which their spread along a shift is known."""

SIGNIFICANT = 0.05

CLEARLY = 0.5
"""A value carries a drift where the other calls move by at most so much of what all calls do on average."""


@dataclass(frozen=True, slots=True)
class Sliced:
    """One value of a field.

    Parameters
    ----------
    calls, share_before, share_now
        Calls since the change point (sampled ones where ``sampled``), and the value's share of all.
    effect, elsewhere
        Drift of its calls and of all others, None without calls.
    alone
        Whether it is compared with its own calls of the baseline, not with all of them.
    contribution
        Its part of the whole shift; those of a field's values add up to one.
    z, p_adjusted
        Its calls against all others along the shift, and the p-value corrected for the values looked at (Holm 1979).
    carries
        Whether the drift is its own.
    """

    field: str
    value: str
    calls: int
    share_before: float
    share_now: float
    effect: Effect | None
    elsewhere: Effect | None
    alone: bool
    contribution: float
    z: float
    p_adjusted: float
    carries: bool
    sampled: bool


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Sums of each value of a field, the last of them of all other calls, ``(values + 1, width)``, before and now."""

    name: str
    values: tuple[str, ...]
    before: FloatArray
    now: FloatArray
    labels: npt.NDArray[np.int64]  # the value's place of each recent sampled call
    sampled: bool


def slices(
    config: Judge, state: SegmentState, detector: str, found: Effect, since: FloatArray, rows: Rows
) -> tuple[Sliced, ...]:
    """The values of every declared field, exactly, and of the markers by the sampled calls since the change point.

    Parameters
    ----------
    since
        Sums since the change point, of the whole and its slices.
    rows
        Sampled calls since then.
    """
    layout = config.layout
    whole = Block(config.baseline, layout, config.baseline.pane, 1.0).sums
    shift = shift_of(config.baseline, layout, detector, found, since[: layout.width], whole)
    along = projections(config.baseline, shift, rows)
    fields = [*_declared(config, since, whole, rows), *_sampled(config, state, rows)]
    made = [one for field in fields for one in _of_field(config, shift, field, along)]
    return _named(_corrected(made))


def _declared(config: Judge, since: FloatArray, whole: FloatArray, rows: Rows) -> list[Field]:
    """The declared fields, by the sums that were kept."""
    baseline, layout = config.baseline, config.layout
    if not baseline.slices:
        return []
    before = _before(baseline, layout)
    now, all_now = since[layout.width :].reshape(-1, layout.width), since[: layout.width]
    made, at = [], 0
    for position, one in enumerate(baseline.slices):
        here = slice(at, at + len(one.values))
        labels = _places(rows["slices"][:, position], list(one.codes.values()))
        past, since_then = _with_rest(before[here], whole, layout.calls), _with_rest(now[here], all_now, layout.calls)
        made.append(Field(one.field, (*one.values, OTHER), past, since_then, labels, sampled=False))
        at = here.stop
    return made


def _before(baseline: Baseline, layout: Layout) -> FloatArray:
    """Sums of the baseline's calls of each declared value, less what is due to their hours, which are sampled."""
    kept, usual = baseline.pane.sums, baseline.pane.sample.rows
    made = parts(baseline, layout, (kept.slice_cells, kept.slice_counts), layout.values)
    hours = [
        hours_of(baseline, usual["at"], usual["slices"][:, position], list(one.codes.values()))
        for position, one in enumerate(baseline.slices)
    ]
    return adjusted(baseline, layout, made, np.concatenate(hours))


def _sampled(config: Judge, state: SegmentState, rows: Rows) -> list[Field]:
    """The markers that are not declared, and the variant, by sampled calls of the baseline and since the change."""
    baseline, layout = config.baseline, config.layout
    usual = baseline.pane.sample.rows
    declared = {one.field for one in baseline.slices}
    names = {**baseline.pane.names, **state.names}
    made = []
    totals = [_all(config, side) for side in (usual, rows)]
    for field in (*MARKERS, "variant"):
        before, now = (_codes(field, side, names) for side in (usual, rows))
        codes = _frequent(now, names)
        if field in declared or len(codes) < 2:
            continue
        values = tuple(names.get(code, format(code, "x")).rpartition(STRATUM)[2] for code in codes)
        past = _with_rest(of_rows(baseline, layout, usual, before, codes), totals[0], layout.calls)
        since_then = _with_rest(of_rows(baseline, layout, rows, now, codes), totals[1], layout.calls)
        made.append(Field(field, (*values, OTHER), past, since_then, _places(now, codes), sampled=True))
    return made


def _codes(field: str, rows: Rows, names: Mapping[int, str]) -> npt.NDArray[np.uint64]:
    """Hash of a marker's value in each call; of a variant, which strata bear in their names, that of one of them."""
    if field != "variant":
        return np.asarray(rows["markers"][:, MARKERS.index(field)])
    seen, where = np.unique(rows["stratum"], return_inverse=True)
    first: dict[str, int] = {}
    for code, name in sorted(names.items()):
        if STRATUM in name:
            first.setdefault(name.rpartition(STRATUM)[2], code)
    variants = [names.get(int(code), "").rpartition(STRATUM)[2] for code in seen]
    return np.array([first.get(variant, 0) if variant else 0 for variant in variants], np.uint64)[where]


def _frequent(codes: npt.NDArray[np.uint64], names: Mapping[int, str]) -> list[int]:
    """The most frequent codes with enough calls, ties by name."""
    seen, counts = np.unique(codes, return_counts=True)
    ranked = sorted(
        (-int(n), names.get(int(code), ""), int(code)) for code, n in zip(seen, counts, strict=True) if code
    )
    return [code for n, _, code in ranked[:VALUES] if -n >= LEAST_NOW]


def _all(config: Judge, rows: Rows) -> FloatArray:
    """Sums of all of these calls."""
    every = np.ones(len(rows), np.uint64)
    return np.asarray(of_rows(config.baseline, config.layout, rows, every, [1])[0])


def _with_rest(sums: FloatArray, whole: FloatArray, calls: int) -> FloatArray:
    """The sums of each value and, last, those of all other calls."""
    rest = whole - sums.sum(axis=0)
    return np.concatenate([sums, (rest if rest[calls] > 0 else np.zeros_like(rest))[None]])


def _places(codes: npt.NDArray[np.uint64], known: Sequence[int]) -> npt.NDArray[np.int64]:
    """The place of each code, that behind the last for one that is not known."""
    made = np.full(len(codes), len(known))
    for place, code in enumerate(known):
        made[codes == np.uint64(code)] = place
    return made


def _of_field(config: Judge, shift: Shift, field: Field, along: FloatArray) -> list[Sliced]:
    spread = max(shift.variance, _within(along, field.labels))
    return [
        _value(config, shift, field, k, spread)
        for k in range(len(field.values))
        if (field.before[k, config.layout.calls] + field.now[k, config.layout.calls]) > 0
    ]


def _value(config: Judge, shift: Shift, field: Field, k: int, spread: float) -> Sliced:
    """What the calls of one value say; ``spread`` is the variance of a call along a shift of vectors."""
    layout = config.layout
    past, now = (_against(side, k) for side in (field.before, field.now))
    before, after = (
        means(config.baseline, layout, shift, side, variance)
        for side, variance in ((past, shift.variance), (now, spread))
    )
    # Where the baseline holds too few calls of one side, that side is compared with all of them.
    own = [place if past[place, layout.calls] >= LEAST_BEFORE else 2 for place in (0, 1)]
    effects = [effect(config.baseline, layout, shift.detector, now[place], past[own[place]]) for place in (0, 1)]
    return Sliced(
        field.name,
        field.values[k],
        round(float(now[0, layout.calls])),
        float(past[0, layout.calls] / max(past[2, layout.calls], 1.0)),
        float(now[0, layout.calls] / max(now[2, layout.calls], 1.0)),
        effects[0],
        effects[1],
        own[0] == 0,
        _contribution(shift, before, after),
        _against_rest(before, after, own) if min(after.n[0], after.n[1]) >= LEAST_NOW else float("nan"),
        1.0,
        carries=False,
        sampled=field.sampled,
    )


def _against(sums: FloatArray, k: int) -> FloatArray:
    """Sums of a value, of all other calls, and of all, ``(3, width)``."""
    whole = sums.sum(axis=0)
    return np.stack([sums[k], whole - sums[k], whole])


def _within(along: FloatArray, labels: npt.NDArray[np.int64]) -> float:
    """Variance of sampled calls inside the values of a field, 0 where too few say little."""
    known = ~np.isnan(along)
    values, seen = along[known], labels[known]
    groups = np.unique(seen)
    if len(values) < WITHIN + len(groups):
        return 0.0
    squares = sum(float(((values[seen == one] - values[seen == one].mean()) ** 2).sum()) for one in groups)
    return squares / (len(values) - len(groups))


def _contribution(shift: Shift, before: Means, now: Means) -> float:
    """A value's part of the whole shift, noise taken off; rows are the value, all other calls and all calls."""
    share, share_before = now.n[0] / max(now.n[2], 1.0), before.n[0] / max(before.n[2], 1.0)
    part = share * (now.mean[0] - before.mean[2]) - share_before * (before.mean[0] - before.mean[2])
    whole = float(now.mean[2] - before.mean[2])
    noise = shift.noise if whole - shift.noise > 0.1 * whole else 0.0
    return float((part - share * noise) / (whole - noise)) if whole != noise else 0.0


def _against_rest(before: Means, now: Means, own: Sequence[int]) -> float:
    """Standard deviations by which a value's calls have moved farther along the whole shift than all others."""
    moved = [now.mean[place] - before.mean[own[place]] for place in (0, 1)]
    error = sum(
        max(now.variance[place], before.variance[2]) / now.n[place]  # few calls may look more alike than they are
        + before.variance[own[place]] / max(before.n[own[place]], 1.0)
        for place in (0, 1)
    )
    way = -1.0 if now.mean[2] < before.mean[2] else 1.0
    return float(way * (moved[0] - moved[1]) / sqrt(max(error, 1e-30)))


def _corrected(found: Sequence[Sliced]) -> list[Sliced]:
    """P-values corrected for all values that were looked at (Holm 1979)."""
    looked = [i for i, one in enumerate(found) if not np.isnan(one.z)]
    p = np.array([2 * stats.norm.sf(abs(found[i].z)) for i in looked])
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0) if len(p) else p
    adjusted = dict.fromkeys(range(len(found)), 1.0)
    adjusted |= {looked[i]: float(value) for i, value in zip(order, stepped, strict=True)}
    return [replace(one, p_adjusted=adjusted[i], z=0.0 if np.isnan(one.z) else one.z) for i, one in enumerate(found)]


def _named(found: Sequence[Sliced]) -> tuple[Sliced, ...]:
    """The values with those marked that carry the drift, at most one of a field."""
    carriers: dict[tuple[str, bool], Sliced] = {}
    for one in found:
        excess = (one.contribution - one.share_now) / max(1 - one.share_now, 1e-9)
        if one.p_adjusted < SIGNIFICANT and one.z > 0 and one.value != OTHER and excess >= 1 - CLEARLY:
            place = (one.field, one.sampled)
            carriers[place] = max(carriers.get(place, one), one, key=lambda it: it.z)
    chosen = {id(one) for one in carriers.values()}
    return tuple(replace(one, carries=id(one) in chosen) for one in found)
