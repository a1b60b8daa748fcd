"""What a baseline knows of the hours of the day, so that a daily cycle is not taken for drift.

A slot is an hour of the day or, where the baseline covers a whole week, an hour of a working day or of a weekend; all
in UTC. The means of slots are known by few calls each: taken as they are, their errors would look like drift to calls
that are many. So only what stands out of the noise counts, first of slow waves over the day, which are seen soonest,
then of what single hours differ in; of both only the directions that hours share, shrunk as far as noise blurs them
(Gavish, Donoho 2017, Optimal shrinkage of singular values). Where nothing stands out, hours are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from drift.parts import FloatArray, IntArray

if TYPE_CHECKING:
    from drift.fit import Features, Fit, Scale

HOUR_MS, DAY_MS, WEEK_MS = 3_600_000, 86_400_000, 604_800_000
HOURS = 24

WAVES = 2
"""Waves a day, at most, of what is looked for first."""

CAUTION = (1.0, 2.0)
"""Standard deviations by which a direction must exceed the largest that noise makes: of slow waves, of single hours."""

TINY = 1e-9

WIDE = 8
"""Coordinates of inputs that are looked at together: cycles are of few, and noise of all."""

LEAST_SHARE = 0.05
"""Of a topic's share in all calls: no hour has less, so that no call there is a surprise without bound."""


def count(at: IntArray) -> int:
    """Slots that calls of these event times tell apart: 1 if they span less than a day, 48 from a week on, else 24.

    An hour may be missing at the ends: nobody's calls begin and end on the stroke.
    """
    spanned = int(at.max() - at.min()) + HOUR_MS if len(at) else 0
    return 1 if spanned < DAY_MS else HOURS if spanned < WEEK_MS else 2 * HOURS


