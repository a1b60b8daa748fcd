"""A series against itself: alarms and their rate, where it changed, and that a window is a value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import ADWIN

from drift.errors import EmptySampleError, ShapeError
from drift.provisional import MIN_SAMPLES, MIN_SIDE, RARE_DELTA, Window, split


def jump(size, at=500, n=1000, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, n) + size * (np.arange(n) >= at)


def alarms(values, **given):
    return Window.start(**given).update(values)[1]


def test_alarms_are_those_of_river():
    values, adwin = jump(0.8), ADWIN(0.002, grace_period=MIN_SAMPLES, min_window_length=MIN_SIDE)
    expected = []
    for number, value in enumerate(values):
        adwin.update(value)
        if adwin.drift_detected:
            expected.append(number + 1)
    assert expected
    assert [end for _, end in alarms(values)] == expected


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=5))
def test_values_in_any_batches_give_the_same_alarms_and_window(cuts):
    values = jump(0.8)
    whole, expected = Window.start().update(values)
    window, found = Window.start(), []
    for part in np.split(values, sorted(cuts)):
        window, more = window.update(part)
        found += more
    assert found == expected
    assert (window.seen, window.adwin.width, window.adwin.total) == (whole.seen, whole.adwin.width, whole.adwin.total)


def test_an_update_leaves_the_window_that_it_began_with():
    window, _ = Window.start().update(jump(0.0))
    held = window.adwin.width, window.adwin.total, window.seen
    assert window.update(jump(3.0))[1] == window.update(jump(3.0))[1] != []
    assert (window.adwin.width, window.adwin.total, window.seen) == held


def test_nothing_is_said_of_the_first_values():
    assert alarms(jump(9.0, at=MIN_SAMPLES // 2, n=MIN_SAMPLES - 1)) == []


def test_the_window_begins_anew_behind_an_alarm():
    values = np.concatenate([jump(2.0), jump(-4.0) + 2.0])
    (low, high), (after, end) = alarms(values)
    assert low == 0
    assert after == high
    assert 500 < high < 600
    assert 1500 < end < 1600


def test_steady_fills_seldom_alarm():
    rng = np.random.default_rng(5)
    assert sum(bool(alarms(row)) for row in rng.normal(5, 0.6, (60, 3000))) <= 1
    assert sum(bool(alarms(1.0 * (row < 0.01), delta=RARE_DELTA)) for row in rng.random((60, 3000))) <= 1


@pytest.mark.parametrize(("size", "most"), [(np.log(1.2), 700), (np.log(1.5), 150), (np.log(2), 100)])
def test_a_jump_is_found_soon(size, most):
    delays = [min(end for _, end in alarms(jump(size, n=3000, seed=seed)) if end > 500) - 500 for seed in range(11)]
    assert 0 < np.median(delays) <= most


def test_an_error_rate_that_rises_tenfold_is_found_and_dated():
    rng = np.random.default_rng(6)
    values = 1.0 * (rng.random(2000) < np.where(np.arange(2000) < 1000, 0.01, 0.1))
    low, high = alarms(values, delta=RARE_DELTA)[0]
    cut = split(values[low:high])
    assert 1000 < high < 1500
    assert 900 < low + cut.samples_before < 1100
    assert cut.before < 0.03 < 0.05 < cut.now


def test_a_series_is_split_at_its_jump_as_by_hand():
    values = np.array([1.0] * 40 + [3.0] * 60)
    cut = split(values)
    assert (cut.samples_before, cut.samples, cut.before, cut.now) == (40, 60, 1.0, 3.0)


def test_too_few_values_are_not_split():
    with pytest.raises(EmptySampleError, match="at least 20, got 19"):
        split(np.zeros(19))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(ShapeError, match="values must be finite, got"):
        Window.start().update([1.0, value])
