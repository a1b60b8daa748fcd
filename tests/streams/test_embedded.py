"""One process from call records to alerts: first-N baselines, odd logs, and bounded memory."""

import resource
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import baseline as baselines
from drift import codec
from drift.budget import parse
from drift.errors import BaselineRefusedError
from streams.alerts import encode
from streams.building import build_baseline
from streams.embedded import FEWEST, Options, Watch
from streams.measure import Meter
from streams.observe import Clock
from tests.streams import traffic

BUDGET = parse("200000 calls")


@pytest.fixture
def few_runs(monkeypatch):
    """Baselines that are built inside a watch: in a second, with rough thresholds."""
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=4))


def watch(known=True, warn=lambda text: None, **options):
    baseline = {traffic.SEGMENT: traffic.baseline()} if known else {}
    return Watch(traffic.meter(), Options(BUDGET, **options), baseline, warn=warn)


def run(log, batch=1000, **options):
    """A watch that has read the whole log, its alerts as bytes, and the late records."""
    watched, alerts, late = watch(**options), [], []
    for low in range(0, len(log), batch):
        more, behind = watched.feed(log[low : low + batch])
        alerts += more
        late += behind
    return watched, [encode(one) for one in alerts + watched.finish()], late


def log(first=1000, last=1600, changed_from=1300, **given):
    return traffic.records(traffic.calls(first, last, changed_from=changed_from, **given))


def lone(watched):
    """The only segment."""
    (segment,) = watched.segments.values()
    return segment


def answers(watched):
    return {one.kind: one.answer for one in lone(watched).verdicts}


def test_a_change_is_found_and_what_did_not_change_is_not():
    watched, alerts, late = run(log())
    kinds = {msgspec.json.decode(one)["kind"] for one in alerts}
    assert kinds >= {"model", "output_length"}
    assert answers(watched)["data"] == "no_drift"
    assert (watched.counts["calls"], lone(watched).calls, late) == (600, 600, [])


def test_without_a_change_there_is_no_alarm():
    _, alerts, _ = run(log(1000, 3000, None))
    assert alerts == []


@settings(max_examples=5)
@given(st.lists(st.sampled_from([1, 7, 40, 1000]), min_size=1, max_size=5))
def test_batches_change_no_alert_by_a_byte(batches):
    whole, watched, alerts = log(), watch(), []
    while whole:
        for batch in batches:
            alerts += watched.feed(whole[:batch])[0]
            whole = whole[batch:]
    assert [encode(one) for one in alerts + watched.finish()] == run(log())[1]


def test_a_first_n_baseline_and_its_alerts_are_the_same_in_batches_of_any_size(few_runs):
    found = [run(log(0, 1100, 800), batch, known=False, first=600) for batch in (1, 7, 1000)]
    first, *others = [(lone(watched).judge.baseline.id, alerts) for watched, alerts, _ in found]
    assert first[1]
    assert others == [first, first]


def test_a_first_n_baseline_takes_the_first_whole_ticks_that_reach_n(few_runs):
    told = []
    watched, _, _ = run(log(0, 1400, None), known=False, first=800, warn=told.append)
    segment = lone(watched)
    taken = segment.judge.baseline.pane
    assert 800 <= taken.n <= 800 + 17
    assert taken.end % Clock().tick_ms == 0
    assert taken.n + segment.calls == 1400
    assert f"the first {taken.n} calls are the baseline" in told[0]


def test_a_log_that_ends_early_is_judged_by_its_first_half(few_runs):
    watched, _, _ = run(log(0, 900, None), known=False)
    segment = lone(watched)
    assert 450 <= segment.judge.baseline.pane.n <= 450 + 17
    assert segment.judge.baseline.pane.n + segment.calls == 900


@pytest.mark.parametrize("count", [1, FEWEST - 1])
def test_too_few_calls_are_no_answer_and_no_error(count):
    watched, alerts, _ = run(log(0, count), known=False)
    assert alerts == []
    assert lone(watched).verdicts == ()
    assert lone(watched).refused.startswith(f"{count} call{'s' * (count > 1)}, too few")


def test_no_calls_at_all_are_no_segment():
    watched, alerts, _ = run([])
    assert (watched.segments, alerts) == ({}, [])


def test_calls_out_of_order_inside_the_lateness_change_nothing():
    whole = log()
    behind = {one.call_id for one in whole[::5]}  # these come four minutes after their neighbours
    order = sorted(whole, key=lambda one: one.event_time + 240_000 * (one.call_id in behind))
    assert order != whole
    shuffled, alerts, late = run(order)
    assert late == []
    assert lone(shuffled).calls == len(whole)
    assert alerts == run(whole)[1]


def test_calls_beyond_the_lateness_are_given_back_and_left_out():
    whole = log()
    watched, _, late = run(whole[1:] + whole[:1], clock=Clock(lateness_ms=60_000))
    assert late == whole[:1]
    assert (watched.counts["late"], watched.counts["calls"], lone(watched).calls) == (1, 599, 599)


