"""Total variation distance, and whether it is more than chance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from drift.distances.checked import Z95, FloatArray, IntArray, Tested, proportions


def total_variation(baseline: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Total variation distance of two histograms.

    Half the summed absolute difference of proportions: the share of calls that would have to
    change bin to make the two agree [1]_.

    Parameters
    ----------
    baseline, current
        Counts, shape ``(bins,)``, over the same bin edges.

    Returns
    -------
    float
        From 0, equal proportions, to 1, no bin in common. Sampling noise alone makes it positive.

    Raises
    ------
    ShapeError
        The histograms differ in shape, or hold something that is no count.
    EmptySampleError
        Either holds no counts.

    References
    ----------
    .. [1] Levin, Peres and Wilmer (2009), Markov Chains and Mixing Times, section 4.1.

    Examples
    --------
    >>> total_variation([3, 1], [1, 3])
    0.5
    """
    before, now = proportions(baseline, current)
    return float(np.abs(now - before).sum()) / 2


def shares_shift(baseline: IntArray, current: IntArray, *, draws: int, rng: np.random.Generator) -> Tested:
    """Total variation of two histograms of calls, by permutation.

    Relabelling calls at random is drawing one side's counts from the pooled ones without replacement, so counts
    are all it takes.

    Parameters
    ----------
    baseline, current
        Counts of calls, shape ``(bins,)``.
    draws
        Number of permutations.
    rng
        Source of the permutations.

    Returns
    -------
    Tested
        ``effect`` is the total variation less what sampling noise adds to it, in squares, as to a length: zero
        where noise explains it all, and up to a fifth too low where a change in every bin is no larger than noise.
        The interval is a cautious one: it covers the truth in at least 95 % of samples.

    Raises
    ------
    ShapeError
        The histograms differ in shape, or hold a negative count.
    EmptySampleError
        Either holds no counts.
    """
    statistic = total_variation(baseline, current)
    n, m = int(baseline.sum()), int(current.sum())
    pooled = baseline + current
    drawn = rng.multivariate_hypergeometric(pooled, m, size=draws, method="marginals")
    by_chance = np.abs(drawn / m - (pooled - drawn) / n).sum(axis=1) / 2
    exceeded = int((by_chance >= statistic - 1e-12).sum())
    effect = math.sqrt(max(statistic**2 - float((by_chance**2).mean()), 0.0))
    # The triangle inequality bounds noise from below; from above only what moves the sum counts, for noise adds.
    low = max(statistic - float(np.quantile(by_chance, 0.975)), 0.0)
    high = min(statistic + Z95 * _standard_error(baseline / n, n, current / m, m), 1.0)
    return Tested(statistic, (1 + exceeded) / (1 + draws), effect, low, high)


def _standard_error(before: FloatArray, n: int, now: FloatArray, m: int) -> float:
    signs = np.sign(now - before)
    variances = ((float(p @ signs**2 - (p @ signs) ** 2), size) for p, size in ((before, n), (now, m)))
    return math.sqrt(sum(max(variance, 0.0) / size for variance, size in variances)) / 2
