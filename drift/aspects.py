"""The respects in which two sets of measured calls can differ, one function each.

Each takes the two sides and gives a `Difference` whose p-value is not yet corrected for the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from drift.distances.checked import BoolArray, FloatArray, IntArray, Tested, finite
from drift.distances.frechet import frechet
from drift.distances.given import given
from drift.distances.jensen_shannon import jensen_shannon
from drift.distances.mean_shift import mean_shift
from drift.distances.mmd import squared_mmd
from drift.distances.psi import psi
from drift.distances.relative_change import quantile_change, relative_change
from drift.distances.share_difference import share_difference
from drift.distances.total_variation import shares_shift
from drift.errors import ShapeError

Kind = Literal["data", "model", "output_length", "operational"]
Answer = Literal["drift", "no_drift", "not_enough_data"]

MIN_SAMPLES = 30
"""Calls a side, below which nothing is said."""

ANSWERS = "answers given inputs"
EXPLAINED = "explained_by_inputs"
QUANTILES = "quantile_change"

_KINDS: Mapping[str, Kind] = MappingProxyType({"input": "data", "output": "output_length"})


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sets of calls.

    Attributes
    ----------
    topics
        Topic of each call's input, whole numbers, shape ``(n,)``.
    inputs
        Coordinates of the inputs, shape ``(n, d1)``.
    outputs
        Coordinates of the outputs, of the calls that have one, shape ``(m, d2)``.
    output_topics, output_inputs
        Topic and input of these calls, shapes ``(m,)`` and ``(m, d1)``.
    scalars
        Lengths, durations and costs by name, never negative, NaN for missing, shape ``(n,)`` each. Names that begin
        with ``input`` are ``data``, with ``output`` are ``output_length``, all others are ``operational``.
    flags
        Yes or no by name, shape ``(n,)`` each.

    Raises
    ------
    ShapeError
        Shapes do not fit together, a vector holds NaN or infinity, or a scalar is negative or infinite.
    """

    topics: IntArray
    inputs: FloatArray
    outputs: FloatArray
    output_topics: IntArray
    output_inputs: FloatArray
    scalars: Mapping[str, FloatArray] = field(default_factory=dict)
    flags: Mapping[str, BoolArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs", "output_inputs"):
            finite(name, getattr(self, name), 2)
        calls, answered = len(self.inputs), len(self.outputs)
        _same_length({"topics": self.topics, **self.scalars, **self.flags}, "inputs", calls)
        _same_length({"output_topics": self.output_topics, "output_inputs": self.output_inputs}, "outputs", answered)
        for name, values in self.scalars.items():
            wrong = (values < 0) | np.isinf(values)
            if wrong.any():
                raise ShapeError(f"{name} must be zero or more, or NaN where missing, got {values[wrong][0]:g}")


@dataclass(frozen=True, slots=True)
class Difference:
    """What one aspect of the two sides says.

    Attributes
    ----------
    kind, aspect
        What would have drifted, and what was looked at.
    statistic, p_value, p_adjusted
        The test, and its p-value before and after Holm's correction for all aspects.
    effect, low, high
        Size of the difference and its 95 % interval in ``unit``, current against baseline.
    samples_baseline, samples_current
        Calls that had a say.
    extra
        Further figures by name: PSI and Jensen–Shannon distance of topics; MMD and Fréchet distance of inputs; what
        inputs account for in answers and output lengths; medians and quantile change of scalars.
    answer
        ``not_enough_data`` leaves statistic, effect and interval NaN and the p-values 1.
    """

    kind: Kind
    aspect: str
    statistic: float
    p_value: float
    effect: float
    low: float
    high: float
    unit: str
    samples_baseline: int
    samples_current: int
    extra: Mapping[str, float] = field(default_factory=dict)
    p_adjusted: float = 1.0
    answer: Answer = "no_drift"

    @property
    def drift(self) -> bool:
        """Whether the difference is both sure and large enough to matter."""
        return self.answer == "drift"


@dataclass(frozen=True, slots=True)
class Relabel:
    """How often sides are drawn at random, and from which seed."""

    draws: int
    seed: int

    def rng(self) -> np.random.Generator:
        """Start anew for every aspect: one more aspect must not change another's answer."""
        return np.random.default_rng(self.seed)


def topics(baseline: Side, current: Side, relabel: Relabel) -> Difference:
    """Compare topic shares."""
    seen, numbered = np.unique(np.concatenate([baseline.topics, current.topics]), return_inverse=True)
    n, m = len(baseline.topics), len(current.topics)
    before, now = (np.bincount(side, minlength=len(seen)) for side in (numbered[:n], numbered[n:]))
    tested = shares_shift(before, now, draws=relabel.draws, rng=relabel.rng())
    extra = {"psi": psi(before, now), "jensen_shannon": jensen_shannon(before, now)}
    return Difference("data", "topics", *tested, "total variation", n, m, extra)


def inputs(baseline: Side, current: Side, relabel: Relabel) -> Difference:
    """Compare mean inputs, whatever their topics."""
    rows, is_current = _pooled(baseline.inputs, current.inputs)
    n, m = len(baseline.inputs), len(current.inputs)
    design = given(is_current, np.zeros(n + m, dtype=np.int64), np.empty((n + m, 0)))
    shift = mean_shift(rows, design, draws=relabel.draws, rng=relabel.rng(), coordinates=32)
    extra = {
        "mmd": math.sqrt(max(squared_mmd(rows[:n], rows[n:]), 0.0)),
        "frechet": frechet(rows[:n], rows[n:]),
        "coordinates": shift.coordinates,
    }
    return Difference("data", "inputs", *shift.tested, "standard deviations", n, m, extra)


def answers(baseline: Side, current: Side, relabel: Relabel) -> Difference:
    """Compare outputs at equal topics and inputs, in the topics that both sides have."""
    before, now = _shared(baseline.output_topics, current.output_topics)
    n, m = int(before.sum()), int(now.sum())
    unit = "residual standard deviations"
    if min(n, m) < MIN_SAMPLES:
        return _not_enough("model", ANSWERS, unit, n, m)
    rows, is_current = _pooled(baseline.outputs[before], current.outputs[now])
    inputs, _ = _pooled(baseline.output_inputs[before], current.output_inputs[now])
    topics = np.concatenate([baseline.output_topics[before], current.output_topics[now]])
    design = given(is_current, topics, inputs)
    if not design.information:
        return _not_enough("model", ANSWERS, unit, n, m)
    shift = mean_shift(rows, design, draws=relabel.draws, rng=relabel.rng())
    extra = {EXPLAINED: shift.explained, "coordinates": shift.coordinates}
    return Difference("model", ANSWERS, *shift.tested, unit, n, m, extra)


def scalar(name: str, baseline: Side, current: Side) -> Difference:
    """Compare the whole distribution of a length, a duration or a cost; the effect is that of its typical value."""
    kind = _KINDS.get(name.partition("_")[0], "operational")
    missing = np.full(max(len(baseline.topics), len(current.topics)), np.nan)
    series = [side.scalars.get(name, missing[: len(side.topics)]) for side in (baseline, current)]
    known = [~np.isnan(values) for values in series]
    before, now = (values[kept].astype(np.float64) for values, kept in zip(series, known, strict=True))
    if min(len(before), len(now)) < MIN_SAMPLES:
        return _not_enough(kind, name, "relative", len(before), len(now))
    # The asymptotic law errs on the safe side with ties, and is quick with many calls.
    test = stats.ks_2samp(before, now, method="asymp")
    tested = Tested(float(test.statistic), float(test.pvalue), *relative_change(before, now))
    extra = {
        "median_baseline": float(np.median(before)),
        "median_current": float(np.median(now)),
        QUANTILES: quantile_change(before, now),
    }
    if kind == "output_length":
        inputs = (baseline.inputs[known[0]], current.inputs[known[1]])
        extra |= _split(before, now, (baseline.topics[known[0]], current.topics[known[1]]), inputs)
    return Difference(kind, name, *tested, "relative", len(before), len(now), extra)


def _split(
    before: FloatArray, now: FloatArray, topics: tuple[IntArray, IntArray], inputs: tuple[FloatArray, FloatArray]
) -> dict[str, float]:
    """Split the change of a length into what inputs account for and what they do not (Kitagawa 1955)."""
    shared = _shared(*topics)
    if min(shared[0].sum(), shared[1].sum()) < MIN_SAMPLES:
        return {}
    logs, is_current = _pooled(np.log1p(before)[shared[0], None], np.log1p(now)[shared[1], None])
    coordinates, _ = _pooled(inputs[0][shared[0]], inputs[1][shared[1]])
    design = given(is_current, np.concatenate([topics[0][shared[0]], topics[1][shared[1]]]), coordinates)
    if not design.information:
        return {}
    whole = float(np.log1p(now).mean() - np.log1p(before).mean())
    unexplained = float(design.difference(design.residual(logs))[0])
    return {EXPLAINED: math.expm1(whole - unexplained), "at_equal_inputs": math.expm1(unexplained)}


def flag(name: str, baseline: Side, current: Side) -> Difference:
    """Compare how often a flag is raised."""
    before, now = (side.flags.get(name, np.empty(0, dtype=np.bool_)) for side in (baseline, current))
    n, m = len(before), len(now)
    if min(n, m) < MIN_SAMPLES:
        return _not_enough("operational", name, "points", n, m)
    hits = int(before.sum()), int(now.sum())
    effect, low, high = (100 * share for share in share_difference(hits[0], n, hits[1], m))
    table = np.array([[hits[0], n - hits[0]], [hits[1], m - hits[1]]])
    p_value = float(stats.fisher_exact(table).pvalue)
    return Difference("operational", name, effect / 100, p_value, effect, low, high, "points", n, m)


def _not_enough(kind: Kind, aspect: str, unit: str, n: int, m: int) -> Difference:
    unknown = math.nan
    return Difference(kind, aspect, unknown, 1.0, unknown, unknown, unknown, unit, n, m, answer="not_enough_data")


def _shared(before: IntArray, now: IntArray) -> tuple[BoolArray, BoolArray]:
    """Mark the calls in topics that both sides have."""
    topics = np.intersect1d(before, now)
    return np.isin(before, topics), np.isin(now, topics)


def _pooled(before: FloatArray, now: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Stack both sides and say which rows are current."""
    rows = np.concatenate([before, now]).astype(np.float64)
    return rows, np.arange(len(rows)) >= len(before)


def _same_length(arrays: Mapping[str, npt.NDArray[Any]], name: str, rows: int) -> None:
    for key, array in arrays.items():
        if len(array) != rows:
            raise ShapeError(f"{key} must have a row for each of the {rows} {name}, got {len(array)}")
