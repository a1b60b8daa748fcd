"""Does a set of calls drift inside itself? By halves and by change point, in every respect at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drift.call import FLAGS, SCORES
from drift.distances.checked import BoolArray, FloatArray, IntArray
from drift.distances.given import leading
from drift.fit import FAR, OFF_TOPIC, SCALARS, Features, measured, scale_of
from drift.timeline import Cycle, Timeline
from drift.tolerances import TOLERANCES

ANSWERS = "answers"

DRAWS = 999
"""Times that blocks of time are put in random order."""

FEWEST = 100
"""Calls with a say from which a respect is looked at."""

RAISED = 20
"""Calls with a flag, and without it, from which its share is looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one respect says of a change inside a set of calls.

    Attributes
    ----------
    aspect
        What was looked at: a detector's name.
    p_half, p_change
        Of the first half against the second and of the most telling split, corrected for all respects and splits.
    at
        Event time of the first call after the most telling split, in milliseconds.
    effect
        Size of the change there, less what noise adds; with its sign where it has one. Topics: total variation;
        inputs and answers: standard deviations; lengths, durations and costs: relative; flags: share of calls;
        scores: standard deviations.
    spread
        Relative change of the standard deviation of logs there; of lengths, durations and costs, else None.
    calls
        Calls with a say.
    """

    aspect: str
    p_half: float
    p_change: float
    at: int
    effect: float
    spread: float | None
    calls: int

    @property
    def p_value(self) -> float:
        """The smaller of the two: both are corrected for each other."""
        return min(self.p_half, self.p_change)

    @property
    def size(self) -> float:
        """Its size in tolerances; a spread that changed counts as a typical value that did."""
        return max(abs(self.effect), abs(self.spread or 0.0)) / TOLERANCES[self.aspect]


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found: every respect with enough calls, by name, and what was held fixed meanwhile."""

    changes: tuple[Change, ...]
    cycle: Cycle


