"""What detectors learn from a baseline's calls, and learn again from each resample of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from drift import seasons
from drift.bins import LOGS, MISSING, THOUSAND, score_values, to_score_bins
from drift.call import FEEDBACK, FLAGS, SCORES, SERIES, Rows
from drift.detectors.rate import Rate
from drift.frame import CROWDED, FEWEST, Frame, cell_means, log_lengths, topic_residuals
from drift.lens import TAILS
from drift.parts import FloatArray, IntArray, Whitening
from drift.seasons import Seasons

LEAST_COMPARED = 200
"""Calls with comparable answers from which there is a detector of answers."""

LEAST_VALUES = 200
"""Calls with a value from which there is a detector of a scalar."""

RIDGE = 20.0
"""Calls' worth of shrinkage of the linear map from inputs to answers."""

OFF_TOPIC = "off_topic"
FAR = 3
"""Questions in bands from this one on are off topic: nine of ten fresh ones lie nearer to a centre."""

_OFF_TOPIC: Mapping[str, Any] = {"least": 1 - TAILS[FAR - 1], "rising": True}
"""Centres lie nearer to the calls that they were made of than to fresh ones: under a lens of its own the baseline's
share is too small, and the bands' nominal share, measured out of fold, is closest. Under a lens from elsewhere its
share is honest. The larger of the two is at or above the truth either way.
"""

SCALARS = {
    "input_length": ("input_tokens", "input_chars"),
    "output_length": ("output_tokens", "output_chars"),
    "latency": ("latency_ms",),
    "ttft": ("ttft_ms",),
    "cost": ("cost_musd",),
    **{name: (name,) for name in SCORES},
}
"""Detector of a scalar: the series it reads, the first of them that nearly every call has."""


THUMBS_DOWN = "thumbs_down"

_PLAIN = frozenset(map(SERIES.index, SCORES))
_DOWN = int(to_score_bins(-1.0))


def measured(series: int, bins: npt.NDArray[np.int32]) -> FloatArray:
    """What is averaged of a series' bins: logs of one plus the value, of scores thousandths."""
    return score_values(bins) if series in _PLAIN else LOGS[bins]


