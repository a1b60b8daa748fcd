"""Segments before they have a baseline: what is told, that it is told apart, and always alike."""

from functools import cache, partial
from random import Random

import msgspec
import pytest

from drift import baseline as baselines
from drift.budget import parse
from streams.alerts import Alert, encode
from streams.embedded import Options, Watch
from streams.evidence import instant
from streams.observe import Clock
from streams.verdicts import segment_verdict
from tests.streams import traffic

BUDGET = parse("200000 calls")
TICK_MS = Clock().tick_ms


@pytest.fixture
def few_runs(monkeypatch):
    """Baselines that are built inside a watch: in a second, with rough thresholds."""
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=4))


def longer(first, last, changed_from=None, **fields):
    """Records, answers six tenths longer from one call on."""
    made = traffic.calls(first, last, **fields)
    for number, call in enumerate(made, first):
        if changed_from is not None and number >= changed_from and "output" in call:
            call["output_tokens"] = round(1.6 * call["output_tokens"])
            call["output"] += f" {call['output'][: len(call['output']) // 2]}"
    return traffic.records(made)


def run(log, batch=1000, warn=lambda text: None, **options):
    watched, alerts = Watch(traffic.meter(), Options(BUDGET, **options), warn=warn), []
    for low in range(0, len(log), batch):
        alerts += watched.feed(log[low : low + batch])[0]
    return watched, alerts + watched.finish()


def fill(log, **options):
    """A segment that waits for more calls than these, the last five minutes of which are still open; its alerts."""
    watched = Watch(traffic.meter(), Options(BUDGET, replay="again", **options))
    return watched, watched.feed(log)[0]


@cache
def waiting():
    """A segment whose answers became longer from call 500 on."""
    return fill(longer(0, 1900, 500))


def lone(watched):
    (segment,) = watched.segments.values()
    return segment


def test_a_jump_before_a_baseline_is_told_as_provisional():
    _, (one,) = waiting()
    at = traffic.START_MS + 500 * traffic.STEP_MS
    assert (one.state, one.kind, one.detector) == ("firing", "output_length", "provisional_output_length")
    assert one.provisional
    assert instant(at - 60_000) < one.since < instant(at + 60_000)
    assert 500 < one.calls_seen < 700
    assert one.effect["unit"] == "tokens"
    assert one.effect["difference"] == pytest.approx(0.6, abs=0.15)
    assert one.effect["now"] / one.effect["before"] - 1 == pytest.approx(one.effect["difference"], abs=1e-4)
    assert one.sentence.startswith("Provisional: since ")
    assert "answers of support-bot/answer are" in one.sentence
    assert "without a promise about false alarms" in one.sentence


def test_fields_that_need_a_baseline_are_absent():
    _, (one,) = waiting()
    document = msgspec.json.decode(encode(one))
    assert not document.keys() & {"statistic", "threshold", "false_alarm", "baseline", "lens", "change_point", "marker"}
    assert document["provisional"] is True
    assert document["replay"] == "again"
    assert msgspec.json.decode(encode(one), type=Alert) == one


def test_no_answer_comes_of_it_but_a_note():
    watched, _ = waiting()
    found = segment_verdict(lone(watched))
    assert (found.answer, found.kinds) == ("not_enough_data", [])
    assert [one["detector"] for one in found.provisional] == ["provisional_output_length"]
    assert "calls towards its baseline; provisional, without a false-alarm promise: since" in found.sentence
    assert not lone(watched).answered


@pytest.mark.parametrize(
    ("fields", "detector"),
    [({"latency_ms": 9000.0}, "provisional_latency"), ({"error_type": "timeout"}, "provisional_error")],
)
def test_slow_and_failing_calls_are_told_too(fields, detector):
    _, found = fill(longer(0, 400) + traffic.records(traffic.calls(400, 1200, **fields)))
    assert [(one.state, one.detector, one.kind) for one in found] == [("firing", detector, "operational")]


def test_an_error_rate_is_told_in_shares_of_calls():
    _, (one,) = fill(longer(0, 400) + traffic.records(traffic.calls(400, 1200, error_type="timeout")))
    assert one.effect["unit"] == "points"
    assert one.effect["now"] > 0.9
    assert "of support-bot/answer's calls fail" in one.sentence


def test_answers_without_tokens_are_counted_in_characters():
    bare = [msgspec.structs.replace(one, output_tokens=None) for one in longer(0, 1400, 300)]
    _, (one,) = fill(bare)
    assert one.effect["unit"] == "characters"


def test_without_a_change_nothing_is_told():
    assert run(longer(0, 390))[1] == []
    assert fill(longer(0, 2900))[1] == []


