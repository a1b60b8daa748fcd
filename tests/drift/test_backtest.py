from dataclasses import replace

import numpy as np
import pytest

from drift import backtest as module
from drift import verdict
from drift.backtest import Noticed, Outcome, Plan, backtest
from drift.budget import Budget
from drift.effects import Effect
from drift.fit import Features
from drift.inject import drifting, flagged, stretched
from drift.pane import Pane
from drift.state import TOLERANCES, Judge, start
from tests.drift import builders

BASELINE = builders.baseline()
ROWS = builders.calls(4000, 73)
BUDGET = Budget(500, "calls")
THRESHOLDS = {name: h for name, (h, _) in BASELINE.thresholds(BUDGET).items()}
PLAN = Plan(streams=10, before=200, horizon=800)


def longer(factor, rows=ROWS):
    return stretched(rows, ("output_chars",), factor, np.random.default_rng(0))


def outcome(factor, **plan):
    given = replace(PLAN, **plan)
    rows = BASELINE.pane.sample.rows if given.own else ROWS
    return backtest(BASELINE, longer(factor, rows), given, THRESHOLDS, TOLERANCES)


def streams(injection, count):
    """Rows of the first streams of the plan, block by block."""
    rng = np.random.default_rng([PLAN.seed, module._SALT])
    calls = Features.of(BASELINE.frame, injection.rows)
    judges, drawn = module._stream(BASELINE, calls, injection.calls, PLAN, PLAN.streams, rng)
    ramp = module._ramp(judges.clock, judges.sizes, PLAN)
    put_in = drifting(injection, drawn, ramp, np.random.default_rng([PLAN.seed, module._SALT, 0]))
    for one in put_in[:count]:
        yield np.split(injection.rows[one], judges.clock[:-1].astype(int))


def test_streams_alarm_when_the_judge_alarms_on_the_same_calls():
    injection = longer(1.6)
    found = backtest(BASELINE, injection, PLAN, THRESHOLDS, TOLERANCES)
    first = np.min([found.first[name] for name in found.affected], axis=0)
    for number, blocks in enumerate(streams(injection, 3)):
        config = Judge(BASELINE, BUDGET)
        state, raised = start(config), []
        for t, rows in enumerate(blocks):
            tick = Pane.of(builders.lens().id, builders.SEGMENT, (t * 10_000, (t + 1) * 10_000), rows, (), {})
            state, alarms = verdict.judge(config, state, tick)
            raised += [(one.detector, state.calls) for one in alarms]
            if raised:
                break
        assert raised[0][0] in found.affected
        assert raised[0][1] == first[number]


def test_evidence_crosses_each_threshold_in_the_block_in_which_the_judges_does():
    injection, never = longer(1.3), Judge(BASELINE, Budget(1e13, "calls"))
    found = backtest(BASELINE, injection, PLAN, THRESHOLDS, TOLERANCES)
    for number, blocks in enumerate(streams(injection, 2)):
        state, first = start(never), {}
        for t, rows in enumerate(blocks):
            tick = Pane.of(builders.lens().id, builders.SEGMENT, (t * 10_000, (t + 1) * 10_000), rows, (), {})
            state, _ = verdict.judge(never, state, tick)
            for name, statistic in state.statistics.items():
                if statistic >= THRESHOLDS[name]:
                    first.setdefault(name, state.calls)
        assert first == {name: at[number] for name, at in found.first.items() if np.isfinite(at[number])}


@pytest.mark.parametrize("own", [False, True])
def test_larger_drift_is_noticed_sooner(own):
    small, large = (outcome(factor, own=own) for factor in (1.15, 1.6))
    small, large = (one.noticed(*one.affected) for one in (small, large))
    assert large.found == len(large.delay) >= 8
    assert large.quantile(0.5) < small.quantile(0.5)


def test_gradual_drift_is_noticed_later_than_sudden_drift():
    sudden, gradual = (outcome(1.6, gradual=calls).noticed("output_length") for calls in (0, 700))
    assert sudden.quantile(0.5) + 50 < gradual.quantile(0.5) < np.inf


def test_what_comes_before_the_change_is_the_same_for_every_size():
    small, large = outcome(1.1), outcome(1.6)
    for name, first in small.first.items():
        early = first <= PLAN.before
        assert np.array_equal(first[early], large.first[name][early])


def test_drift_below_tolerance_affects_no_detector_however_strong_the_evidence():
    tolerant = {**TOLERANCES, "output_length": 0.9, "answers": 9.0}
    found = backtest(BASELINE, longer(1.6), PLAN, THRESHOLDS, tolerant)
    assert found.affected == ()
    assert found.strongest == "output_length"
    assert np.isfinite(found.first["output_length"]).all()


def test_drift_of_exactly_the_tolerance_matters():
    rows = builders.calls(2000, 74, errors=0.0)
    found = backtest(BASELINE, flagged(rows, "error", 0.01), replace(PLAN, streams=2), THRESHOLDS, TOLERANCES)
    assert found.affected == ("error",)


def test_blocks_end_where_the_drift_begins_and_with_the_stream():
    for plan in (PLAN, Plan(before=101, horizon=7)):
        ends = np.cumsum(module._blocks(BASELINE, plan, np.random.default_rng(0)))
        assert plan.before in ends and ends[-1] == plan.length


def test_a_ramp_begins_after_the_change_and_grows_to_the_whole():
    sizes = np.full(100, 10)
    ramp = module._ramp(np.cumsum(sizes), sizes, replace(PLAN, gradual=400))
    assert (ramp[:200] == 0).all() and ramp[200] == 1 / 400 and ramp[399] == 0.5 and (ramp[600:] == 1).all()
    assert set(module._ramp(np.cumsum(sizes), sizes, PLAN)) == {0.0, 1.0}


def test_streams_that_alarmed_before_the_change_have_no_say_in_the_delay():
    effects = {"a": Effect("x", 0.2, 0.2, 0.1, 0.3, "", 9, 9, 0), "b": Effect("x", 0.0, 0, 0, 0, "", 9, 9, 0)}
    first = {"a": np.array([50.0, 150.0, np.inf, 120.0]), "b": np.array([np.inf, 20.0, np.inf, 110.0])}
    found = Outcome(first, effects, {"a": 0.05, "b": 0.05}, 100)
    assert found.affected == ("a",) and found.leader == "a"
    assert found.noticed("a").delay.tolist() == [50, np.inf, 20]
    assert (found.noticed("a").false, found.false_alarms) == (1, 2)


def test_half_of_the_streams_must_have_noticed_by_the_median():
    noticed = Noticed(np.array([10.0, np.inf, 30.0, np.inf]), 0)
    assert noticed.quantile(0.5) == 30 and noticed.quantile(0.9) == np.inf
    assert noticed.share == 0.5 and noticed.interval[0] < 0.5 < noticed.interval[1]
