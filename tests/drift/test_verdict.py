from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from drift import codec
from drift.bins import MISSING
from drift.budget import Budget
from drift.call import FLAGS, SERIES
from drift.detectors.memory import Memory
from drift.errors import LensMismatchError
from drift.fit import SCALARS
from drift.history import History
from drift.pane import decode, encode, merge
from drift.state import EXEMPLARS, TOLERANCES, Judge, start
from drift.verdict import LEAST_CALLS, judge, verdicts
from tests.drift import builders

CALM, CHANGE = 1200, 1200
SKEWED = (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)


@cache
def config():
    return Judge(builders.baseline(), Budget(20_000, "calls"))


def run(stream, state=None, judged=None):
    """State and alarms after the ticks of a stream."""
    judged = judged or config()
    state, alarms = state or start(judged), []
    for tick in builders.ticks(stream):
        state, raised = judge(judged, state, tick)
        alarms += raised
    return state, alarms


@cache
def calm():
    return run(builders.calls(CALM, 131, served_model=5))


def drifted(n=1200, seed=132, **drift):
    return builders.calls(n, seed, start=CHANGE, **drift)


def test_fresh_calls_raise_no_alarm_and_are_said_to_be_no_drift():
    state, alarms = calm()
    assert alarms == []
    assert {verdict.kind: verdict.answer for verdict in verdicts(config(), state)} == dict.fromkeys(
        ("data", "model", "output_length", "operational"), "no_drift"
    ) | {"prompt": "not_enough_data"}


@pytest.mark.parametrize(
    ("drift", "kind", "detector", "latest"),
    [
        ({"model": 1.0}, "model", "answers", 150),
        ({"mix": SKEWED}, "data", None, 300),
        ({"longer": 1.3}, "output_length", "output_length", 400),
        ({"errors": 0.15}, "operational", "error", 200),
    ],
)
def test_planted_drift_is_found_named_and_dated(drift, kind, detector, latest):
    _, alarms = run(drifted(**drift), calm()[0])
    alarm = alarms[0]
    assert (alarm.state, alarm.kind) == ("firing", kind)
    assert detector in (None, alarm.detector)
    assert alarm.calls - CHANGE <= latest
    assert alarm.statistic >= alarm.threshold
    assert alarm.effect.size >= TOLERANCES[alarm.detector]
    assert abs(alarm.point.calls - CHANGE) <= 200
    assert alarm.point.low_calls <= alarm.point.calls <= alarm.point.high_calls


def test_a_new_mix_of_questions_is_not_called_a_change_of_the_model():
    _, alarms = run(drifted(mix=SKEWED), calm()[0])
    assert "model" not in {alarm.kind for alarm in alarms}


def test_an_alarm_names_the_marker_that_changed_with_it():
    _, alarms = run(drifted(model=1.0, served_model=6), calm()[0])
    assert (alarms[0].marker.field, alarms[0].marker.before, alarms[0].marker.after) == ("served_model", 5, 6)


def test_an_alarm_is_raised_once_stays_and_ends_after_the_stream_is_back():
    judged = replace(config(), clear_after=256)
    state, alarms = run(drifted(2000, model=1.0), calm()[0], judged)
    assert [alarm.state for alarm in alarms] == ["firing"]
    assert next(v for v in verdicts(judged, state) if v.kind == "model").answer == "drift"
    state, alarms = run(builders.calls(1500, 133, start=CHANGE + 2000), state, judged)
    assert [alarm.state for alarm in alarms] == ["resolved"]
    assert alarms[0].calls - CHANGE - 2000 >= 256
    assert next(v for v in verdicts(judged, state) if v.kind == "model").answer == "no_drift"


def test_drift_within_tolerance_is_silent_however_sure_it_is():
    tolerant = replace(config(), tolerances={**TOLERANCES, "output_length": 0.5})
    state, alarms = run(drifted(longer=1.25), calm()[0], tolerant)
    assert "output_length" not in {alarm.kind for alarm in alarms}
    assert state.statistics["output_length"] > tolerant.thresholds["output_length"][0]


def test_silence_is_no_answer_before_a_hundred_calls():
    state, _ = run(builders.calls(LEAST_CALLS - 10, 134))
    assert {verdict.answer for verdict in verdicts(config(), state)} == {"not_enough_data"}
    assert verdicts(config(), state)[0].reason == "90 calls judged, 100 wanted"
    assert verdicts(config(), start(config()))[0].reason == "0 calls judged, 100 wanted"


def test_answers_of_an_unknown_prompt_version_are_not_judged():
    rows = builders.calls(600, 135)
    rows["stratum"] = 1234
    state, alarms = run(rows)
    found = {verdict.kind: verdict for verdict in verdicts(config(), state)}
    assert alarms == []
    assert found["model"].answer == "not_enough_data"
    assert "only 0 % of recent answers can be compared" in found["model"].reason
    assert found["data"].answer == "no_drift"


def test_calls_seen_through_another_lens_are_refused_by_both_names():
    (tick,) = builders.ticks(builders.calls(10, 136))
    with pytest.raises(LensMismatchError, match=f"lens other.*{builders.lens().id}"):
        judge(config(), start(config()), replace(tick, lens="other"))


def test_the_same_calls_give_the_same_alarms_through_any_partitions_and_storage():
    rows = drifted(400, model=1.0)
    state, alarms = run(rows, calm()[0])
    other, again = calm()[0], []
    for tick in builders.ticks(rows):
        halves = [builders.pane(part) for part in (tick.sample.rows[::2], tick.sample.rows[1::2])]
        whole = merge([decode(encode(half)) for half in reversed(halves)])
        other, raised = judge(config(), other, whole)
        again += raised
    assert other.statistics == state.statistics
    assert [(a.tick, a.statistic, a.effect, a.point) for a in again] == [
        (a.tick, a.statistic, a.effect, a.point) for a in alarms
    ]