def test_a_change_within_the_tolerance_is_none():
    tolerances = {"output_length": 2.0, "latency": 0.05, "error": 0.01}
    assert fill(longer(0, 1900, 500), tolerances=tolerances)[1] == []


def batches_and_order(batch, reverse):
    """Alerts as bytes of two segments that change, one with a baseline from the start, one after 300 calls."""
    other = longer(0, 600, 150, app="other")
    log = [one for pair in zip(longer(0, 600, 200), other, strict=True) for one in pair]
    if reverse:
        log.sort(key=lambda one: (one.event_time // TICK_MS, -one.event_time, one.app))
    known = {traffic.SEGMENT: traffic.baseline()}
    watched, alerts = Watch(traffic.meter(), Options(BUDGET, first=300, clock=Clock(lateness_ms=30_000)), known), []
    for low in range(0, len(log), batch):
        alerts += watched.feed(log[low : low + batch])[0]
    return [encode(one) for one in alerts + watched.finish()]


def test_batches_and_the_order_inside_a_tick_change_no_alert_by_a_byte(few_runs):
    expected = batches_and_order(1000, False)
    marked = [msgspec.json.decode(one).get("provisional", False) for one in expected]
    assert True in marked
    assert False in marked
    assert batches_and_order(7, False) == expected
    assert batches_and_order(1, True) == expected


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_come_within_the_lateness_change_nothing(seed):
    random, log = Random(seed), longer(0, 1900, 500)
    order = sorted(log, key=lambda one: one.event_time + random.uniform(0, 200_000))
    assert order != log
    assert fill(order)[1] == waiting()[1]


def test_repeated_calls_count_once():
    assert fill([one for one in longer(0, 1900, 500) for _ in range(2)], first=10_000)[1] == waiting()[1]


def test_a_tick_is_looked_at_only_when_it_is_complete():
    watched, alerts = fill(longer(0, 390, 200), clock=Clock(lateness_ms=10**9))
    assert alerts == []
    assert [one.provisional for one in watched.finish()] == [True]


def test_an_alarm_ends_when_the_baseline_is_frozen_which_is_warned_of(few_runs):
    told = []
    watched, alerts = run(longer(0, 1600, 300), warn=told.append, first=600)
    firing, ended = (one for one in alerts if one.provisional)
    assert (firing.state, ended.state) == ("firing", "resolved")
    assert firing.alert_id == ended.alert_id
    assert ended.resolved_at == instant(lone(watched).judge.baseline.pane.end)
    assert "the first calls are frozen as the baseline" in ended.sentence
    (warning,) = [text for text in told if "may hold a change at" in text]
    assert "build a baseline from a later range" in warning
    assert segment_verdict(lone(watched)).provisional == []


def test_a_steady_fill_is_not_warned_of(few_runs):
    told = []
    run(longer(0, 1100), warn=told.append, first=600)
    assert not any("may hold a change" in text for text in told)


def test_an_alarm_ends_when_the_baseline_is_refused():
    same = {"input": "Hello there", "output": "Hi there, how are you?", "output_tokens": 7}
    slow = longer(0, 300, **same) + traffic.records(traffic.calls(300, 900, latency_ms=20_000.0, **same))
    told = []
    watched, alerts = run(slow, first=600, warn=told.append)
    assert [(one.state, one.provisional) for one in alerts] == [("firing", True), ("resolved", True)]
    assert "no baseline could be made of these calls" in alerts[-1].sentence
    assert lone(watched).refused
    assert not any("may hold a change" in text for text in told)


def test_a_log_too_short_for_a_baseline_was_watched_all_the_same():
    watched, alerts = run(longer(0, 390, 200))
    assert [one.state for one in alerts] == ["firing"]
    assert "too few to judge" in segment_verdict(lone(watched)).sentence
    assert "provisional" in segment_verdict(lone(watched)).sentence


def test_a_further_change_ends_the_alarm_before_it():
    watched, alerts = fill(longer(0, 600, 300) + longer(600, 900) + longer(900, 1900, 900))
    found = [one for one in alerts if one.detector == "provisional_output_length"]
    assert [one.state for one in found] == ["firing", "resolved", "firing", "resolved", "firing"]
    assert "a further change has followed" in found[1].sentence
    assert len({one.alert_id for one in found}) == 3
    assert len(segment_verdict(lone(watched)).provisional) == 1


def test_a_segment_with_a_baseline_is_not_watched_provisionally():
    watched = Watch(traffic.meter(), Options(BUDGET), {traffic.SEGMENT: traffic.baseline()})
    alerts = watched.feed(longer(1000, 1600, 1300))[0] + watched.finish()
    assert alerts
    assert not any(one.provisional for one in alerts)
