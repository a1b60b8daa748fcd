import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drift.history import A_LEVEL, LEVELS, History

HELD = A_LEVEL * (2 ** (LEVELS - 1) - 1)
"""Blocks that are held for certain, the oldest level left out."""

blocks = st.lists(st.integers(0, 50), min_size=1, max_size=150)


def past(sizes):
    history, calls = History.start(2), 0
    for t, size in enumerate(sizes):
        history = history.push(np.array([size, 1.0]), calls, (10 * t, 10 * t + 10))
        calls += size
    return history, calls


@given(blocks)
def test_nothing_is_lost_before_the_oldest_bucket_is_dropped(sizes):
    history, calls = past(sizes)
    np.testing.assert_array_equal(history.since(0), [calls, len(sizes)])


@given(blocks)
def test_buckets_follow_each_other_without_gap(sizes):
    history, calls = past(sizes)
    np.testing.assert_array_equal(np.diff(history.calls), history.sums[:-1, 0])
    assert history.calls[-1] + history.sums[-1, 0] == calls
    np.testing.assert_array_equal(history.span[1:, 0], history.span[:-1, 1])
    assert history.span[-1, 1] == 10 * len(sizes)


@given(blocks)
def test_a_bucket_holds_two_to_the_power_of_its_level_blocks_and_older_ones_more(sizes):
    history, _ = past(sizes)
    np.testing.assert_array_equal(history.sums[:, 1], 2.0**history.level)
    assert (np.diff(history.level) <= 0).all()
    assert (np.bincount(history.level) <= A_LEVEL).all()


def test_the_past_stays_bounded_and_keeps_its_youngest_blocks_whole():
    history, _ = past([1] * 3000)
    assert len(history.sums) <= A_LEVEL * LEVELS
    assert history.since(0)[1] >= HELD / 2
    assert (history.level[-A_LEVEL + 1 :] == 0).all()
    assert history.calls[0] + history.since(0)[0] == 3000


@given(blocks, st.integers(0, 2000))
def test_the_bucket_that_reaches_back_far_enough_is_the_youngest_that_does(sizes, wanted):
    history, now = past(sizes)
    bucket = history.reaching(wanted, now)
    covered = now - history.calls
    assert covered[bucket] >= min(wanted, covered[0])
    assert bucket + 1 == len(covered) or covered[bucket + 1] < wanted or wanted == 0


@given(blocks)
def test_a_push_leaves_the_older_past_as_it_was(sizes):
    history, calls = past(sizes)
    kept = [array.copy() for array in (history.sums, history.calls, history.span, history.level)]
    history.push(np.array([3.0, 1.0]), calls, (0, 1))
    for before, now in zip(kept, (history.sums, history.calls, history.span, history.level), strict=True):
        np.testing.assert_array_equal(before, now)
