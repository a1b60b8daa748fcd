"""Calls to panes: lateness, ticks, duplicates, and the law that batches, order and partitions change nothing."""

import random
from collections import Counter
from functools import cache

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import pane as panes
from drift import verdict
from drift.budget import parse
from drift.pane import merge
from drift.state import Judge, start
from streams.alerts import alert, encode
from streams.observe import Clock, Observer, Sight
from tests.streams import traffic


def observer(**options):
    return Observer(traffic.meter(), lambda segment, tick: Sight(traffic.baseline().lens), **options)


def record(at_ms, call_id="c", **fields):
    (call,) = traffic.calls(0, 1, **fields)
    return traffic.records([{**call, "call_id": call_id, "event_time": traffic.START_MS + at_ms}])[0]


def panes_of(log, **options):
    watching = observer(**options)
    watching.add([one for one, ok in zip(log, watching.admit(log), strict=True) if ok])
    return watching.finish()


def whole(parts):
    """Panes of several partitions to whole ticks, in order of time, then segment."""
    held = {}
    for pane in parts:
        held.setdefault((pane.tick, pane.segment), []).append(pane)
    return [merge(held[place]) for place in sorted(held)]


def test_a_call_is_late_once_its_whole_tick_lies_behind_the_newest_call_less_the_lateness():
    watching = observer(clock=Clock(10_000, 60_000))
    log = [record(at) for at in (0, 69_999, 69_999, 9_999, 70_000, 70_000, 9_999, 10_000)]
    assert watching.admit(log) == [True, True, True, True, True, True, False, True]


DAYS = 86_400_000


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_lone_call_of_a_wrong_clock_makes_no_other_late_and_is_kept(batch):
    log = [record(at * 1000, f"c{at}") for at in range(100)]
    log.insert(50, record(30 * DAYS, "wrong"))
    watching = observer(clock=Clock(10_000, 20_000))
    closed = []
    for low in range(0, len(log), batch):
        chunk = log[low : low + batch]
        assert all(watching.admit(chunk))
        watching.add(chunk)
        closed += watching.close()
    assert [pane.n for pane in closed] == [10] * 7
    assert [(pane.tick - traffic.START_MS, pane.n) for pane in watching.finish()] == [
        (70_000, 10),
        (80_000, 10),
        (90_000, 10),
        (30 * DAYS, 1),
    ]


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_two_calls_in_a_row_advance_the_time(batch):
    log = [record(at) for at in (0, DAYS, 1, DAYS + 7, DAYS, 2)]
    watching = observer()
    answers = [ok for low in range(0, len(log), batch) for ok in watching.admit(log[low : low + batch])]
    assert answers == [True, True, True, True, True, False]
    assert watching.reached.newest == traffic.START_MS + DAYS


@given(
    st.lists(st.integers(0, 900_000), max_size=30),
    st.lists(st.integers(1, 10), min_size=1, max_size=30),
)
def test_who_is_late_does_not_depend_on_batches(ats, sizes):
    log = [record(at) for at in ats]
    one, many = observer(), observer()
    answers, low = [], 0
    for size in [*sizes, len(log)]:
        answers += many.admit(log[low : low + size])
        low += size
    assert answers == one.admit(log)
    assert many.watermark == one.watermark


def test_a_tick_is_closed_when_the_watermark_reaches_its_end_and_ticks_come_in_order_of_time():
    watching = observer(clock=Clock(10_000, 60_000))
    log = [record(at, f"c{at}") for at in (25_000, 5_000, 15_000, 79_999, 79_999)]
    assert all(watching.admit(log))
    watching.add(log)
    assert [pane.tick - traffic.START_MS for pane in watching.close()] == [0]
    assert watching.admit([record(80_000), record(80_000)]) == [True, True]
    assert [pane.tick - traffic.START_MS for pane in watching.close()] == [10_000]
    assert [pane.tick - traffic.START_MS for pane in watching.finish()] == [20_000, 70_000]


def test_segments_and_ticks_have_panes_of_their_own():
    log = [record(at, f"{app}{at}", app=app) for at in (0, 1, 10_000) for app in ("a", "b")]
    found = [(pane.tick - traffic.START_MS, pane.segment, pane.n) for pane in panes_of(log)]
    assert found == [(0, "a/answer", 2), (0, "b/answer", 2), (10_000, "a/answer", 1), (10_000, "b/answer", 1)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_calls_with_one_id_in_a_tick_the_one_of_smallest_content_counts(order):
    log = [record(10, "same", output=text) for text in ("one", "two", "three")]
    (pane,) = panes_of([log[i] for i in order])
    assert pane.n == 1
    assert int(pane.sample.rows["content"][0]) == min(one.content for one in log)


def test_one_id_in_two_ticks_is_two_calls_and_none_is_a_duplicate():
    watching = observer()
    log = [record(0, "same"), record(10_000, "same")]
    watching.admit(log)
    watching.add(log)
    assert [pane.n for pane in watching.finish()] == [1, 1]
    assert watching.duplicates == 0


def test_no_calls_make_no_panes():
    assert panes_of([]) == []


def _partition(call_id, partitions):
    return xxhash.xxh3_64_intdigest(call_id.encode()) % partitions


def _shuffled(log, seed):
    """Calls of each tick in another order."""
    tick, draw = Clock().tick, random.Random(seed)
    return sorted(log, key=lambda one: (tick(one.event_time), draw.random()))


def _ticks(log, batch, partitions):
    """Whole ticks of a log that was split over partitions, each read in batches by an observer of its own."""
    closed = []
    for number in range(partitions):
        part = [one for one in log if _partition(one.call_id, partitions) == number]
        watching = observer()
        for low in range(0, len(part), batch):
            chunk = part[low : low + batch]
            assert all(watching.admit(chunk))
            watching.add(chunk)
            closed += watching.close()
        closed += watching.finish()
    return whole(closed)


def _alerts(ticks):
    judge = Judge(traffic.baseline(), parse("200000 calls"))
    state, made = start(judge), []
    for pane in ticks:
        state, alarms = verdict.judge(judge, state, pane)
        made += [encode(alert(judge, pane.segment, alarm, replay="")) for alarm in alarms]
    return made


@cache
def _log():
    return traffic.records(traffic.calls(1000, 1500, changed_from=1200))


@cache
def _expected():
    return _alerts(_ticks(_log(), 1000, 1))


@settings(max_examples=10)
@given(st.sampled_from([1, 7, 1000]), st.sampled_from([1, 3, 8]), st.integers(0, 2**32))
def test_batches_order_and_partitions_change_no_alert_by_a_byte(batch, partitions, seed):
    found = _alerts(_ticks(_shuffled(_log(), seed), batch, partitions))
    assert len(found) >= 2
    assert found == _expected()


@settings(max_examples=6)
@given(st.sampled_from([1, 7, 1000]), st.sampled_from([3, 8]), st.integers(0, 2**32))
def test_batches_order_and_partitions_change_no_pane_by_a_byte(batch, partitions, seed):
    log = _log()[:200]
    found = [panes.encode(pane) for pane in _ticks(_shuffled(log, seed), batch, partitions)]
    assert found == [panes.encode(pane) for pane in _ticks(log, 1000, 1)]


def test_the_gate_waits_for_the_slowest_partition_and_then_merges():
    log = _log()[:40]
    left, right = ([one for one in log if _partition(one.call_id, 2) == number] for number in (0, 1))
    merged = whole(panes_of(left) + panes_of(right))
    expected = Counter(Clock().tick(one.event_time) for one in log)
    assert {pane.tick: pane.n for pane in merged} == expected
    assert merge(merged).n == len(log)
