"""Two models' answers to the same inputs: are they different, how, and after how many pairs was that known?

A live call and its shadow share their input, so each aspect is a paired difference. Two answers of one law given the
input can be swapped: the difference is as likely as its negative. That is all that is assumed, whatever people ask, and
however alike or unlike consecutive calls are. (The p-values, not the evidence after each pair, also want that no input
follows from an earlier live answer, as in a conversation.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from drift.aspects import ANSWERS, MIN_SAMPLES, Difference, Kind, Relabel
from drift.compare import TOLERANCES, answered
from drift.detectors.pairs import PairBets, known_after, one_sided
from drift.distances.checked import Z95, BoolArray, FloatArray, Tested, finite
from drift.distances.given import leading
from drift.distances.mean_shift import CALLS_PER_COORDINATE, length
from drift.errors import EmptySampleError, ShapeError

KNOWN_AFTER = "known_after_pairs"
"""Name in a difference's ``extra``: after how many pairs, in order of time, it was known; absent if never."""

COORDINATES = 64
"""Principal components of the differences of answers that the test of all pairs looks at, at most."""

_KINDS: Mapping[str, Kind] = {"output": "output_length"}
_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Measured pairs in order of time, live in column 0 and shadow in column 1.

    Attributes
    ----------
    answers
        Coordinates of both answers, shape ``(n, 2, d)``.
    views
        Ranges of coordinates that belong together.
    compared
        Pairs in which both sides answered, shape ``(n,)``.
    scalars
        Lengths, durations and costs by name, zero or more, NaN for missing, shape ``(n, 2)`` each. Names that begin
        with ``output`` are ``output_length``, all others ``operational``: even the tokens of equal inputs are the
        tokenizer's.
    flags
        Yes or no by name, shape ``(n, 2)`` each.

    Raises
    ------
    ShapeError
        Shapes do not fit together, a vector holds NaN or infinity, or a scalar is negative or infinite.
    """

    answers: FloatArray
    views: tuple[tuple[int, int], ...]
    compared: BoolArray
    scalars: Mapping[str, FloatArray] = field(default_factory=dict)
    flags: Mapping[str, BoolArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        finite("answers", self.answers, 3)
        if self.answers.shape[1:] != (2, self.views[-1][1]):
            raise ShapeError(f"answers must have shape (n, 2, {self.views[-1][1]}), got {self.answers.shape}")
        n = len(self.answers)
        if self.compared.shape != (n,):
            raise ShapeError(f"compared must have shape ({n},), got {self.compared.shape}")
        for name, values in (*self.scalars.items(), *self.flags.items()):
            if values.shape != (n, 2):
                raise ShapeError(f"{name} must have shape ({n}, 2), got {values.shape}")
        for name, values in self.scalars.items():
            if (wrong := (values < 0) | np.isinf(values)).any():
                raise ShapeError(f"{name} must be zero or more, or NaN where missing, got {values[wrong][0]:g}")

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def differences(self) -> FloatArray:
        """Shadow less live answers; zeros where one side has none, shape ``(n, d)``."""
        return np.where(self.compared[:, None], self.answers[:, 1] - self.answers[:, 0], 0.0)


def compare_pairs(
    pairs: Pairs,
    *,
    permutations: int = 499,
    seed: int = 0,
    alpha: float = 0.05,
    tolerances: Mapping[str, float] = TOLERANCES,
) -> tuple[Difference, ...]:
    """Say in which respects the shadow answers differ from the live ones.

    Parameters
    ----------
    pairs
        At least ``MIN_SAMPLES``; the same two answers to the same input only once.
    permutations
        Random swaps behind the p-value of answers. More are drawn where ``alpha`` divided by the number of aspects
        could not be reached otherwise.
    seed
        Of the swaps.
    alpha
        Chance that anything at all is called drift when nothing is, in (0, 1); and, looked at after every pair,
        that anything at all is ever called known.
    tolerances
        As in ``drift.compare.compare``.

    Returns
    -------
    tuple of Difference
        Answers, scalars and flags by name, shadow against live. Each that would have been known to someone who looked
        after every pair says after how many: ``known_after_pairs`` in ``extra``.

    Raises
    ------
    EmptySampleError
        Fewer than ``MIN_SAMPLES`` pairs.
    """
    if len(pairs) < MIN_SAMPLES:
        raise EmptySampleError(f"{len(pairs)} pairs, at least {MIN_SAMPLES} are needed: take a longer range")
    names = (ANSWERS, *sorted(pairs.scalars), *sorted(pairs.flags))
    each = alpha / len(names)
    found = [_answers(pairs, Relabel(max(permutations, math.ceil(2 / each)), seed), each)]
    found += [_scalar(name, pairs.scalars[name], each) for name in sorted(pairs.scalars)]
    found += [_flag(name, pairs.flags[name], each) for name in sorted(pairs.flags)]
    limits = {**TOLERANCES, **tolerances}
    limits = {**{n: limits["flags" if n in pairs.flags else "scalars"] for n in names[1:]}, **limits}
    return tuple(answered(found, alpha, limits))


def farthest(pairs: Pairs, most: int = 5) -> tuple[int, ...]:
    """Positions of the pairs whose answers lie farthest apart, each view counted in what its differences scatter."""
    rows = pairs.differences
    apart = np.zeros(len(rows))
    for low, high in pairs.views:
        square = (rows[:, low:high] ** 2).sum(axis=1)
        apart += square / max(float(square.mean()), 1e-30)
    order = np.argsort(-apart, kind="stable")[:most]
    return tuple(int(i) for i in order if apart[i] > 0)


def _answers(pairs: Pairs, relabel: Relabel, alpha: float) -> Difference:
    """Mean difference of the answers, tested by swapping the sides of pairs at random.

    Principal components and scatter of differences are the same whatever sides are swapped, so the swaps are exact.
    One residual standard deviation is what an answer scatters around what its input asks for: that of the
    differences by sqrt(2).
    """
    rows = pairs.differences[pairs.compared]
    n, unit = len(rows), "residual standard deviations"
    if n < MIN_SAMPLES:
        return _not_enough("model", ANSWERS, unit, n)
    directions = leading(rows, min(COORDINATES, n // CALLS_PER_COORDINATE))
    extra = {"coordinates": float(directions.shape[1]), "explained_by_inputs": 0.0}
    extra |= _known(PairBets(pairs.views), pairs.differences, alpha)
    if not directions.shape[1]:
        return Difference("model", ANSWERS, 0.0, 1.0, 0.0, 0.0, 0.0, unit, n, n, extra)
    white = rows @ directions
    statistic = float((white.sum(axis=0) ** 2).sum()) / n
    rng, exceeded = relabel.rng(), 0
    for signs in _signs(relabel.draws, n, rng):
        exceeded += int((((signs @ white) ** 2).sum(axis=1) / n >= statistic * (1 - 1e-9)).sum())
    effect = length(statistic, n / 2, white.shape, n - 1)
    tested = Tested(statistic, (1 + exceeded) / (1 + relabel.draws), *effect)
    return Difference("model", ANSWERS, *tested, unit, n, n, extra)


def _signs(draws: int, n: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    for start in range(0, draws, _BLOCK):
        yield rng.choice([-1.0, 1.0], (min(_BLOCK, draws - start), n))


def _scalar(name: str, values: FloatArray, alpha: float) -> Difference:
    """Relative change of the typical value of a pair's scalar (Wilcoxon 1945), and the mean difference as it is."""
    kind = _KINDS.get(name.partition("_")[0], "operational")
    known = ~np.isnan(values).any(axis=1)
    kept = values[known]
    if len(kept) < MIN_SAMPLES:
        return _not_enough(kind, name, "relative", len(kept))
    logs = np.log1p(kept)
    moved = logs[:, 1] - logs[:, 0]
    test = stats.wilcoxon(moved) if moved.any() else None
    statistic, p_value = (float(test.statistic), float(test.pvalue)) if test else (0.0, 1.0)
    plain = kept[:, 1] - kept[:, 0]
    mean, width = float(plain.mean()), Z95 * float(plain.std(ddof=1)) / math.sqrt(len(plain))
    extra = {
        "median_baseline": float(np.median(kept[:, 0])),
        "median_current": float(np.median(kept[:, 1])),
        "mean_difference": mean,
        "mean_difference_low": mean - width,
        "mean_difference_high": mean + width,
    }
    # The sign beside the size: a few answers of a minute must not drown a thousand of a second.
    rows = np.zeros((len(values), 2))
    rows[known] = np.stack([moved, np.sign(moved)], axis=1)
    extra |= _known(PairBets(((0, 1), (1, 2))), rows, alpha)
    return Difference(kind, name, statistic, p_value, *_change(logs), "relative", len(kept), len(kept), extra)


