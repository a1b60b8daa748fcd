"""The first calls of a segment as panes: the baseline that they become, and what watches them meanwhile."""

from dataclasses import replace
from functools import cache, partial

import msgspec
import numpy as np
import pytest

from drift import baseline as baselines
from drift.budget import Budget
from drift.call import NOTHING, Declared
from drift.errors import BaselineRefusedError, CorruptError
from drift.pane import encode as pane_bytes
from drift.tolerances import TOLERANCES
from streams import first as firsts
from streams.alerts import encode as alert_bytes
from streams.building import build_baseline, first_ticks
from streams.first import PATIENCE, First, build, provisional, whole
from streams.observe import Clock, Observer, Sight
from streams.provisional import Provisional
from streams.slices import admit
from tests.streams import traffic

WANTED = 1000
SCORES = ("correct",)


@pytest.fixture
def few_runs(monkeypatch):
    """Baselines that are built in a second, with rough thresholds."""
    monkeypatch.setattr(baselines, "build", partial(baselines.build, runs=4))


@cache
def lens():
    return traffic.meter().default_lens()


@cache
def log(last=1300, changed_from=None, **fields):
    """Records of calls, some of which bear a score."""
    made = traffic.calls(0, last, changed_from=changed_from, **fields)
    return tuple(traffic.records([{**one, "scores": {"correct": float(i % 4 > 0)}} for i, one in enumerate(made)]))


def ticks(records, partitions=1, sample=64, declared=NOTHING):
    """Whole ticks of calls that came through so many partitions."""
    found = {}
    for one in range(partitions):
        observer = Observer(traffic.meter(), lambda segment, tick: Sight(lens(), declared), sample=sample)
        observer.add(records[one::partitions])
        for pane in observer.finish():
            found.setdefault(pane.tick, []).append(pane)
    return [whole(parts) for _, parts in sorted(found.items())]


def filled(panes, wanted=WANTED):
    """First calls once they are enough, or all of them."""
    made = First(wanted)
    for tick in panes:
        if made.full:
            break
        made = made.add(tick)
    return made


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("measured", [False, True])
def test_a_baseline_of_panes_is_that_of_the_same_calls_in_a_file(few_runs, partitions, measured):
    end = first_ticks(log(), WANTED, Clock())
    calls = [one for one in log() if one.event_time < end]
    slices, scores = (("region",), SCORES) if measured else ((), ())
    records = [msgspec.structs.replace(one, scores=one.scores if measured else {}) for one in log()]
    file = build_baseline(
        traffic.meter(), [one for one in records if one.event_time < end], lens=lens(), slices=slices, scores=scores,
        facts={"first": len(calls)}, drift_refuses=False,
    )  # fmt: skip
    declared = Declared(admit(calls, slices), scores)
    made = build(filled(ticks(records, partitions, declared=declared)), lens(), declared=declared)
    assert {**made.facts, "largest_session": file.facts["largest_session"]} == file.facts
    assert made.thresholds(Budget(20_000, "calls")) == file.thresholds(Budget(20_000, "calls"))
    assert pane_bytes(made.pane) == pane_bytes(file.pane)
    assert replace(made, facts=file.facts).id == file.id
    assert bool(made.slices) == measured
    assert made.facts["first"] == made.pane.n == len(calls)


def test_ticks_are_taken_until_one_reaches_the_wanted_calls():
    end = first_ticks(log(), WANTED, Clock())
    made = filled(ticks(log()))
    assert made.ticks[-1].end == end
    assert WANTED <= made.calls == sum(one.event_time < end for one in log()) < WANTED + 17
    assert not filled(ticks(log()[: WANTED - 1])).full


def test_a_tick_without_calls_changes_nothing():
    made, (tick,) = filled(ticks(log()[:300])), ticks(log()[:1])
    assert made.add(replace(tick, sample=replace(tick.sample, rows=tick.sample.rows[:0], texts=()))) == made


def test_it_comes_back_from_its_stored_ticks_and_goes_on():
    made, again = First(WANTED), First(WANTED)
    for tick in ticks(log(), sample=16)[:20]:
        made, again = made.add(tick), First.of(WANTED, again.held).add(tick)
        assert again == made
    assert made.cut


def test_ticks_that_are_read_again_count_once():
    panes = ticks(log()[:500])
    made = filled(panes)
    assert filled([*panes[:9], *panes[4:9], *panes[2:]]) == made


