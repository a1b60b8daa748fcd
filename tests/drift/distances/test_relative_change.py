import math

import numpy as np
import pytest
from hypothesis import given

from drift.distances.relative_change import quantile_change, relative_change
from drift.errors import EmptySampleError, ShapeError
from tests.strategies import values


@given(values)
def test_values_compared_with_themselves_have_not_changed(sample):
    change = relative_change(sample, sample)
    assert change.effect == 0
    assert change.low <= 0 <= change.high
    assert quantile_change(sample, sample) == 0


@given(values, values)
def test_the_interval_holds_the_effect_and_nothing_falls_by_more_than_everything(before, now):
    effect, low, high = relative_change(before, now)
    assert -1 <= low <= effect <= high
    assert quantile_change(before, now) >= 0


def test_small_costs_change_by_the_ratio_of_their_means():
    assert relative_change([1e-6, 3e-6], [2e-6, 6e-6]).effect == pytest.approx(1, rel=1e-4)
    assert quantile_change([1e-6, 3e-6], [2e-6, 6e-6]) == pytest.approx(1, rel=1e-4)


def test_large_values_change_by_the_ratio_of_their_geometric_means():
    before = np.exp(np.random.default_rng(1).normal(8, 1, 500))
    assert relative_change(before, 1.05 * before).effect == pytest.approx(0.05, abs=1e-3)
    assert quantile_change(before, 1.05 * before) == pytest.approx(math.log(1.05), abs=1e-3)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        change = relative_change(rng.lognormal(5, 0.8, 150), 1.1 * rng.lognormal(5, 0.8, 100))
        covered += change.low <= 0.1 <= change.high
    assert 0.91 <= covered / 300 <= 0.985


def test_values_that_spread_without_moving_change_their_quantiles_only():
    normal = np.random.default_rng(3).normal(0, 0.3, 4000)
    before, now = np.exp(6 + normal), np.exp(6 + 1.5 * normal)
    assert abs(relative_change(before, now).effect) < 0.01
    assert quantile_change(before, now) > 0.1


def test_a_baseline_of_zeros_makes_any_change_infinite():
    assert relative_change([0, 0], [1, 2]) == (math.inf, math.inf, math.inf)
    assert quantile_change([0, 0], [1, 2]) == math.inf
    assert relative_change([0, 0], [0, 0]) == (0, 0, 0)
    assert relative_change([1, 2], [0, 0]).effect == -1


def test_what_is_no_length_is_named():
    with pytest.raises(ShapeError, match="current must not be negative, got -1"):
        relative_change([1, 2], [1, -1])
    with pytest.raises(ShapeError, match="baseline must be finite"):
        quantile_change([1, math.nan], [1, 2])
    with pytest.raises(EmptySampleError, match="current must have at least 2 values, got 1"):
        relative_change([1, 2], [1])