@dataclass(frozen=True, slots=True, eq=False)
class _Aspect:
    """One respect: what its test looks at and what its size is measured by.

    ``values`` ``(m, d)`` are of the m calls of ``who`` ``(n,)``; the size of a mean difference of ``sized`` ``(m, k)``
    is its length, or half its absolute sum (``mix``). ``given`` ``(m, g)`` is what like calls are alike in.
    """

    name: str
    who: BoolArray
    values: FloatArray
    sized: FloatArray | None = None
    given: FloatArray | None = None
    mix: bool = False

    def squared(self, difference: FloatArray) -> FloatArray:
        """Squared size of differences, shape ``(..., k)``."""
        if self.mix:
            return np.asarray((np.abs(difference).sum(axis=-1) / 2) ** 2)
        return np.asarray((difference**2).sum(axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A respect with time of day and what is given taken out.

    ``left`` ``(m, d + k)`` are white values and sized ones, ``lengthened`` the same for shuffling; ``information``
    ``(splits,)`` is how many calls' worth of comparison each split leaves.
    """

    aspect: _Aspect
    width: int
    left: FloatArray
    lengthened: FloatArray
    information: FloatArray


def inner_drift(features: Features, bands: np.ndarray, seed: int, *, draws: int = DRAWS) -> Inside:
    """Look for a change inside a set of calls.

    Means of values are compared before and after the half, and before and after 33 splits. What is random is the order
    of blocks of time: calls of one session, or of one burst, stay together. All respects and splits are held against
    the largest statistic that the same order gives in any of them, each in units of its own scatter [1]_. From two
    days on, calls are compared at equal hours of day, and blocks trade places with blocks of the same hour only; from
    two weeks on, of the same hour of the week. Answers are compared at equal topics, prompt versions and inputs [2]_.

    Parameters
    ----------
    features
        The calls, in any order; those of one instant are taken in the order given.
    bands
        Distance of each call from its topic, shape ``(n,)``.
    seed
        Of the orders. Same calls, same seed, same answer.
    draws
        Random orders behind the p-values.

    References
    ----------
    .. [1] Westfall and Young (1993), Resampling-Based Multiple Testing, chapter 2: single-step max-T.
    .. [2] Freedman and Lane (1983), A nonstochastic interpretation of reported significance levels.
    """
    order = np.argsort(features.at, kind="stable")
    at = features.at[order]
    timeline = Timeline.of(at)
    found = [one for one in _aspects(features, bands, order) if one.who.sum() >= FEWEST]
    ready = [made for one in found if (made := _prepared(one, timeline)) is not None]
    if not ready:
        return Inside((), timeline.cycle)
    by_chance, noise = _by_chance(ready, timeline, draws, np.random.default_rng(seed))
    seen = np.stack([np.sqrt(_statistic(one, _after(one, timeline), one.information)) for one in ready])
    p_values = _corrected(_two(seen, timeline), _two(by_chance, timeline))
    split = seen.argmax(axis=1)
    changes = [_change(one, timeline, at, int(split[i]), p_values[i], float(noise[i])) for i, one in enumerate(ready)]
    return Inside(tuple(changes), timeline.cycle)


def _aspects(features: Features, bands: np.ndarray, order: IntArray) -> list[_Aspect]:
    """The respects in which these calls, in order of time, could change."""
    topic, inputs, answers = features.topic[order], features.inputs[order], features.answers[order]
    cell, bins, flags = features.cell[order], features.bins[order], features.flags[order]
    asked, compared = topic >= 0, cell >= 0
    topics = _one_hot(topic[asked])
    found = [
        _Aspect("topics", asked, topics, topics, mix=True),
        _Aspect("inputs", asked, inputs[asked]),
        _Aspect(
            ANSWERS,
            compared,
            answers[compared],
            given=np.concatenate([_one_hot(cell[compared]), inputs[compared]], axis=1),
        ),
    ]
    for name in SCALARS:
        if (scale := scale_of(name, bins, np.ones(len(bins)))) is not None:
            mine = bins[:, scale.series]
            given = np.isin(mine, scale.bins)
            values = measured(scale.series, mine[given])[:, None]
            unit = max(scale.moments()[1], 1e-9) if name in SCORES else 1.0
            found.append(_Aspect(name, given, scale.basis(mine[given]), values / unit))
    raised = {name: (np.ones(len(order), np.bool_), flags[:, i] == 1) for i, name in enumerate(FLAGS)}
    raised[OFF_TOPIC] = (asked, (bands[order] >= FAR)[asked])
    return found + [
        _Aspect(name, who, up[:, None].astype(np.float64), up[:, None].astype(np.float64))
        for name, (who, up) in raised.items()
        if min(up.sum(), len(up) - up.sum()) >= RAISED
    ]


def _one_hot(labels: IntArray) -> FloatArray:
    numbered = np.unique(labels, return_inverse=True)[1]
    return np.asarray(np.equal.outer(numbered, np.arange(numbered.max(initial=-1) + 1)), dtype=np.float64)


def _prepared(aspect: _Aspect, timeline: Timeline) -> _Prepared | None:
    """Take out what is given, whiten the rest; None where nothing varies or nothing can be compared."""
    basis = _basis(_one_hot(timeline.stratum[timeline.block[aspect.who]]), aspect.given)
    values = aspect.values - basis @ (basis.T @ aspect.values)
    white = values @ leading(values, values.shape[1])
    later = timeline.later[aspect.who]
    information = (later**2).sum(axis=0) - ((basis.T @ later) ** 2).sum(axis=0)
    if not white.shape[1] or not (information > 1).any():
        return None
    sized = white if aspect.sized is None else aspect.sized - basis @ (basis.T @ aspect.sized)
    left = np.concatenate([white, sized], axis=1)
    leverage = np.einsum("ij,ij->i", basis, basis)
    lengthened = left / np.sqrt(np.maximum(1 - leverage, 0.1))[:, None]
    return _Prepared(aspect, white.shape[1], left, lengthened, np.maximum(information, 1.0))


def _basis(strata: FloatArray, given: FloatArray | None) -> FloatArray:
    """Orthonormal columns that span strata and what is given, shape ``(m, k)``."""
    basis: FloatArray = strata / np.sqrt(strata.sum(axis=0))
    if given is None:
        return basis
    rest = given - basis @ (basis.T @ given)
    values, vectors = np.linalg.eigh(rest.T @ rest)
    kept = values > 1e-8 * max(float(values.max(initial=0.0)), 1e-8)
    return np.concatenate([basis, rest @ vectors[:, kept] / np.sqrt(values[kept])], axis=1)


def _sums(timeline: Timeline, who: BoolArray, rows: FloatArray) -> FloatArray:
    """Sums of rows over blocks, ``(blocks, d)``."""
    sums = np.zeros((len(timeline.stratum), rows.shape[1]))
    block = timeline.block[who]
    held, first = np.unique(block, return_index=True)
    sums[held] = np.add.reduceat(rows, first, axis=0)
    return sums


def _after(one: _Prepared, timeline: Timeline) -> FloatArray:
    return timeline.after(_sums(timeline, one.aspect.who, one.left))


def _statistic(one: _Prepared, after: FloatArray, information: FloatArray) -> FloatArray:
    """Squared length of the white difference times its information, about chi-square with ``width`` degrees."""
    return np.asarray((after[..., : one.width] ** 2).sum(axis=-1) / information)


def _by_chance(
    ready: Sequence[_Prepared], timeline: Timeline, draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Roots of statistics under random orders ``(aspects, draws, splits)``, and what noise adds to squared sizes.

    The latter ``(aspects,)`` is of the split that looks most telling, times its information: choosing it adds to noise.
    """
    parts = [_sums(timeline, one.aspect.who, one.lengthened) for one in ready]
    hours = np.bincount(timeline.block)[:, None] * _one_hot(timeline.stratum)
    ends = np.cumsum([part.shape[1] for part in parts])
    sums = np.concatenate([*parts, hours], axis=1)
    usual = _hourly(timeline.after(hours), hours)
    made, noise = [], np.zeros(len(ready))
    for order in timeline.permuted(draws, rng):
        after = np.split(timeline.after(sums[order]), ends, axis=-1)
        share = _hourly(after[-1], hours) / usual
        drawn = []
        for i, (one, mine) in enumerate(zip(ready, after[:-1], strict=True)):
            information = np.maximum(one.information * share, 1.0)
            drawn.append(np.sqrt(_statistic(one, mine, information)))
            chosen = np.arange(len(order)), drawn[-1].argmax(axis=1)
            noise[i] += float((one.aspect.squared(mine[chosen][:, one.width :]) / information[chosen]).sum())
        made.append(np.stack(drawn))
    return np.concatenate(made, axis=1), noise / draws


def _hourly(later: FloatArray, hours: FloatArray) -> FloatArray:
    """How much a split compares at equal hours: calls later times calls earlier, over both, summed over hours."""
    total = hours.sum(axis=0)
    return np.asarray(np.maximum((later * (total - later) / total).sum(axis=-1), 1e-9))


def _two(roots: FloatArray, timeline: Timeline) -> FloatArray:
    """The split in half and the most telling one, shape ``(..., 2)``."""
    return np.stack([roots[..., timeline.half], roots.max(axis=-1)], axis=-1)


def _corrected(seen: FloatArray, by_chance: FloatArray) -> FloatArray:
    """Family-wise p-values ``(aspects, 2)`` of statistics beside those of random orders ``(aspects, draws, 2)``."""
    mean, spread = by_chance.mean(axis=1), np.maximum(by_chance.std(axis=1), 1e-9)
    largest = ((by_chance - mean[:, None]) / spread[:, None]).max(axis=(0, 2))
    exceeded = (largest >= ((seen - mean) / spread)[..., None] - 1e-9).sum(axis=-1)
    return np.asarray((1 + exceeded) / (1 + len(largest)), dtype=np.float64)


def _change(one: _Prepared, timeline: Timeline, at: IntArray, split: int, p_values: FloatArray, noise: float) -> Change:
    """Describe the change at a split."""
    aspect = one.aspect
    difference = _after(one, timeline)[split, one.width :] / one.information[split]
    effect = float(np.sqrt(max(float(aspect.squared(difference)) - noise / one.information[split], 0.0)))
    spread = None
    if len(difference) == 1:
        effect = float(np.copysign(effect, difference[0]))
    if aspect.name in SCALARS and aspect.name not in SCORES:
        effect = float(np.expm1(effect))
        later = timeline.later[aspect.who, split] > 0
        before, now = one.left[~later, one.width :], one.left[later, one.width :]
        spread = float(now.std() / max(float(before.std()), 1e-9) - 1)
    p_half, p_change = (float(p_value) for p_value in p_values)
    when = int(at[aspect.who][_first_after(one, timeline, split)])
    return Change(aspect.name, p_half, p_change, when, effect, spread, int(aspect.who.sum()))


def _first_after(one: _Prepared, timeline: Timeline, split: int) -> int:
    """The call before which a change is most likely, between the neighbours of the most telling split."""
    block, places = timeline.block[one.aspect.who], np.searchsorted
    first = places(block, timeline.splits)
    low, high = first[max(split - 1, 0)], first[min(split + 1, len(first) - 1)]
    white = one.left[:, : one.width]
    after = white[::-1].cumsum(axis=0)[::-1][low : high + 1]
    information = np.interp(np.arange(low, low + len(after)), first, one.information)
    return int(low + ((after**2).sum(axis=1) / information).argmax())
