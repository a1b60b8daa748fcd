import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.timeline import BLOCKS, CYCLIC_BLOCKS, DAY_MS, HOUR_MS, Timeline


def spread(n, days, seed=0):
    """Event times of ``n`` calls over some days, in order."""
    return np.sort(np.random.default_rng(seed).integers(0, int(days * DAY_MS), n))


@pytest.mark.parametrize(("days", "cycle"), [(0.1, ""), (1.9, ""), (2.1, "day"), (13.9, "day"), (14.1, "week")])
def test_what_is_held_fixed_depends_on_the_whole_cycles_that_are_covered(days, cycle):
    at = np.append(spread(500, days), int(days * DAY_MS))
    at[0] = 0
    assert Timeline.of(at).cycle == cycle


@given(st.integers(100, 3000), st.floats(0.01, 60), st.integers(0, 5))
def test_blocks_follow_time_and_trade_places_inside_their_hour_only(n, days, seed):
    at = spread(n, days, seed)
    made = Timeline.of(at)
    assert (np.diff(made.block) >= 0).all()
    assert set(made.block) == set(range(len(made.stratum)))
    assert len(made.stratum) <= max(BLOCKS[1], 2 * CYCLIC_BLOCKS)
    for orders in made.permuted(3, np.random.default_rng(seed)):
        for order in orders:
            assert sorted(order) == list(range(len(made.stratum)))
            np.testing.assert_array_equal(made.stratum[order], made.stratum)


def test_calls_of_one_stratum_share_their_hour_of_the_day():
    at = spread(4000, 5)
    made = Timeline.of(at)
    hour = at // HOUR_MS % 24
    assert len({*zip(made.stratum[made.block], hour, strict=True)}) == 24


@pytest.mark.parametrize("days", [0.5, 5, 20])
def test_sums_of_the_later_side_are_those_of_its_calls(days):
    made = Timeline.of(spread(2000, days))
    values = np.random.default_rng(1).normal(size=(2000, 3))
    sums = np.stack([np.bincount(made.block, values[:, j]) for j in range(3)], axis=1)
    np.testing.assert_allclose(made.after(sums), made.later.T @ values, atol=1e-9)
    share = made.later.mean(axis=0)
    assert share[made.half] == pytest.approx(0.5, abs=0.05)
    assert 0.05 < share.min() < share.max() < 0.95


def test_calls_of_one_instant_have_a_timeline():
    made = Timeline.of(np.zeros(300, np.int64))
    assert made.cycle == ""
    assert len(made.splits) > 1
