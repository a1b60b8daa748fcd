"""How large a drift is, in units that people know, with an interval: beside every statistic."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drift.baseline import Baseline
from drift.bins import THOUSAND, score_values
from drift.block import Layout
from drift.detectors.memory import FloatArray
from drift.detectors.rate import Rate
from drift.distances.share_difference import share_difference
from drift.fit import OFF_TOPIC, THUMBS_DOWN

Z = 1.96

SCORE = "score"
"""The unit of a score: its own."""

_TYPICAL, _SPREAD = "typical ", "spread of "


def relative(measure: str) -> bool:
    """Whether differences of a measure are relative to the baseline, as those of lengths, times and costs are."""
    return measure.startswith((_TYPICAL, _SPREAD))


@dataclass(frozen=True, slots=True)
class Effect:
    """Size of a difference from the baseline.

    Parameters
    ----------
    measure
        What is compared.
    size
        The difference in units of the tolerance, noise taken off; never negative.
    estimate, low, high
        The difference as people read it, with its 95 % interval.
    baseline, current
        Both sides, where they are single numbers.
    samples_baseline, samples
        Calls on both sides.
    noise
        The size that no drift at all would show at this number of calls.
    scale
        What of the difference as people read it is one unit of the tolerance.
    """

    measure: str
    size: float
    estimate: float
    low: float
    high: float
    unit: str
    samples_baseline: float
    samples: float
    noise: float
    baseline: float | None = None
    current: float | None = None
    scale: float = 1.0

    @property
    def surely(self) -> float:
        """The smallest size that the interval admits, in units of the tolerance."""
        return 0.0 if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high)) / self.scale


def effect(
    baseline: Baseline, layout: Layout, detector: str, sums: FloatArray, before: FloatArray | None = None
) -> Effect | None:
    """Effect seen by a detector in a sum of blocks, or None without calls for it.

    Parameters
    ----------
    before
        Sums over calls of the baseline that are compared with, such as those of one region; None: all of them.
    """
    if before is not None and not _asked(layout, detector, before):
        return None
    if detector == "topics":
        counts = None if before is None else before[layout.topics]
        p = baseline.fit.proportions if counts is None else (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
        return _mix(p, baseline.fit.size if counts is None else float(counts.sum()), sums[layout.topics])
    if detector in ("inputs", "answers"):
        place, n = getattr(layout, detector), _asked(layout, detector, sums)
        if before is None:
            fit = baseline.fit
            mean, size = (fit.input_mean, fit.size) if detector == "inputs" else (fit.residual_mean, fit.compared)
        else:
            size = _asked(layout, detector, before)
            mean = before[place] / size
        return _shift(*_SHIFTS[detector], sums[place] - n * mean, n, size)
    if detector in layout.scalars:
        place, made = layout.scalars[detector], _score if baseline.fit.scales[detector].plain else _scalar
        return made(baseline, detector, sums[place], None if before is None else before[place])
    flagged, n = (float(part) for part in layout.raised(baseline, detector, sums))
    flagged = min(max(flagged, 0.0), n)  # less what is due to the hour it may be either side
    known = baseline.panel.rates[detector]
    if before is not None:
        raised, size = (round(float(part)) for part in layout.raised(baseline, detector, before))
        known = replace(known, flagged=min(max(raised, 0), size), size=size)
    return _rate(known, detector, flagged, n)


_SHIFTS = {
    "inputs": ("shift of inputs", "standard deviations"),
    "answers": ("shift of answers to like questions", "residual standard deviations"),
}


def _asked(layout: Layout, detector: str, sums: FloatArray) -> float:
    """Calls that have a say in what a detector sees."""
    if detector in ("topics", "inputs", OFF_TOPIC):
        return float(sums[layout.topics].sum())
    if detector == "answers":
        return float(sums[layout.compared])
    if detector in layout.scalars:
        return float(sums[layout.scalars[detector]][0])
    return float(sums[layout.rated if detector == THUMBS_DOWN else layout.calls])


def direction(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray) -> FloatArray:
    """Unit direction of a drift in its detector's coordinates; of topics the signs of their growth; else empty."""
    if detector == "topics":
        counts = sums[layout.topics]
        return np.asarray(np.sign(counts / max(counts.sum(), 1) - baseline.fit.proportions))
    if detector in ("inputs", "answers"):
        mean = _mean(baseline, layout, detector, sums)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))
    return np.zeros(0)


def along(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray, way: FloatArray) -> float:
    """Size along a direction: one number is better known than a vector."""
    if detector == "topics":
        counts = sums[layout.topics]
        return float(way @ (counts / max(float(counts.sum()), 1.0) - baseline.fit.proportions) / 2)
    return float(way @ _mean(baseline, layout, detector, sums))


def _mean(baseline: Baseline, layout: Layout, detector: str, sums: FloatArray) -> FloatArray:
    if detector == "inputs":
        return np.asarray(sums[layout.inputs] / max(sums[layout.topics].sum(), 1.0) - baseline.fit.input_mean)
    return np.asarray(sums[layout.answers] / max(sums[layout.compared], 1.0) - baseline.fit.residual_mean)