def test_judging_changes_neither_the_state_nor_the_pane():
    state, _ = calm()
    kept = codec.pack({"s": stored(state), "statistics": dict(state.statistics), "rows": state.rows})
    tick = builders.ticks(drifted(10))[0]
    data = encode(tick)
    judge(config(), state, tick)
    assert encode(tick) == data
    assert codec.pack({"s": stored(state), "statistics": dict(state.statistics), "rows": state.rows}) == kept


def test_ticks_of_few_calls_wait_until_there_are_ten():
    state = start(config())
    rows = builders.calls(12, 137)
    for i in range(0, 12, 4):
        assert state.calls == 0
        state, _ = judge(config(), state, builders.pane(rows[i : i + 4]))
    assert (state.calls, state.pending) == (12, None)


def test_a_call_that_comes_after_hours_of_silence_is_judged_without_ado():
    state, _ = calm()
    state, alarms = run(builders.calls(40, 138, start=10**6), state)
    assert alarms == []
    assert state.calls == CALM + 40


def stored(state):
    """Detectors and history as plain arrays."""
    history = state.history
    detectors = {
        name: [one.total, one.mass, one.spread, one.log_e, one.age] if isinstance(one, Memory) else one
        for name, one in state.detectors.items()
    }
    return {"detectors": detectors, "history": [history.sums, history.calls, history.span, history.level]}


def test_what_is_kept_of_a_segment_is_bounded():
    state, _ = calm()
    longer, _ = run(drifted(300, 139), state)
    assert len(longer.rows) == len(state.rows) == EXEMPLARS
    assert np.isfinite(longer.history.sums).all()
    assert {name: type(one) for name, one in longer.detectors.items()} == {
        name: type(one) for name, one in state.detectors.items()
    }


def test_the_largest_state_of_detectors_and_history_stays_below_64_kilobytes():
    rng, answers = np.random.default_rng(140), 2 * 32 + 2
    width = 64 + 32 + answers + 1 + 5 * len(SCALARS) + len(FLAGS) + 1
    history = History.start(width)
    for t in range(1200):
        history = history.push(20 * rng.normal(size=width), 10 * t, (t, t + 1))
    widths = {"topics": 64, "inputs": 32, "answers": answers, **dict.fromkeys(SCALARS, 2)}
    shapes = {name: [(1, 3, size), (1, 3), (1, 3), (1, 3), (1, 3)] for name, size in widths.items()}
    detectors = {name: Memory(*(rng.normal(size=shape) for shape in all_)) for name, all_ in shapes.items()}
    state = replace(calm()[0], history=history, detectors=detectors)
    assert len(codec.pack(stored(state))) < 64 * 1024


def test_drift_that_never_ends_is_told_once():
    _, alarms = run(builders.calls(30_000, 151, longer=1.12))
    assert [(one.state, one.kind) for one in alarms if one.kind == "output_length"] == [("firing", "output_length")]


def test_what_was_before_an_alarm_ended_does_not_date_the_next():
    rows = np.concatenate(
        [
            builders.calls(1500, 152, longer=1.5),
            builders.calls(3500, 153, start=1500),
            builders.calls(800, 154, start=5000, longer=1.5),
        ]
    )
    _, alarms = run(rows)
    told = [one for one in alarms if one.kind == "output_length"]
    assert [one.state for one in told] == ["firing", "resolved", "firing"]
    assert told[2].point is not None and told[2].point.calls >= told[1].calls


def test_a_busy_tick_without_drift_is_no_evidence():
    ticks = [builders.pane(builders.calls(4000, 160 + i, start=4000 * i)) for i in range(8)]
    state, alarms = start(config()), []
    for tick in ticks:
        state, raised = judge(config(), state, tick)
        alarms += raised
    assert alarms == []
    assert all(state.statistics[name] < config().thresholds[name][0] for name in config().baseline.panel.tilts)


def test_a_quiet_night_is_no_evidence_whatever_the_budget():
    night = 20_000
    rows = np.concatenate([builders.calls(605, 171), builders.calls(500, 172, start=605 + night)])
    _, alarms = run(rows, judged=Judge(builders.baseline(), Budget(1, "days")))
    assert alarms == []


def test_slow_answers_do_not_hide_failing_ones():
    rows = builders.calls(2500, 173)
    rows["bins"][:, SERIES.index("latency_ms")] += 40
    rows["flags"][1500:, FLAGS.index("error")] = np.arange(1000) % 2
    _, alarms = run(rows)
    assert [one.detector for one in alarms if one.kind == "operational"] == ["latency", "error"]


def test_a_measure_that_vanishes_is_no_silence():
    rows = builders.calls(1500, 174)
    rows["bins"][:, SERIES.index("latency_ms")] = MISSING
    state, _ = run(rows)
    found = {one.kind: one for one in verdicts(config(), state)}["operational"]
    assert (found.answer, found.reason) == ("not_enough_data", "hardly any recent call has a value for latency")


def test_a_new_model_beside_new_questions_is_held_back_first_and_said_to_be_then_named():
    rows = drifted(1200, 175, mix=SKEWED, model=1.5)
    state, told, notes = calm()[0], [], set()
    for tick in builders.ticks(rows):
        state, raised = judge(config(), state, tick)
        told += [(one.kind, one.held) for one in raised if one.kind in ("data", "model")]
        notes.add(next(one for one in verdicts(config(), state) if one.kind == "model").note)
    assert "answers moved too, held back while other questions may explain it" in notes
    assert [kind for kind, _ in told] == ["data", "model"]