def slot_of(at: npt.ArrayLike, slots: int) -> IntArray:
    """Slot of each event time, milliseconds since 1970; those of Saturday and Sunday follow those of other days."""
    given = np.asarray(at, np.int64)
    if slots == 1:
        return np.zeros(given.shape, np.int64)
    hour = given // HOUR_MS % HOURS
    weekend = (given // DAY_MS + 3) % 7 >= 5  # 1 January 1970 was a Thursday
    return np.asarray(hour + HOURS * weekend if slots > HOURS else hour)


def described(slots: int) -> str:
    """How calls are compared, in words."""
    if slots == 1:
        return "too short to know the daily cycle"
    return "by hour of day, in UTC" + (", working days and weekends apart" if slots > HOURS else "")


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """How a scalar goes with the slots.

    Parameters
    ----------
    offsets
        Each slot's mean less that of all calls: two Legendre polynomials, what is averaged and its square, ``(S, 4)``.
    rest
        The part of them that topics do not account for.
    residuals, counted
        The polynomials less their slot's offset, of each bin and slot that occurred ``(B, 2)``, and how often.
    """

    offsets: FloatArray
    rest: FloatArray
    residuals: FloatArray
    counted: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Seasons:
    """Each slot's mean less that of all calls: topic shares ``(S, K)``, inputs ``(S, d)``, scalars.

    ``rest`` is the part of the inputs' that topics do not account for; ``residuals`` are the reference calls' inputs
    less the offset of their slot, ``(n, d)``.
    """

    topics: FloatArray
    inputs: FloatArray
    rest: FloatArray
    residuals: FloatArray
    scalars: Mapping[str, Cycle]

    def offsets(self, name: str) -> FloatArray:
        """Offsets of the features of the tilt of inputs or of a scalar, ``(S, d)``."""
        return self.inputs if name == "inputs" else self.scalars[name].offsets[:, :2]

    def proportions(self, all_hours: FloatArray) -> FloatArray:
        """Topic shares of each slot, ``(S, K)``, given those of all calls, none zero."""
        made = np.maximum(all_hours + self.topics, LEAST_SHARE * all_hours)
        return np.asarray(made / made.sum(axis=1, keepdims=True))


def smoother(scaled: FloatArray, calls: FloatArray, *, likely: bool = False) -> FloatArray:
    """What of each slot's offset counts for each slot, ``(S, S)``: zeros where nothing stands out of the noise.

    Parameters
    ----------
    scaled
        Offset of each slot's mean in coordinates with independent noise, times the root of its calls, ``(S, D)``: the
        noise of all entries is then one.
    calls
        Calls of each slot, ``(S,)``.
    likely
        Directions at the size that they probably have, not at that which errs least.
    """
    made = np.zeros((len(calls), len(calls)))
    for basis, caution in zip(_bands(calls), CAUTION, strict=True):
        if not basis.shape[1]:
            continue
        u, seen, _ = np.linalg.svd(basis.T @ scaled, full_matrices=False)
        few, many = sorted((basis.shape[1], scaled.shape[1]))
        there = seen > np.sqrt(few) + np.sqrt(many) + caution
        square = np.where(there, seen, np.inf) ** 2
        excess = np.maximum(1 - (few + many) / square, 0.0)
        left = np.sqrt(np.maximum(excess**2 - 4 * few * many / square**2, 0.0))
        share = there * (np.sqrt((excess + left) / 2) if likely else left)
        made += basis @ (u * share) @ u.T @ basis.T
    return made


def _bands(calls: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthogonal directions of slots, ``(S, m)`` each: slow waves and whether it is a weekend, and all others."""
    place, root = np.arange(len(calls)), np.sqrt(calls)
    angle = 2 * np.pi * np.outer(place, np.arange(1, WAVES + 1)) / HOURS
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    if len(calls) > HOURS:
        weekend = (place >= HOURS)[:, None]
        waves = np.concatenate([waves, weekend, weekend * waves[:, [0, WAVES]]], axis=1)
    slow = _orthogonal(root[:, None] * waves, root[:, None])
    return slow, _orthogonal(np.diag((calls > 0).astype(np.float64)), np.concatenate([root[:, None], slow], axis=1))


def _orthogonal(vectors: FloatArray, to: FloatArray) -> FloatArray:
    """Orthonormal basis of what these columns span beyond others."""
    known, _ = np.linalg.qr(to)
    u, size, _ = np.linalg.svd(vectors - known @ (known.T @ vectors), full_matrices=False)
    return np.asarray(u[:, size > TINY * max(float(size.max()), 1e-300)])


def offsets(
    values: FloatArray, slot: IntArray, white: FloatArray, truth: FloatArray, *, likely: bool = False
) -> FloatArray:
    """Offset of each slot's mean from that of all, as far as it stands out of the noise, ``(S, k)``.

    Parameters
    ----------
    values, slot
        Of each call: what is averaged ``(n, k)``, and its slot.
    white
        Map of values to coordinates with independent noise of one, ``(k, D)``.
    truth
        Offsets that the calls have besides, ``(S, k)``.
    """
    slots = len(truth)
    calls = np.bincount(slot, minlength=slots).astype(np.float64)
    root = np.sqrt(calls)[:, None]
    sums = np.stack([np.bincount(slot, column, minlength=slots) for column in values.T], axis=1)
    scaled = (sums - calls[:, None] * sums.sum(axis=0) / max(calls.sum(), 1.0)) / np.maximum(root, 1e-9)
    scaled += root * truth
    made = smoother(scaled @ white, calls, likely=likely) @ scaled / np.maximum(root, 1e-9)
    return np.asarray(np.where(calls[:, None] > 0, made, 0.0))


def learn(
    features: Features, scales: Mapping[str, Scale], proportions: FloatArray, slots: int, *, likely: bool = False
) -> Seasons | None:
    """What the slots differ in, or None where there is only one.

    Parameters
    ----------
    scales
        Scales of the same calls.
    proportions
        Topic shares of all calls, ``(K,)``, none zero.
    likely
        Seasons as large as they probably are, not those that err least.
    """
    if slots == 1:
        return None
    calls = _Calls(features, np.arange(len(features.topic)), likely)
    topics = calls.topics(proportions, np.zeros((slots, len(proportions))))
    inputs, rest = calls.inputs(topics, np.zeros((slots, features.inputs.shape[1])))
    scalars = {name: calls.cycle(scale, topics) for name, scale in scales.items()}
    asked = features.topic >= 0
    return Seasons(topics, inputs, rest, features.inputs[asked] - inputs[features.slot[asked]], scalars)


def error(known: Seasons, features: Features, drawn: IntArray, made: Fit) -> Seasons:
    """What a baseline of drawn calls, if they had the seasons that are known, would take for seasons beyond those.

    The drawn calls take the slots of the reference calls one after the other, whatever their own.

    Parameters
    ----------
    drawn
        Positions of the drawn calls, ``(N,)``.
    made
        What is learnt of them otherwise.
    """
    calls, scalars = _Calls(features, drawn), {}
    topics = calls.topics(made.proportions, known.topics)
    inputs, rest = calls.inputs(topics, known.rest)
    for name, scale in made.scales.items():
        cycle = known.scalars[name]
        found, left = calls.scalar(scale, topics, cycle.rest)
        scalars[name] = Cycle(found - cycle.offsets, left, scale.basis(scale.bins), scale.weights)
    return Seasons(topics - known.topics, inputs - known.inputs, rest, made.inputs, scalars)


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """Calls at these positions, each with the slot of the reference call in whose place it is."""

    features: Features
    drawn: IntArray
    likely: bool = False

    def topics(self, proportions: FloatArray, truth: FloatArray) -> FloatArray:
        """Offsets of topic shares."""
        topic = self.features.topic[self.drawn]
        asked = topic >= 0
        shares = np.zeros((int(asked.sum()), len(proportions)))
        shares[np.arange(len(shares)), topic[asked]] = 1.0
        white = np.diag(1 / np.sqrt(proportions))
        return offsets(shares, self.features.slot[asked], white, truth, likely=self.likely)

    def inputs(self, topics: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Offsets of inputs, and the part of them that topics do not account for."""
        values, asked = self.features.inputs[self.drawn], self.features.topic[self.drawn] >= 0
        made = [(np.zeros((len(truth), 0)),) * 2]
        for low in range(0, values.shape[1], WIDE):
            few, known = values[:, low : low + WIDE], truth[:, low : low + WIDE]
            made.append(self._given(asked, few, topics, np.eye(few.shape[1]), known))
        return np.hstack([whole for whole, _ in made]), np.hstack([rest for _, rest in made])

    def scalar(self, scale: Scale, topics: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Offsets of a scalar's sums, and the part of them that topics do not account for.

        The noise of the two polynomials is independent; the other sums go with them.
        """
        bins = self.features.bins[self.drawn, scale.series]
        return self._given(bins >= 0, scale.each(bins), topics, np.eye(4, 2), truth)

    def cycle(self, scale: Scale, topics: FloatArray) -> Cycle:
        """All that is known of a scalar."""
        slots, slot = len(topics), self.features.slot
        made, rest = self.scalar(scale, topics, np.zeros((slots, 4)))
        bins = self.features.bins[:, scale.series]
        given = bins >= 0
        pairs, counted = np.unique(bins[given].astype(np.int64) * slots + slot[given], return_counts=True)
        residuals = scale.basis((pairs // slots).astype(np.int32)) - made[pairs % slots, :2]
        return Cycle(made, rest, residuals, counted.astype(np.float64))

    def _given(
        self, there: npt.NDArray[np.bool_], values: FloatArray, topics: FloatArray, white: FloatArray, truth: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Offsets that follow from those of topics and the means there, and what stands out besides; the latter."""
        values, topic = values[there], self.features.topic[self.drawn][there]
        place = np.where(topic >= 0, topic, topics.shape[1])
        counts = np.bincount(place, minlength=topics.shape[1] + 1)
        sums = np.stack([np.bincount(place, column, minlength=len(counts)) for column in values.T], axis=1)
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], values.mean(axis=0))
        left = values - means[place]
        white = white / np.maximum(left.std(axis=0), 1e-9)[:, None]
        rest = offsets(left, self.features.slot[there], white, truth, likely=self.likely)
        return topics @ means[:-1] * (1 - counts[-1] / max(len(values), 1)) + rest, rest


def rates(
    flagged: FloatArray, possible: FloatArray, slot: IntArray, slots: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Offset of each slot's rate from that of all calls, and what its standard error adds to theirs; else empty.

    Parameters
    ----------
    flagged, possible
        How often each call counts as flagged, and as one that might be, ``(N,)``.
    """
    calls = np.bincount(slot, possible, minlength=slots).astype(np.float64)
    surplus, total = np.bincount(slot, flagged, minlength=slots), calls.sum()
    rate = flagged.sum() / total if total else 0.0
    if slots == 1 or not 0 < rate < 1:
        return (), ()
    root, spread = np.maximum(np.sqrt(calls), 1e-9), np.sqrt(rate * (1 - rate))
    scaled = (surplus - calls * rate) / root
    kept = smoother(scaled[:, None] / spread, calls, likely=True)  # what is shrunk off would be no error of chance
    if not kept.any():
        return (), ()
    noise = sum((basis**2).sum(axis=1) for basis in _bands(calls) if np.abs(basis.T @ kept).max(initial=0.0) > TINY)
    made, more = (np.where(calls > 0, part / root, 0.0) for part in (kept @ scaled, spread * np.sqrt(noise)))
    return tuple(made.tolist()), tuple(more.tolist())