def _mix(p: FloatArray, size: float, counts: FloatArray) -> Effect | None:
    n = float(counts.sum())
    if n == 0:
        return None
    share = counts / n
    seen = float(np.abs(share - p).sum() / 2)
    per_call = 1 / n + 1 / size
    noise = float(np.sqrt(2 / np.pi * p * (1 - p) * per_call).sum() / 2)
    moved = float(np.sqrt(max(seen**2 - noise**2, 0.0)))
    way = np.sign(share - p)
    error = float(np.sqrt(max((p @ way**2) - (p @ way) ** 2, 0.0) * per_call) / 2)
    return Effect(
        "topic mix",
        moved,
        moved,
        max(moved - Z * error, 0.0),
        min(moved + Z * error, 1.0),
        "total variation",
        size,
        n,
        noise,
    )


def _shift(measure: str, unit: str, centred: FloatArray, n: float, size: float) -> Effect | None:
    if n == 0:
        return None
    mean, noise, d = centred / n, 1 / n + 1 / size, len(centred)
    square = float(mean @ mean) - d * noise
    error = float(np.sqrt(2 * d * noise**2 + 4 * max(square, 0.0) * noise))
    low, high = (float(np.sqrt(max(square + Z * way * error, 0.0))) for way in (-1, 1))
    found = float(np.sqrt(max(square, 0.0)))
    return Effect(measure, found, found, low, high, unit, size, n, float(np.sqrt(d * noise)))


def _scalar(baseline: Baseline, detector: str, sums: FloatArray, before: FloatArray | None) -> Effect | None:
    """Change of the typical value, or of the spread where that is what the detector saw."""
    n, logs = float(sums[0]), float(sums[3])
    if n < 2:
        return None
    known = baseline.fit.scales[detector]
    (mean, spread), size = known.moments(), known.n
    usual = baseline.panel.tilts[detector].mean[0]
    if before is not None:
        size, usual = float(before[0]), before[1:3] / before[0]
        mean, spread = float(before[3]) / size, _spread(before)
    current, current_spread = logs / n, _spread(sums)
    moved = np.abs(sums[1:3] - n * usual)
    unit, what = baseline.unit(detector), detector.replace("_", " ")
    error = float(np.sqrt(current_spread**2 / n + spread**2 / size))
    made = _relative(f"{_TYPICAL}{what}", current - mean, error, unit, size, n)
    scale = 1e-6 if unit == "USD" else 1.0
    made = replace(made, baseline=float(np.expm1(mean)) * scale, current=float(np.expm1(current)) * scale)
    if moved[1] <= 2 * moved[0]:
        return made
    tails = max(known.kurtosis - 1, 2) / 4  # the variance of the log of a standard deviation, over the calls
    ratio, error = current_spread / max(spread, 1e-6), float(np.sqrt(tails / n + tails / size))
    wider = _relative(f"{_SPREAD}{what}", float(np.log(ratio)), error, f"log {unit}", size, n)
    return replace(wider, baseline=spread, current=current_spread) if wider.size > made.size else made


def _score(baseline: Baseline, detector: str, sums: FloatArray, before: FloatArray | None) -> Effect | None:
    """Difference of the mean of a score, in its own units; its size is in the baseline's standard deviations."""
    n = float(sums[0])
    if n < 2:
        return None
    scale = baseline.fit.scales[detector]
    (mean, spread), size = scale.moments(), scale.n
    values = score_values(scale.bins)
    unit = max(spread, LEAST_SPREAD * max(float(values.max() - values.min()), THOUSAND if scale.verdict else 0.0))
    if before is not None:
        mean, spread, size = float(before[3] / before[0]), _spread(before), float(before[0])
    current = float(sums[3] / n)
    error = float(np.sqrt(max(_spread(sums), unit) ** 2 / n + max(spread, unit) ** 2 / size))
    low, estimate, high = ((current - mean + Z * way * error) / THOUSAND for way in (-1, 0, 1))
    return Effect(
        baseline.title(detector),
        float(np.sqrt(max((current - mean) ** 2 - error**2, 0.0))) / unit,
        estimate,
        low,
        high,
        SCORE,
        size,
        n,
        error / unit,
        mean / THOUSAND,
        current / THOUSAND,
        scale=unit / THOUSAND,
    )


LEAST_SPREAD = 0.1
"""Of a score's range: a spread smaller than this counts as this, lest a score that never varied had no tolerance."""


def _spread(sums: FloatArray) -> float:
    n, logs, squares = float(sums[0]), float(sums[3]), float(sums[4])
    return float(np.sqrt(max(squares / n - (logs / n) ** 2, 1e-12)))


def _relative(measure: str, change: float, error: float, unit: str, size: float, n: float) -> Effect:
    low, estimate, high = (float(np.expm1(change + Z * way * error)) for way in (-1, 0, 1))
    true = float(np.sqrt(max(estimate**2 - error**2, 0.0)))
    return Effect(measure, true, estimate, low, high, unit, size, n, error)


def _rate(known: Rate, detector: str, flagged: float, n: float) -> Effect | None:
    if n == 0:
        return None
    before = max(known.flagged, round(known.least * known.size))
    found = share_difference(before, known.size, round(flagged), round(n))
    error = float(np.sqrt(known.rate * (1 - known.rate) * (1 / n + 1 / known.size)))
    lowest = 0.0 if known.rising else -1.0  # a fall is no drift of what may only grow
    return Effect(
        f"share of calls: {detector.replace('_', ' ')}",
        float(np.sqrt(max(max(found.effect, lowest) ** 2 - error**2, 0.0))),
        max(found.effect, lowest),
        max(found.low, lowest),
        max(found.high, lowest),
        "points",
        known.size,
        n,
        error,
        before / known.size,
        flagged / n,
    )