def test_repeated_calls_inside_a_tick_count_once():
    whole = log()
    watched, alerts, _ = run([one for one in whole for _ in range(2)])
    assert watched.counts["duplicates"] == len(whole)
    assert lone(watched).calls == len(whole)
    assert alerts == run(whole)[1]


def test_repeated_calls_inside_a_first_n_baseline_are_counted_too(few_runs):
    whole = log(0, 900, None)
    watched, _, _ = run(whole[:1] + whole, known=False)
    assert watched.counts["duplicates"] == 1


def test_segments_are_judged_apart():
    other = traffic.records(traffic.calls(1000, 1600, changed_from=1300, app="other"))
    both = [one for pair in zip(log(), other, strict=True) for one in pair]
    watched, alerts, _ = run(both)
    assert set(watched.segments) == {traffic.SEGMENT, "other/answer"}
    assert [one for one in alerts if b'"app":"other"' not in one] == run(log())[1]


def test_many_small_segments_are_each_without_an_answer():
    made = traffic.calls(0, 900)
    watched, alerts, _ = run(traffic.records([{**call, "app": f"app{n}"} for n, call in enumerate(made)]), known=False)
    assert alerts == []
    assert len(watched.segments) == 900
    assert all(segment.verdicts == () for segment in watched.segments.values())


def test_calls_that_repeat_one_input_are_refused_unless_forced(few_runs):
    same = log(0, 900, None, input="Hello there", output="Hi")
    told = []
    watched, alerts, _ = run(same, known=False, first=400, warn=told.append)
    assert (alerts, lone(watched).verdicts) == ([], ())
    assert "--force" in lone(watched).refused
    assert told == [lone(watched).refused]
    forced, alerts, _ = run(same, known=False, first=400, force=True)
    assert alerts == []
    assert lone(forced).calls >= 400


def test_calls_that_all_failed_are_judged_by_what_they_have(few_runs):
    failed = traffic.calls(0, 900, output="", output_tokens=None, error_type="timeout")
    watched, alerts, _ = run(traffic.records(failed), known=False, first=400)
    assert alerts == []
    assert answers(watched) == {
        "data": "no_drift",
        "model": "not_enough_data",
        "output_length": "not_enough_data",
        "operational": "no_drift",
        "prompt": "not_enough_data",
    }


def test_one_instant_for_all_calls_leaves_nothing_to_judge(few_runs):
    watched, alerts, _ = run(log(0, 900, None, event_time=traffic.START_MS), known=False)
    assert alerts == []
    assert set(answers(watched).values()) == {"not_enough_data"}


def test_time_that_runs_backwards_is_counted_late():
    whole = log(1000, 2000, None)
    watched, _, late = run(whole[::-1])
    assert len(late) + lone(watched).calls == 1000
    assert 0 < len(late) < 1000


