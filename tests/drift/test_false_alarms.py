from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.stats

from drift.budget import Budget
from drift.calibration import calibrate
from drift.false_alarms import RunLengths, Tally, calibrating, orders, own_alarm_every, reordered, resampled, run_length
from drift.fit import Features
from tests.drift import builders

BARE = builders.baseline(600, 82)
BASELINE = replace(BARE, calibration=calibrate(BARE.frame, BARE.features, BARE.blocks, runs=20, length=3000, seed=81))
PROMISE = 1500.0


def thresholds(calls):
    return {name: h for name, (h, _) in BASELINE.thresholds(Budget(calls, "calls")).items()}


@cache
def found():
    return resampled(BASELINE, [thresholds(PROMISE), thresholds(200)], runs=20, length=3000)


@pytest.mark.parametrize("alarms", [0, 1, 7, 40])
def test_the_interval_of_a_rate_is_the_exact_one_of_a_poisson_count(alarms):
    low, high = Tally(alarms, 1000.0, 100.0).interval
    assert scipy.stats.poisson.cdf(alarms, 1000 / low) == pytest.approx(0.025)
    if alarms:
        assert scipy.stats.poisson.sf(alarms - 1, 1000 / high) == pytest.approx(0.025)
    else:
        assert high == np.inf


def test_the_interval_covers_the_truth_at_least_as_often_as_it_says():
    for mean in (0.5, 3.3, 8.0, 21.7):
        counts = range(80)
        intervals = [Tally(n, 1000.0, 1.0).interval for n in counts]
        covered = [low <= 1000 / mean <= high for low, high in intervals]
        assert scipy.stats.poisson.pmf(counts, mean)[covered].sum() >= 0.95


@pytest.mark.parametrize(
    ("alarms", "expected", "answer"),
    [(20, 20, "kept"), (0, 20, "kept"), (40, 20, "broken"), (0, 1, "not_enough_exposure"), (10, 2, "broken")],
)
def test_a_promise_is_broken_only_beyond_the_interval_and_kept_only_where_a_breach_would_show(alarms, expected, answer):
    assert Tally(alarms, expected * PROMISE, PROMISE).answer == answer


def test_the_family_alarms_with_the_first_of_its_detectors_and_runs_without_an_alarm_count_in_full():
    lengths = RunLengths({"a": np.array([5.0, np.inf, np.inf]), "b": np.array([9.0, 2.0, np.inf])}, np.full(3, 10.0))
    assert lengths.family.tolist() == [5, 2, np.inf]
    assert lengths.tally(100.0) == Tally(2, 17.0, 100.0)
    assert lengths.tally(100.0, "a") == Tally(1, 25.0, 100.0)


def test_survival_falls_with_each_alarm_and_runs_that_ended_are_censored():
    lengths = RunLengths({"a": np.array([5.0, np.inf, 2.0, np.inf])}, np.full(4, 10.0))
    calls, share, low, high = lengths.survival()
    assert dict(zip(calls, share, strict=True)) == pytest.approx({2: 0.75, 5: 0.5, 10: 0.5})
    inside = ~np.isnan(low)
    assert (low[inside] <= share[inside]).all() and (share[inside] <= high[inside]).all()


def test_survival_without_any_alarm_is_certain():
    _, share, _, _ = RunLengths({"a": np.full(3, np.inf)}, np.full(3, 10.0)).survival()
    assert (share == 1).all()


def test_streams_without_drift_alarm_about_as_rarely_as_promised():
    one = found()[0].tally(PROMISE)
    assert one.answer == "kept"
    assert 0.5 * PROMISE < one.calls_per_alarm < 10 * PROMISE


def test_lower_thresholds_alarm_no_later_in_any_run():
    high, low = found()
    for name, first in low.first.items():
        assert (first <= high.first[name]).all()


def test_thresholds_far_too_low_are_seen_to_break_the_promise():
    assert found()[1].tally(20 * PROMISE).answer == "broken"


def test_the_same_seed_gives_the_same_runs_and_another_gives_others():
    first, again, other = (
        resampled(BASELINE, [thresholds(100)], runs=4, length=800, seed=seed)[0].family for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_detector_of_the_panel_is_tried():
    assert set(found()[0].first) == set(BASELINE.panel.names)


def test_the_shares_of_the_budget_add_up_to_it():
    shares = own_alarm_every(BASELINE.thresholds(Budget(5000, "calls")))
    assert sum(1 / every for every in shares.values()) == pytest.approx(1 / 5000)


def test_runs_are_as_long_as_it_takes_within_reason():
    assert run_length(100_000, 100) == 20_000
    assert run_length(100, 100) < run_length(100_000, 100) < run_length(10**8, 100)


def test_fewer_orders_of_many_calls_are_tried_but_never_few():
    assert [orders(calls, 100) for calls in (1000, 80_000, 10**7)] == [100, 50, 10]


def in_other_orders(rows, runs=20):
    calls = Features.of(BASELINE.frame, rows)
    return reordered(BASELINE, calls, np.full(len(rows) // 10, 10), thresholds(20_000), runs=runs)


def test_held_back_calls_like_the_baseline_rarely_alarm_in_any_order():
    alarmed = np.isfinite(in_other_orders(builders.calls(1000, 5)).family)
    assert alarmed.mean() <= 0.3


def test_held_back_calls_that_drifted_alarm_in_nearly_every_order():
    alarmed = np.isfinite(in_other_orders(builders.calls(1000, 5, longer=1.6)).family)
    assert alarmed.mean() >= 0.9


def test_progress_of_the_check_rises_to_one():
    told = []
    resampled(BASELINE, [thresholds(200)], runs=41, length=200, progress=told.append)
    assert told == sorted(told) and told[-1] == 1


def test_the_runs_of_calibration_keep_the_promise_that_they_were_asked_for():
    """The thresholds came from them: what new runs must be asked, these cannot break."""
    lengths = calibrating(BASELINE, thresholds(PROMISE))
    tally = lengths.tally(PROMISE)
    assert tally.alarms > 0
    assert tally.calls_per_alarm >= PROMISE
    assert set(lengths.first) == set(BASELINE.calibration.records)
    alone = [np.isfinite(first).sum() for first in lengths.first.values()]
    assert max(alone) <= tally.alarms <= sum(alone)
    assert calibrating(BASELINE, thresholds(200)).tally(200).alarms > tally.alarms


def test_a_baseline_that_was_not_calibrated_has_no_such_runs():
    assert calibrating(BARE, thresholds(PROMISE)) is None
