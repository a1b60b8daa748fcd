import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from drift.distances.share_difference import share_difference
from drift.errors import EmptySampleError, ShapeError

sides = st.integers(1, 5000).flatmap(lambda calls: st.tuples(st.integers(0, calls), st.just(calls)))


@pytest.mark.parametrize(
    ("before", "now", "low", "high"),
    [
        # Newcombe (1998), table II, method 10; his difference is the first share less the second.
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((0, 20), (10, 10), 0.6791, 1.0),
    ],
)
def test_the_interval_is_the_published_one(before, now, low, high):
    difference = share_difference(*before, *now)
    assert difference[1:] == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


@given(sides, sides)
def test_swapping_sides_turns_the_interval_round(before, now):
    effect, low, high = share_difference(*before, *now)
    assert share_difference(*now, *before) == pytest.approx((-effect, -high, -low))
    assert -1 <= low <= effect + 1e-12
    assert effect - 1e-12 <= high <= 1


@given(sides)
def test_against_a_large_sure_side_the_interval_is_about_wilsons(side):
    exact = binomtest(*side).proportion_ci(method="wilson")
    _, low, high = share_difference(0, 10**12, *side)
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-5)


def test_the_interval_covers_a_rare_flag_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    before, now = rng.binomial(400, 0.02, 500), rng.binomial(300, 0.05, 500)
    intervals = [share_difference(b, 400, n, 300) for b, n in zip(before, now, strict=True)]
    assert 0.92 <= np.mean([low <= 0.03 <= high for _, low, high in intervals]) <= 0.985


def test_impossible_counts_are_named():
    with pytest.raises(EmptySampleError, match="calls_current must be positive, got 0"):
        share_difference(0, 1, 0, 0)
    with pytest.raises(ShapeError, match="hits_baseline must lie between 0 and calls_baseline = 1, got 2"):
        share_difference(2, 1, 0, 1)