def test_gaps_of_years_are_no_drift():
    year = 365 * 86_400_000
    made = traffic.calls(1000, 1600)
    early = [
        {**call, "event_time": call["event_time"] - (20 - number // 60) * year} for number, call in enumerate(made)
    ]
    watched, alerts, late = run(traffic.records(early))
    assert (alerts, late) == ([], [])
    assert lone(watched).calls == 600


def test_names_in_any_script_are_segments():
    name = "מסע 🚀 تجربة"
    watched, _, _ = run(log(0, 10, app=name), known=False)
    assert list(watched.segments) == [f"{name}/answer"]


def test_a_baseline_of_too_few_calls_is_refused_with_a_remedy():
    with pytest.raises(BaselineRefusedError, match="at least 200 calls, got 100: give a longer range"):
        build_baseline(traffic.meter(), log(0, 100, None))


def test_first_calls_that_drift_inside_are_refused_as_a_baseline_by_hand_and_warned_of_in_a_watch(few_runs):
    drifting = log(0, 1000, 300)
    with pytest.raises(BaselineRefusedError, match=r"it drifts inside, at .* answers to like questions moved"):
        build_baseline(traffic.meter(), drifting[:600])
    told = []
    watched, _, _ = run(drifting, known=False, first=600, warn=told.append)
    assert lone(watched).judge is not None
    assert any("it drifts inside" in text and "--from" in text for text in told)
    assert "overridden" not in lone(watched).judge.baseline.facts


@pytest.mark.parametrize(("session", "largest"), [("", None), ("one", 0.5)])
def test_a_baseline_knows_the_share_of_its_largest_session_if_any_is_known(few_runs, session, largest):
    calls = [msgspec.structs.replace(one, session_id=session * (i % 2)) for i, one in enumerate(log(0, 300, None))]
    made = build_baseline(traffic.meter(), calls)
    assert made.facts.get("largest_session") == largest
    assert any("one session holds 50 %" in text for text in made.facts["warnings"]) == (largest is not None)


def test_a_baseline_tells_its_progress_and_keeps_its_facts(few_runs):
    told = []
    made = build_baseline(
        traffic.meter(), log(0, 500, None), facts={"source": "here"}, progress=lambda what, done: told.append(what)
    )
    assert made.facts["source"] == "here"
    assert told[-1] == "calibrating"


def test_alerts_carry_the_replay_that_they_are_given_or_none():
    assert {msgspec.json.decode(one)["replay"] for one in run(log(), replay="again")[1]} == {"again"}
    assert not any("replay" in msgspec.json.decode(one) for one in run(log())[1])


def test_a_lone_call_of_next_month_changes_no_alert_and_is_judged_last(few_runs):
    whole = log(0, 1100, 800)
    wrong = msgspec.structs.replace(whole[300], call_id="wrong", event_time=whole[300].event_time + 30 * 86_400_000)
    watched, alerts, late = run([*whole[:300], wrong, *whole[300:]], known=False, first=600)
    assert late == []
    assert alerts == run(whole, known=False, first=600)[1]
    segment = lone(watched)
    assert segment.judge.baseline.pane.n + segment.calls + segment.state.pending.n == len(whole) + 1


def test_calls_that_wait_for_a_baseline_keep_only_what_is_measured():
    bulky = log(0, 50, context=["a long text"] * 3, attributes={"tier": "gold"})
    waiting = lone(run(bulky, known=False)[0]).waiting
    assert not any(one.context or one.attributes for one in waiting)
    lens = traffic.baseline().lens
    kept, whole = (traffic.meter().measure(lens, records) for records in (waiting, bulky))
    assert kept.rows.tobytes() == whole.rows.tobytes()
    assert (kept.texts, kept.names) == (whole.texts, whole.names)


def _plain(value):
    """Dataclasses as tables of their fields, keys as text."""
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory in use is read from Linux's /proc")
def test_memory_and_state_stop_growing_however_long_a_segment_runs():
    pool = log(1000, 1400, None)
    watched = Watch(Meter(traffic.meter().embedder), Options(BUDGET), {traffic.SEGMENT: traffic.baseline()})

    def feed(first, last):
        for low in range(first, last, 1000):
            watched.feed(
                [
                    msgspec.structs.replace(
                        pool[number % len(pool)],
                        call_id=f"k{number}",
                        user_id=f"u{number}",
                        fingerprint=f"fp{number}",
                        event_time=traffic.START_MS + number * 100,
                    )
                    for number in range(low, low + 1000)
                ]
            )

    feed(0, 20_000)
    settled = _resident_bytes()
    feed(20_000, 200_000)
    state = lone(watched).state
    kept = {"detectors": state.detectors, "history": state.history, "markers": state.markers, "latches": state.latches}
    assert _resident_bytes() < settled + 30_000_000  # 180,000 calls that stayed would take five times as much
    assert len(codec.pack({name: _plain(value) for name, value in kept.items()})) <= 64 << 10
    assert len(state.rows) <= 256
    assert len(state.names) <= 2_000
    assert np.isfinite(list(state.statistics.values())).all()


def test_calls_of_segments_beyond_the_cap_are_counted_and_do_not_pile_up():
    watched = Watch(traffic.meter(), Options(parse("20000 calls"), segments=2))
    for number in range(4):
        watched.feed(traffic.records(traffic.calls(0, 3, app=f"app-{number}")))
    assert list(watched.segments) == ["app-0/answer", "app-1/answer"]
    assert watched.counts["beyond"] == 6


def test_calls_without_a_baseline_are_only_counted_where_none_may_be_taken():
    other = traffic.records(traffic.calls(1000, 1600, app="other"))
    both = [one for pair in zip(log(), other, strict=True) for one in pair]
    watched, alerts, _ = run(both, first=None)
    assert watched.unjudged == {"other/answer": 600}
    assert list(watched.segments) == [traffic.SEGMENT]
    assert watched.counts["calls"] == 1200
    assert alerts == run(log())[1]


def test_names_of_segments_without_a_baseline_do_not_pile_up():
    watched = watch(first=None, segments=2)
    for number in range(4):
        watched.feed(traffic.records(traffic.calls(0, 3, app=f"app-{number}")))
    watched.feed(traffic.records(traffic.calls(3, 4)))
    assert watched.unjudged == {"app-0/answer": 3, "app-1/answer": 3}
    assert watched.counts["beyond"] == 6
    assert list(watched.segments) == [traffic.SEGMENT]


def test_a_segment_is_answered_once_it_has_enough_calls():
    assert not lone(run(log(1000, 1050, None))[0]).answered
    assert not lone(run(log(0, 50, None), known=False)[0]).answered
    assert lone(run(log(1000, 1400, None))[0]).answered


def test_models_are_counted_as_they_were_asked_for():
    watched = Watch(traffic.meter(), Options(parse("20000 calls"), first=3000))
    watched.feed(traffic.records(traffic.calls(0, 40, model="gpt-4o") + traffic.calls(40, 50, model="gpt-4-0613")))
    assert watched.requested.by_segment == {traffic.SEGMENT: {"gpt-4o": 40, "gpt-4-0613": 10}}
    assert watched.requested.unpinned == {traffic.SEGMENT: {"gpt-4o": 40}}