def _change(logs: FloatArray) -> tuple[float, float, float]:
    """Relative change of the typical value and its interval: as ``relative_change``, with the errors of pairs."""
    before, now = (math.expm1(mean) for mean in logs.mean(axis=0))
    if before == 0 or now == 0:
        effect = 0.0 if before == now else now / before - 1 if before else math.inf
        return effect, effect, effect
    slopes = np.array([-(1 + before) / before, (1 + now) / now])
    width = Z95 * float((logs @ slopes).std(ddof=1)) / math.sqrt(len(logs))
    return now / before - 1, now / before * math.exp(-width) - 1, now / before * math.exp(width) - 1


def _flag(name: str, values: BoolArray, alpha: float) -> Difference:
    """Pairs in which only one side raised a flag (McNemar 1947; interval by Agresti and Min 2005)."""
    live, shadow = values[:, 0] & ~values[:, 1], values[:, 1] & ~values[:, 0]
    a, b, n = int(live.sum()), int(shadow.sum()), len(values)
    p_value = float(stats.binomtest(b, a + b).pvalue) if a + b else 1.0
    centre, size = (b - a) / (n + 2), n + 2
    width = Z95 * math.sqrt(max((a + b + 1) / size - centre**2, 0.0) / size)
    low, high = max(centre - width, -1.0), min(centre + width, 1.0)
    extra = {"live_only": float(a), "shadow_only": float(b)}
    if (after := known_after(one_sided(np.cumsum(live), np.cumsum(shadow)), alpha)) is not None:
        extra[KNOWN_AFTER] = float(after)
    effect = 100 * (b - a) / n
    return Difference("operational", name, (b - a) / n, p_value, effect, 100 * low, 100 * high, "points", n, n, extra)


def _known(bets: PairBets, rows: npt.NDArray[np.float64], alpha: float) -> dict[str, float]:
    after = known_after(bets.update(bets.start(), rows)[1], alpha)
    return {} if after is None else {KNOWN_AFTER: float(after)}


def _not_enough(kind: Kind, aspect: str, unit: str, n: int) -> Difference:
    unknown = math.nan
    return Difference(kind, aspect, unknown, 1.0, unknown, unknown, unknown, unit, n, n, answer="not_enough_data")