def feedback(bins: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which bins of feedback are a thumb down, and which any feedback at all."""
    return bins == _DOWN, bins != MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """A baseline's reference calls in its own coordinates."""

    topic: IntArray  # (N,), -1 without input
    inputs: FloatArray  # (N, d)
    answers: FloatArray  # (N, r)
    cell: IntArray  # (N,) stratum * topics + topic, -1 where answers are not compared
    bins: npt.NDArray[np.int32]  # (N, series)
    flags: npt.NDArray[np.int8]  # (N, flags)
    far: npt.NDArray[np.bool_]  # (N,) questions far from every topic
    at: IntArray  # (N,) event time
    slot: IntArray  # (N,) hour of the day or week

    @classmethod
    def of(cls, frame: Frame, rows: Rows) -> Features:
        """Coordinates of these calls."""
        topic, stratum = frame.topic(rows["topic"]), frame.stratum(rows["stratum"])
        compared = (topic >= 0) & (stratum >= 0) & (rows["answered"] == 1) & (rows["band"] < frame.bands)
        return cls(
            topic,
            frame.inputs(rows["features"][:, 0]) * (topic >= 0)[:, None],
            frame.answers(rows["features"][:, 1:], log_lengths(rows)),
            np.where(compared, stratum * frame.topics + topic, -1),
            rows["bins"],
            rows["flags"],
            (topic >= 0) & (rows["band"] >= FAR),
            rows["at"],
            seasons.slot_of(rows["at"], frame.slots),
        )


@dataclass(frozen=True, eq=False)
class Scale:
    """A scalar's distribution in the baseline, read as ranks.

    Parameters
    ----------
    series
        Position of the series in ``SERIES``.
    bins, weights
        Bins that were seen ``(B,)``, and how often.
    """

    series: int
    bins: npt.NDArray[np.int32]
    weights: FloatArray

    @property
    def n(self) -> float:
        """Calls with a value."""
        return float(self.weights.sum())

    @cached_property
    def _below(self) -> FloatArray:
        """Calls in the bins before each, and all of them."""
        return np.concatenate([[0.0], np.cumsum(self.weights)])

    def basis(self, bins: npt.NDArray[np.int32]) -> FloatArray:
        """First two Legendre polynomials of each bin's mid-rank, ``(n, 2)``: mean 0 and variance 1 in the baseline."""
        below = self._below
        ranks = below[np.searchsorted(self.bins, bins, "left")] + below[np.searchsorted(self.bins, bins, "right")]
        u = ranks / self.n - 1.0
        made = np.empty((len(u), 2))
        made[:, 0], made[:, 1] = np.sqrt(3.0) * u, np.sqrt(5.0) * (1.5 * u * u - 0.5)
        return made

    def each(self, bins: npt.NDArray[np.int32]) -> FloatArray:
        """What is summed up of each bin, ``(n, 4)``: the polynomials, what is averaged, and its square."""
        values = measured(self.series, bins)
        return np.column_stack([self.basis(bins), values, values * values])

    @property
    def plain(self) -> bool:
        """Whether it is averaged as it is, in thousandths, and not in logs."""
        return self.series in _PLAIN

    @property
    def verdict(self) -> tuple[float, float] | None:
        """Of a score that was only ever 0 or 1: the rarer of the two and the other, in thousandths; else None."""
        if not self.plain or not np.isin(score_values(self.bins), (0, THOUSAND)).all():
            return None
        return (0.0, float(THOUSAND)) if self.moments()[0] > THOUSAND / 2 else (float(THOUSAND), 0.0)

    def raised(self, sums: FloatArray) -> FloatArray:
        """Calls with the rarer verdict in sums ``(..., 5)``; where other scores came since, as many as they weigh."""
        assert self.verdict is not None
        rare, usual = self.verdict
        return np.clip((sums[..., 3] - sums[..., 0] * usual) / (rare - usual), 0.0, sums[..., 0])

    @cached_property
    def kurtosis(self) -> float:
        """Fourth moment of what is averaged by the square of its variance: 3 of a normal distribution."""
        values = measured(self.series, self.bins)
        away = (values - float(self.weights @ values / self.n)) ** 2
        return float((self.weights @ away**2 / self.n) / max(float(self.weights @ away / self.n) ** 2, 1e-12))

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of what is averaged."""
        values = measured(self.series, self.bins)
        mean = float(self.weights @ values / self.n)
        return mean, float(np.sqrt(self.weights @ (values - mean) ** 2 / self.n))


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A baseline as its detectors know it.

    ``size`` is the calls with an input. An answer is expected to be its cell's ``base`` ``(cells, r)`` and the
    input's image under its part's ``slope`` ``(P, d, r)``; ``centres`` are the mean answers of each stratum and topic
    ``(cells, r)``, ``usual`` their mean inputs ``(cells, d)`` and ``counts`` their calls. ``residuals`` are what the
    reference calls differ by, with their ``residual_part`` and ``residual_weights``. ``seasons`` is what hours differ
    in: None where it is not known, and in a fit of a resample.
    """

    size: float
    proportions: FloatArray
    input_mean: FloatArray
    inputs: FloatArray
    input_weights: FloatArray
    centres: FloatArray
    usual: FloatArray
    counts: FloatArray
    slope: FloatArray
    base: FloatArray
    residuals: FloatArray
    residual_part: IntArray
    whitening: Whitening
    residual_weights: FloatArray
    residual_mean: FloatArray
    scales: Mapping[str, Scale]
    comparable: bool
    seasons: Seasons | None = None

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Cells with enough calls for their answers to be compared."""
        return np.asarray(self.counts >= FEWEST)

    @property
    def compared(self) -> float:
        """Calls whose answers are compared."""
        return float(self.residual_weights.sum())

    def expected(self, frame: Frame, cell: IntArray, inputs: FloatArray) -> FloatArray:
        """Answers expected of calls of these cells and inputs, shape ``(n, r)``."""
        part = frame.part_of(cell)
        made = self.base[cell]
        for one in range(frame.part_count):
            made[part == one] += inputs[part == one] @ self.slope[one]
        return made


def scale_of(name: str, bins: npt.NDArray[np.int32], weights: FloatArray, *, resampled: bool = False) -> Scale | None:
    """Scale of a scalar's detector, or None where too few calls have a value or all have the same.

    A resample of calls that have a scale has one too.
    """
    for series in (SERIES.index(option) for option in SCALARS[name]):
        given = bins[:, series] != MISSING
        if given.mean() < 0.5 or (not resampled and weights[given].sum() < LEAST_VALUES):
            continue
        seen, where = np.unique(bins[given, series], return_inverse=True)
        made = Scale(series, seen, np.bincount(where, weights[given]).astype(np.float64))
        if len(seen) > 1 or resampled or made.verdict is not None:
            return made
    return None


def fit(frame: Frame, features: Features, weights: FloatArray, like: Fit | None = None) -> Fit:
    """What detectors learn from the calls, each counted ``weights`` times, shape ``(N,)``.

    Parameters
    ----------
    like
        A fit of the same calls: the same scalars are fitted again, though a resample alone would not have allowed it.
    """
    asked = features.topic >= 0
    counts = np.bincount(features.topic[asked], weights[asked], minlength=frame.topics)
    cells = max(len(frame.strata), 1) * frame.topics
    pick = (features.cell >= 0) & (weights > 0)
    cell, kept = features.cell[pick], weights[pick]
    count, centres = cell_means(features.answers[pick], cell, kept, cells)
    sure = (count >= FEWEST)[cell]
    usual = cell_means(features.inputs[pick], cell, kept, cells)[1]
    residuals = topic_residuals(features.answers[pick], cell, kept)[sure] if len(cell) else features.answers[:0]
    part = frame.part_of(cell[sure]) if len(cell) else cell
    slope, base, residuals = _within_topics(frame, features, pick, kept, sure, centres, usual, residuals)
    kept = kept[sure]
    known = None if like is None else like.whitening
    whitening = Whitening.of(frame.part_count, part, residuals, kept, frame.answer_blocks, known)
    share = weights[asked] / max(weights[asked].sum(), 1e-9)
    scales = {
        name: scale
        for name in (SCALARS if like is None else like.scales)
        if (scale := scale_of(name, features.bins, weights, resampled=like is not None)) is not None
    }
    proportions = (counts + 0.5) / (counts.sum() + 0.5 * frame.topics)
    return Fit(
        max(float(weights[asked].sum()), 1.0),
        proportions,
        share @ features.inputs[asked],
        features.inputs[asked],
        share,
        centres,
        usual,
        count,
        slope,
        base,
        residuals,
        part,
        whitening,
        kept,
        kept @ residuals / max(kept.sum(), 1e-9),
        scales,
        kept.sum() >= LEAST_COMPARED if like is None else like.comparable,
        seasons.learn(features, scales, proportions, frame.slots) if like is None else None,
    )


def _within_topics(
    frame: Frame,
    features: Features,
    pick: npt.NDArray[np.bool_],
    weights: FloatArray,
    sure: npt.NDArray[np.bool_],
    centres: FloatArray,
    usual: FloatArray,
    residuals: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slope of each part and base of each cell, and what the residuals of the sure calls have left.

    Slopes are of what inputs and answers differ by from their cells' means: a slope that is wrong then moves single
    answers but not the mean of a part.
    """
    width, r = features.inputs.shape[1], features.answers.shape[1]
    slope, base, residuals = np.zeros((frame.part_count, width, r)), centres.copy(), residuals.copy()
    cell = features.cell[pick]
    if not len(cell):
        return slope, base, residuals
    part = frame.part_of(cell[sure])
    inputs, weights = topic_residuals(features.inputs[pick], cell, weights)[sure], weights[sure]
    of_cell = frame.part_of(np.arange(len(base)))
    for one in range(frame.part_count):
        here, mine = part == one, of_cell == one
        slope[one] = _slope(inputs[here], residuals[here], weights[here])
        residuals[here] = _left_out(residuals[here] - inputs[here] @ slope[one], inputs[here], weights[here])
        base[mine] -= usual[mine] @ slope[one]
    return slope, base, residuals


def _slope(inputs: FloatArray, residuals: FloatArray, weights: FloatArray) -> FloatArray:
    moment = (inputs * weights[:, None]).T
    return np.asarray(np.linalg.solve(moment @ inputs + _ridge(inputs, weights), moment @ residuals))


def _left_out(residuals: FloatArray, inputs: FloatArray, weights: FloatArray) -> FloatArray:
    """Residuals of a regression as large as those of calls that it was not fitted to.

    Each divided by one minus the mean leverage: that is less than its own leave-one-out residual where it stands out,
    but leaves the mean at zero.
    """
    gram = (inputs * weights[:, None]).T @ inputs
    leverage = float(np.trace(np.linalg.solve(gram + _ridge(inputs, weights), gram))) / max(weights.sum(), 1.0)
    return np.asarray(residuals / max(1 - leverage, 0.5))


def _ridge(inputs: FloatArray, weights: FloatArray) -> FloatArray:
    return np.asarray(min(RIDGE, max(weights.sum(), 1e-9)) * np.eye(inputs.shape[1]))


def rates(features: Features, scales: Mapping[str, Scale], slots: int = 1) -> dict[str, Rate]:
    """Detectors of rates for these calls: flags, questions far from every topic, verdicts, feedback.

    Parameters
    ----------
    scales
        Scales of the same calls.
    slots
        Hours of the day or week that the baseline tells apart.
    """
    verdicts = (name for name, scale in scales.items() if scale.verdict is not None)
    made = {}
    for name in (*FLAGS, OFF_TOPIC, *verdicts, THUMBS_DOWN):
        flagged, possible = raised(features, name, scales.get(name))
        rate = Rate(int(flagged.sum()), int(possible.sum()), **_OFF_TOPIC if name == OFF_TOPIC else {})
        if name in (OFF_TOPIC, THUMBS_DOWN) and rate.size < LEAST_VALUES:
            continue
        if name == OFF_TOPIC and rate.flagged > CROWDED * rate.size:  # the lens puts most questions far
            continue
        offsets, errors = seasons.rates(flagged, possible, features.slot, slots) if slots > 1 else ((), ())
        made[name] = replace(rate, offsets=offsets, errors=errors)
    return made


def raised(features: Features, name: str, scale: Scale | None = None) -> tuple[FloatArray, FloatArray]:
    """Calls that a rate counts, and those that it might: ones and zeros, ``(N,)`` each; ``scale`` is a score's."""
    if name in FLAGS:
        return (features.flags[:, FLAGS.index(name)] > 0).astype(np.float64), np.ones(len(features.topic))
    if name == OFF_TOPIC:
        return features.far.astype(np.float64), (features.topic >= 0).astype(np.float64)
    if name == THUMBS_DOWN:
        down, rated = feedback(features.bins[:, FEEDBACK])
        return down.astype(np.float64), rated.astype(np.float64)
    assert scale is not None and scale.verdict is not None
    bins = features.bins[:, scale.series]
    given = bins != MISSING
    return (given & (score_values(bins) == scale.verdict[0])).astype(np.float64), given.astype(np.float64)
