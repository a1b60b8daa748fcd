from dataclasses import replace
from functools import cache

import numpy as np

from drift.budget import Budget
from drift.overall import OVERALL
from drift.state import Judge, start
from drift.verdict import judge, verdicts
from tests.drift import builders


@cache
def config(clear_after=200):
    return Judge(builders.baseline(), Budget(20_000, "calls"), clear_after=clear_after)


def calls(n, seed, start=0, far=1.0, **world):
    """Calls of which a share have inputs that no topic of the baseline is near to."""
    rows = builders.calls(n, seed, start=start, **world)
    rows["band"] = np.where(np.arange(n) < round(far * n), 4, 0)
    rng = np.random.default_rng(seed)
    rows["band"] = rng.permutation(rows["band"])
    return rows


def run(*parts, state=None):
    state, alarms = state or start(config()), []
    for rows in parts:
        for tick in builders.ticks(rows):
            state, raised = judge(config(), state, tick)
            alarms += raised
    return state, [one for one in alarms if one.detector == OVERALL]


def test_answers_that_moved_are_named_although_no_input_is_like_the_baselines():
    state, (alarm,) = run(calls(300, 1, far=0.0), calls(200, 2, start=300, model=2.0))
    assert (alarm.kind, alarm.state) == ("model", "firing")
    assert 300 + 64 <= alarm.calls <= 300 + 120
    assert 280_000 <= alarm.since <= 310_000
    assert alarm.compared < 0.1
    assert alarm.statistic >= alarm.threshold
    found = next(one for one in verdicts(config(), state) if one.kind == "model")
    assert (found.answer, found.detector) == ("drift", OVERALL)


def test_the_alarm_ends_when_inputs_are_known_again():
    state, _ = run(calls(200, 3, model=2.0))
    state, alarms = run(calls(500, 4, start=200, far=0.0), state=state)
    assert [one.state for one in alarms] == ["resolved"]
    assert OVERALL not in state.latches


def test_unlike_inputs_whose_answers_are_as_ever_raise_nothing():
    state, alarms = run(calls(1200, 5))
    assert alarms == []
    assert state.unlike is not None and state.unlike.looked >= 64


def test_a_minority_of_unlike_inputs_is_not_judged_so():
    """A fifth of new questions may well be answered otherwise: that is data drift."""
    state, alarms = run(calls(1500, 6, far=0.2, model=2.0))
    assert alarms == []
    assert state.unlike is None or state.unlike.answered < 64


def test_calls_of_unknown_prompt_versions_have_no_say():
    rows = calls(300, 7, model=2.0)
    rows["stratum"] = 4321
    assert run(rows)[1] == []


def test_a_baseline_without_answers_is_not_judged_so():
    judged = replace(
        config(), baseline=replace(builders.baseline(), frame=replace(builders.baseline().frame, strata=()))
    )
    assert judged.own_anchor is None
