import numpy as np
import pytest
from hypothesis import given

from drift.distances.total_variation import shares_shift, total_variation
from drift.errors import EmptySampleError
from tests.strategies import count_pairs, counts


@given(count_pairs)
def test_total_variation_is_symmetric_and_between_zero_and_one(pair):
    assert total_variation(*pair) == pytest.approx(total_variation(*pair[::-1]))
    assert 0 <= total_variation(*pair) <= 1 + 1e-12


@given(counts)
def test_total_variation_of_equal_proportions_is_zero(histogram):
    assert total_variation(histogram, 3 * histogram) == pytest.approx(0, abs=1e-12)


@given(count_pairs)
def test_total_variation_shrinks_in_proportion_when_one_side_is_mixed_into_the_other(pair):
    before, now = (histogram / histogram.sum() for histogram in pair)
    assert total_variation(before, before + 0.25 * (now - before)) == pytest.approx(0.25 * total_variation(*pair))


def test_total_variation_is_the_share_of_calls_that_moved():
    assert total_variation([50, 30, 20], [40, 30, 30]) == pytest.approx(0.1)


def shares(rng, p, calls=400):
    return rng.multinomial(calls, p)


def test_shares_shift_cries_wolf_as_often_as_its_p_value_says():
    p = np.arange(1, 21) / 210
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        p_values.append(shares_shift(shares(rng, p), shares(rng, p), draws=199, rng=rng).p_value)
    for level in (0.05, 0.2, 0.5):
        # Three standard errors of a share of 300.
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)


def test_shares_shift_takes_noise_out_of_the_effect_and_covers_the_truth():
    before = np.full(20, 0.05)
    now = before + np.repeat([0.01, -0.01], 10)
    effects, covered = [], 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shift = shares_shift(shares(rng, before, 1000), shares(rng, now, 1000), draws=199, rng=rng)
        effects.append(shift.effect)
        covered += shift.low <= 0.1 <= shift.high
    assert 0.075 <= np.mean(effects) <= 0.105
    assert covered >= 190


def test_shares_shift_of_a_single_bin_is_no_shift():
    shift = shares_shift(np.array([40]), np.array([50]), draws=99, rng=np.random.default_rng(0))
    assert shift == (0.0, 1.0, 0.0, 0.0, 0.0)


def test_shares_shift_refuses_an_empty_side():
    with pytest.raises(EmptySampleError, match="current"):
        shares_shift(np.array([1, 2]), np.array([0, 0]), draws=9, rng=np.random.default_rng(0))
