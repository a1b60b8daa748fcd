from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.budget import IMPORTANCE, Budget
from drift.calibration import Calibration, Records, calibrate, decode, encode, guaranteed, promised
from drift.panel import KINDS, shares
from drift.state import Judge, start
from drift.verdict import judge
from tests.drift import builders

RUNS, LENGTH, SIZE = 20, 3000, 600


def equal(names):
    return dict.fromkeys(names, 1 / len(names))


@cache
def calibrated(seed=81, sample=82):
    baseline = builders.baseline(SIZE, sample)
    return calibrate(
        baseline.frame, builders.features(SIZE, sample), baseline.blocks, runs=RUNS, length=LENGTH, seed=seed
    )


def only(names):
    made = calibrated()
    records = {name: made.records[name] for name in names}
    return Calibration(records, made.runs, made.length, made.rated & set(names))


def test_thresholds_rise_with_the_budget_measured_or_extrapolated():
    found = [calibrated().thresholds(calls, equal(calibrated().records)) for calls in np.geomspace(300, 1e7, 12)]
    for low, high in pairwise(found):
        assert all(low[name] < high[name] for name in low)


@pytest.mark.parametrize("calls", [500, 5000, 10**6])
def test_more_detectors_need_higher_thresholds(calls):
    few, many = (
        only(names).thresholds(calls, equal(names)) for names in (("topics", "inputs"), tuple(calibrated().records))
    )
    assert all(few[name] < many[name] for name in few)


def test_the_same_seed_gives_the_same_records_and_another_gives_others():
    shares = equal(calibrated().records)
    one, other = calibrated().thresholds(2000, shares), calibrated.__wrapped__().thresholds(2000, shares)
    assert one == other
    assert calibrated(83).thresholds(2000, shares) != one


def test_a_detector_of_more_importance_has_a_lower_threshold_and_the_others_higher_ones():
    names = tuple(calibrated().records)
    before = calibrated().thresholds(2000, equal(names))
    after = calibrated().thresholds(
        2000, {name: 0.5 if name == "answers" else 0.5 / (len(names) - 1) for name in names}
    )
    assert after["answers"] < before["answers"]
    assert all(after[name] > before[name] for name in names if name != "answers")


def test_progress_rises_to_one():
    told = []
    baseline = builders.baseline(SIZE, 82)
    calibrate(baseline.frame, builders.features(SIZE, 82), [10], runs=60, length=100, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_records_are_the_rising_highs_of_each_run():
    for records in (calibrated().records[name] for name in ("topics", "answers", "error")):
        assert set(records.run) == set(range(RUNS))
        for run in range(RUNS):
            mine = records.run == run
            assert (np.diff(records.height[mine]) > 0).all()
            assert (np.diff(records.at[mine]) > 0).all()
        assert np.isfinite(records.height).all()


def test_first_passage_is_the_first_time_at_the_threshold():
    records = Records(np.array([0, 0, 1]), np.array([10.0, 30.0, 20.0]), np.array([1.0, 2.0, 1.5]))
    assert records.first(1.5, 3).tolist() == [30.0, 20.0, np.inf]
    assert records.first(1.0, 2).tolist() == [10.0, 20.0]


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), min_size=1, max_size=6).filter(any), st.integers(-1, 51))
def test_first_passage_is_that_of_a_look_at_every_record(runs, threshold):
    highs = [(run, 3.0 * i, float(h)) for run, made in enumerate(runs) for i, h in enumerate(sorted(set(made)))]
    records = Records(*(np.array(part) for part in zip(*highs, strict=True)))
    wanted = [
        min((at for r, at, h in highs if r == run and h >= threshold), default=np.inf) for run in range(len(runs))
    ]
    assert records.first(threshold, len(runs)).tolist() == wanted


def test_thresholds_realise_their_target_on_the_runs_they_come_from():
    made, calls = calibrated(), 2000
    found = made.thresholds(calls, equal(made.records))
    first = np.min([records.first(found[name], RUNS) for name, records in made.records.items()], axis=0)
    run_length = np.minimum(first, made.length).sum() / np.isfinite(first).sum()
    assert run_length == pytest.approx(calls, rel=0.25)


def test_flags_have_no_less_than_their_guaranteed_threshold():
    names = tuple(calibrated().records)
    for calls in (500, 2000, 10**6):
        found = promised(calibrated(), equal(names), calls, SIZE)
        assert tuple(found) == names
        for name, (threshold, sure) in found.items():
            assert sure == guaranteed(calls, 1 / len(names))
            assert name not in calibrated().rated or threshold >= sure


def test_what_flags_leave_of_the_budget_is_given_to_the_others():
    names = tuple(calibrated().records)
    others = tuple(name for name in names if name not in calibrated().rated)
    found = calibrated().thresholds(2000, equal(names))
    alone = only(others).thresholds(2000, equal(others))
    apart = only(others).thresholds(2000 * len(names) / len(others), equal(others))
    for name in others:
        assert alone[name] < found[name] < apart[name] + 0.1


def test_promises_far_beyond_a_baselines_calls_are_kept_with_more_margin():
    shares = equal(calibrated().records)
    near, far = (promised(calibrated(), shares, 10**6, size)["inputs"][0] for size in (10**6, SIZE))
    assert near < far
    short = [promised(calibrated(), shares, 10 * SIZE, size) for size in (SIZE, 10**6)]
    assert short[0] == short[1]


def test_flags_are_calibrated_too():
    assert {"error", "truncated", "off_topic"} <= calibrated().rated <= set(calibrated().records)


def test_without_calibration_thresholds_are_the_guaranteed_ones():
    assert promised(None, {"topics": 0.75, "error": 0.25}, 1000, SIZE) == {
        "topics": (np.log(1000 / 0.75),) * 2,
        "error": (np.log(4000),) * 2,
    }


@given(st.sets(st.sampled_from(sorted(KINDS)), min_size=1), st.floats(0.1, 10))
def test_shares_add_up_to_one_and_detectors_of_a_kind_have_equal_ones(names, weight):
    found = shares(sorted(names), {**IMPORTANCE, "data": weight})
    assert sum(found.values()) == pytest.approx(1)
    for kind in {KINDS[name] for name in names}:
        assert len({found[name] for name in names if KINDS[name] == kind}) == 1


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


def test_a_calibration_survives_encoding_to_the_bit():
    again = decode(encode(calibrated()))
    assert encode(again) == encode(calibrated())
    assert again.thresholds(2000, equal(again.records)) == calibrated().thresholds(2000, equal(again.records))
    for name, one in again.records.items():
        for part in ("run", "at", "height"):
            np.testing.assert_array_equal(getattr(one, part), getattr(calibrated().records[name], part))
            assert getattr(one, part).dtype == getattr(calibrated().records[name], part).dtype
