from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from drift.budget import Budget
from drift.calibration import Calibration, Records, calibrate, first_passage, guaranteed, promised
from drift.state import Judge, start
from drift.verdict import judge
from tests.drift import builders

RUNS, LENGTH, SIZE = 20, 3000, 600


@cache
def calibrated(seed=81, sample=82):
    baseline = builders.baseline(SIZE, sample)
    return calibrate(
        baseline.frame, builders.features(SIZE, sample), baseline.blocks, runs=RUNS, length=LENGTH, seed=seed
    )


def only(names):
    made = calibrated()
    return Calibration({name: made.records[name] for name in names}, made.runs, made.length)


def test_thresholds_rise_with_the_budget_measured_or_extrapolated():
    found = [calibrated().thresholds(calls) for calls in np.geomspace(300, 1e7, 12)]
    for low, high in pairwise(found):
        assert all(low[name] < high[name] for name in low)


@pytest.mark.parametrize("calls", [500, 5000, 10**6])
def test_more_detectors_need_higher_thresholds(calls):
    few, many = (only(names).thresholds(calls) for names in (("topics", "inputs"), tuple(calibrated().records)))
    assert all(few[name] < many[name] for name in few)


def test_the_same_seed_gives_the_same_records_and_another_gives_others():
    one, other = calibrated().thresholds(2000), calibrated.__wrapped__().thresholds(2000)
    assert one == other
    assert calibrated(83).thresholds(2000) != one


def test_progress_rises_to_one():
    told = []
    baseline = builders.baseline(SIZE, 82)
    calibrate(baseline.frame, builders.features(SIZE, 82), [10], runs=60, length=100, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_records_are_the_rising_highs_of_each_run():
    for records in calibrated().records.values():
        assert set(records.run) == set(range(RUNS))
        for run in range(RUNS):
            mine = records.run == run
            assert (np.diff(records.height[mine]) > 0).all()
            assert (np.diff(records.at[mine]) > 0).all()
        assert np.isfinite(records.height).all()


def test_first_passage_is_the_first_time_at_the_threshold():
    records = Records(np.array([0, 0, 1]), np.array([10.0, 30.0, 20.0]), np.array([1.0, 2.0, 1.5]))
    assert records.first(1.5, 3).tolist() == [30.0, 20.0, np.inf]
    assert first_passage(np.array([1, 1]), np.array([5.0, 3.0]), 2).tolist() == [np.inf, 3.0]


def test_thresholds_realise_their_target_on_the_runs_they_come_from():
    made, calls = calibrated(), 2000
    found = made.thresholds(calls)
    first = np.min([records.first(found[name], RUNS) for name, records in made.records.items()], axis=0)
    run_length = np.minimum(first, made.length).sum() / np.isfinite(first).sum()
    assert run_length == pytest.approx(calls, rel=0.25)


def test_a_threshold_is_never_above_the_guaranteed_one():
    names = (*calibrated().records, "error")
    for calls in (500, 2000, 10**6):
        found = promised(calibrated(), names, tuple(calibrated().records), calls)
        assert tuple(found) == names
        assert all(threshold <= sure == guaranteed(calls, len(names)) for threshold, sure in found.values())
        assert found["error"] == (guaranteed(calls, len(names)),) * 2


def test_without_calibration_thresholds_are_the_guaranteed_ones():
    assert promised(None, ("topics", "error"), ("topics",), 1000) == dict.fromkeys(
        ("topics", "error"), (np.log(2000), np.log(2000))
    )


def test_streams_of_fresh_calls_alarm_about_as_rarely_as_promised():
    promise, exposure, over = 2000, 0, 0
    for seed in (84, 85, 86):
        baseline = replace(builders.baseline(SIZE, seed), calibration=calibrated(81, seed))
        config = Judge(baseline, Budget(promise, "calls"))
        state = start(config)
        for tick in builders.ticks(builders.calls(2000, seed + 10)):
            state, _ = judge(config, state, tick)
            exposure += tick.n
            if any(state.statistics[name] >= config.thresholds[name][0] for name in state.statistics):
                state, over = start(config), over + 1
    assert exposure / max(over, 1) > promise / 2.5