def test_a_stored_tick_that_is_damaged_is_noticed():
    held = filled(ticks(log()[:50])).held
    with pytest.raises(CorruptError, match="not a pane"):
        First.of(WANTED, [held[0], held[1][:-3]])


def test_where_panes_hold_a_part_of_their_calls_it_goes_on_until_the_sample_is_large_enough():
    made = filled(ticks(log(3000), sample=16))
    assert made.cut
    assert WANTED + 17 < made.calls < 3000
    baseline = build(made, lens())
    assert firsts.ENOUGH <= len(baseline.pane.sample.rows) < firsts.ENOUGH + 17
    assert baseline.pane.n == made.calls


def test_a_sample_that_stays_too_small_is_refused_with_what_can_be_done():
    made = filled(ticks(log(3000), sample=4), wanted=500)
    assert PATIENCE * 500 <= made.calls < PATIENCE * 500 + 17
    with pytest.raises(BaselineRefusedError, match=r"came faster than panes keep them, \d+ are left .* 1,000 are need"):
        build(made, lens())


def test_calls_that_repeat_each_other_are_refused_unless_forced():
    made = filled(ticks(log(400, input="Hello there")), wanted=300)
    with pytest.raises(BaselineRefusedError, match=f"segment {traffic.SEGMENT}: .* repeat an earlier input"):
        build(made, lens())
    assert build(made, lens(), force=True).facts["forced"]


def test_too_few_calls_are_refused():
    with pytest.raises(BaselineRefusedError, match="at least 200 calls, got 100"):
        build(filled(ticks(log()[:100])), lens())


def test_a_drift_inside_is_warned_of(few_runs):
    made = build(filled(ticks(log(1200, 600))), lens(), texts="redacted", facts={"source": "live"})
    assert any("it drifts inside" in one for one in made.facts["warnings"])
    assert (made.facts["texts"], made.facts["source"]) == ("redacted", "live")


def told(panes, watching=None):
    """Provisional alerts of ticks, and what watched them."""
    watching = watching or Provisional()
    return [one for tick in panes for *_, one in watching.tick(traffic.SEGMENT, tick, TOLERANCES)], watching


def changed(detector):
    """Records of which one number changes at call 600."""
    fields = {"provisional_error": {"error_type": "timeout"}, "provisional_latency": {"latency_ms": 9000.0}}
    if detector == "provisional_output_length":
        return log(1300, 600)
    return (*log(600), *traffic.records(traffic.calls(600, 1300, **fields[detector])))


@pytest.mark.parametrize("detector", ["provisional_output_length", "provisional_error", "provisional_latency"])
def test_panes_tell_what_their_calls_tell(detector):
    records = changed(detector)
    alerts, _ = told(ticks(records))
    by_call = Provisional()
    for one in records:
        by_call.add(one, Clock())
    expected = [one for *_, one in by_call.close(traffic.SEGMENT, 2**62, Clock(), TOLERANCES)]
    assert detector in {one.detector for one in alerts}
    assert [(one.state, one.detector, one.raised_at, one.calls_seen) for one in alerts] == [
        (one.state, one.detector, one.raised_at, one.calls_seen) for one in expected
    ]
    for one, other in zip(alerts, expected, strict=True):
        assert one.since == other.since
        assert one.effect["now"] == pytest.approx(other.effect["now"], rel=0.02)


def test_partitions_change_no_provisional_alert_by_a_byte():
    alone, shared = (told(ticks(log(1300, 600), partitions))[0] for partitions in (1, 3))
    assert [alert_bytes(one) for one in alone] == [alert_bytes(one) for one in shared]
    assert alone


def test_a_fair_sample_of_busy_ticks_is_watched_too():
    alerts, _ = told(ticks(log(1300, 600), sample=8))
    (one,) = [one for one in alerts if one.detector == "provisional_output_length"]
    assert one.samples["before"] + one.samples["now"] < one.calls_seen


def test_who_takes_a_segment_over_goes_on_watching_and_tells_nothing_again():
    panes = ticks(log(1300, 600))
    expected = [alert_bytes(one) for one in told(panes)[0]]
    for cut in np.linspace(0, len(panes), 9).astype(int):
        before, _ = told(panes[:cut])
        taken = provisional(filled(panes[:cut], wanted=10_000), traffic.SEGMENT, TOLERANCES)
        after, watching = told(panes[cut:], taken)
        assert [alert_bytes(one) for one in before + after] == expected
        assert watching.note(traffic.SEGMENT) == told(panes)[1].note(traffic.SEGMENT)
