"""The laws of replaying: the live judge's words, wherever it is interrupted, and by several baselines as by each."""

from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import baseline as baselines
from drift import pane as panes
from drift.block import sizes
from drift.errors import LensMismatchError
from streams.alerts import encode
from streams.judging import Judging
from streams.ledger import Ledger, Place
from streams.moves import Acknowledgement, Announced, Timetable
from streams.observe import Clock, Observer, Sight
from streams.overview import KindNow
from streams.partition import Committed, Incoming, Partition
from streams.remeasuring import Remeasuring
from streams.replaying import AS_IT_WAS, Library, Replaying, Saved, Span, Trial, in_order
from streams.settings import Settings
from streams.shelf import Shelf
from streams.side_by_side import Outcome, cell, differences, outcomes
from streams.store import Store
from streams.wire import Mark, Sent, decode
from streams.wire import encode as to_wire
from tests.streams import traffic

SETTINGS = Settings(one_false_alarm_every="200000 calls")
SEGMENT = traffic.SEGMENT


@cache
def other():
    """A baseline of the same lens that knows the wordier model only."""
    known = traffic.baseline()
    observer = Observer(traffic.meter(), lambda segment, tick: Sight.of(known), Clock(), sample=5000)
    observer.add(traffic.records(traffic.calls(0, 1000, changed_from=0)))
    made = observer.finish()
    return baselines.build(known.lens, made, sizes(made), runs=20, facts={"source": "changed"})


@cache
def log():
    """Messages of 500 calls through two partitions, another model from the 200th on."""
    records, found = traffic.records(traffic.calls(1000, 1500, changed_from=1200)), {}
    for source in (0, 1):
        observer = Observer(traffic.meter(), lambda segment, tick: Sight.of(traffic.baseline()))
        observer.add(records[source::2])
        for pane in observer.finish():
            message = Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, panes.encode(pane))
            found.setdefault(pane.end, []).append(message)
    made = []
    for end, sent in sorted(found.items()):
        made += [*sent[:1], Mark(0, 2, end, 0), *sent[1:], Mark(1, 2, end, 0)]
    return made


def ticks():
    return sorted({one.tick for one in log() if isinstance(one, Sent)})


@cache
def _store():
    store = Store("memory://replaying")
    store.put_baseline(traffic.baseline())
    store.put_baseline(other())
    return store


def live(table):
    """What the live judge says of the log."""
    desk, ledger = Judging(SETTINGS, Shelf(_store(), traffic.meter()), table, {}), Ledger(Place())
    return [
        encode(one)
        for offset, message in enumerate(log())
        for closed in ledger.add(offset, message)
        for one in desk.apply(closed)
    ]


def trial(baseline, name=""):
    return Trial.of(name or baseline.id, baseline)


def replaying(trials, span=None, saved=None):
    given = [one.baseline for one in trials if one.baseline]
    return Replaying(SETTINGS, Library(_store(), SETTINGS, given), trials, span or Span(), saved=saved)


def replayed(trials, span=None):
    one = replaying(trials, span)
    return [told for offset, message in enumerate(log()) for told in one.take(offset, message)], one


def table(*moves):
    made = Timetable("prod")
    for sequence, (baseline, effective) in enumerate(moves, 1):
        made.add(Announced(SEGMENT, "prod", sequence, baseline.id, baseline.pane.lens, effective, "", by="ann"))
    return made


def test_a_replay_says_what_the_live_judge_said_byte_for_byte():
    told, one = replayed([trial(traffic.baseline())])
    assert [it.record for it in told] == live(table((traffic.baseline(), 0)))
    assert len(told) >= 2
    assert (one.seen.calls, one.seen.ticks) == (500, {SEGMENT: len(ticks())})


def test_as_it_was_moves_and_acknowledgements_are_obeyed():
    first = msgspec.json.decode(live(table((traffic.baseline(), 0)))[0])
    made = table((traffic.baseline(), 0), (other(), ticks()[-3]))
    made.acknowledge(Acknowledgement(first["alert_id"], SEGMENT, ticks()[-6], "2026-01-05T09:00:00Z", by="ann"))
    told, _ = replayed([Trial(AS_IT_WAS, made)])
    assert [it.record for it in told] == live(made)
    assert {msgspec.json.decode(it.record)["state"] for it in told} == {"firing", "acknowledged", "resolved"}


def test_several_baselines_in_one_reading_say_what_each_says_alone():
    trials = [trial(traffic.baseline()), trial(other())]
    told, one = replayed(trials)
    for number, it in enumerate(trials):
        alone, single = replayed([it])
        assert [x.record for x in told if x.trial == number] == [x.record for x in alone]
        assert [x for n, x in one.overviews() if n == number] == [x for _, x in single.overviews()]
    assert {it.trial for it in told} == {0, 1}


@settings(max_examples=6)
@given(st.lists(st.integers(0, 120), max_size=4))
def test_interrupted_anywhere_it_goes_on_and_says_the_same(stops):
    trials = [trial(traffic.baseline()), trial(other())]
    whole, one = replayed(trials)
    expected = one.overviews(), one.seen, one.counts
    told, saved, again = [], None, None
    for stop in [*sorted(stops), len(log())]:
        again = replaying(trials, saved=saved)
        for offset in range(again.ledger.position, max(stop, again.ledger.position)):
            told += again.take(offset, log()[offset])
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(again.saved()), type=Saved)
    assert told == whole
    assert (again.overviews(), again.seen, again.counts) == expected


def test_a_range_is_judged_with_a_fresh_state_at_its_first_tick():
    low, high = ticks()[5], ticks()[-5]
    told, one = replayed([trial(traffic.baseline())], Span(low, high))
    inside = [it for it in log() if isinstance(it, Mark) or low <= it.tick < high]
    alone = replaying([trial(traffic.baseline())])
    assert told == [x for offset, message in enumerate(log()) if message in inside for x in alone.take(offset, message)]
    assert one.seen.ticks == {SEGMENT: len(ticks()) - 10}
    assert (one.seen.first, one.seen.last) == (ticks()[0], ticks()[-1])


def test_a_ledger_that_begins_later_closes_the_same_ticks():
    """What is jumped over is older than the range by more than the lateness, as the marks in it are."""
    low, trials = ticks()[10], [trial(traffic.baseline())]
    begin = next(n for n, one in enumerate(log()) if isinstance(one, Sent) and one.tick == ticks()[8])
    late = Replaying(SETTINGS, Library(_store(), SETTINGS, [traffic.baseline()]), trials, Span(low), start=begin)
    told = [x for offset in range(begin, len(log())) for x in late.take(offset, log()[offset])]
    assert told == replayed(trials, Span(low))[0]


def test_panes_of_another_lens_are_refused_and_both_lenses_named():
    strange = replace(traffic.baseline(), pane=replace(traffic.baseline().pane, lens="0123456789abcdef"))
    with pytest.raises(LensMismatchError, match=f"{traffic.baseline().lens.id}.*0123456789abcdef.*--observe"):
        replayed([trial(strange)])


def test_the_order_of_records_depends_on_no_partition():
    told, _ = replayed([trial(traffic.baseline()), trial(other())])
    partitions = [[one for one in told if one.trial == 1], [one for one in told if one.trial == 0]]
    assert in_order(one for part in partitions for one in part) == in_order(told) == in_order(in_order(told))
    assert [(one.tick, one.trial) for one in in_order(told)] == sorted((one.tick, one.trial) for one in told)


def test_nothing_is_written_to_the_store():
    library = Library(store := Store("memory://untouched"), SETTINGS, [traffic.baseline()])
    library.put(other())
    assert not store.exists()
    assert library.baseline(other().id).id == other().id


def test_two_baselines_differ_and_it_is_said_in_words():
    trials = [trial(traffic.baseline(), "old"), trial(other(), "new")]
    told, one = replayed(trials)
    found = outcomes(trials, told, one.overviews())
    said = " ".join(differences(SEGMENT, found[SEGMENT]))
    old, new = found[SEGMENT]
    assert {x["baseline"] for x in old.alarms} == {traffic.baseline().id}
    assert {x["baseline"] for x in new.alarms} == {other().id}
    assert "old since" in said and "What they compare with: old: 1,000 calls" in said
    assert old.fields["answer"] == "drift"
    (length,) = [one for one in differences(SEGMENT, found[SEGMENT]) if "output length: " in one]
    assert "old since" in length and "new since" in length
    assert length.endswith("; these are different changes.") and "sooner" not in length
    calm = KindNow("data", "no_drift", "off_topic", 0.51, 0.0142, "points", 0, "")
    ended = Outcome(
        old.trial, msgspec.structs.replace(old.overview, kinds=(calm,)), [{**old.alarms[0], "kind": "data"}]
    )
    assert cell(ended, "data").startswith("since ") and cell(ended, "data").endswith("; over now")
    quiet = Outcome(new.trial, msgspec.structs.replace(new.overview, kinds=(calm,)))
    assert cell(quiet, "data") == "no drift: evidence at 51 % of the threshold, difference +1.4 points"
    same = outcomes(trials, [], [(0, old.overview), (1, old.overview)])
    assert "the same answer, no alarm, by old and new" in " ".join(differences(SEGMENT, same[SEGMENT]))


def test_calls_measured_again_give_the_panes_of_the_live_observer_byte_for_byte():
    lines = traffic.lines(traffic.calls(1000, 1500, changed_from=1200))
    batch = [Incoming(n, traffic.NOW_MS, line) for n, line in enumerate(lines)]
    sight, clock = Sight.of(traffic.baseline()), Clock(lateness_ms=60_000)
    partition = Partition(traffic.meter(), lambda segment, tick: sight, clock, Committed(), segments=10)
    closed = [pane for part in (batch[:200], batch[200:]) for pane in partition.take(part).panes]
    live_panes = [panes.encode(one, level=1) for one in closed]
    again = Remeasuring(traffic.meter(), lambda s, t: sight, clock, [0], segments=10, span=Span(), chosen={SEGMENT})
    messages = [*again.begin(), *again.take(0, batch), *again.end(0)]
    found = [one.pane for one in messages if isinstance(one, Sent)]
    assert live_panes
    assert found[: len(live_panes)] == live_panes, "but the last ticks, which are complete only in a file"
    assert sum(one.calls for one in messages if isinstance(one, Sent)) == 500
    assert [decode(to_wire(one)) for one in messages[:3]] == messages[:3]


def test_only_chosen_segments_and_ticks_are_measured_and_late_is_decided_by_all_calls():
    calls = traffic.lines(traffic.calls(1000, 1400)) + traffic.lines(traffic.calls(1400, 1900, app="other"))
    calls += traffic.lines(traffic.calls(1000, 1010))
    batch = [Incoming(n, traffic.NOW_MS, line) for n, line in enumerate(calls)]
    span, clock = Span(ticks()[2]), Clock(lateness_ms=60_000)
    again = Remeasuring(
        traffic.meter(), lambda s, t: Sight.of(traffic.baseline()), clock, [0], segments=9, span=span, chosen={SEGMENT}
    )
    found = [one for one in [*again.take(0, batch), *again.end(0)] if isinstance(one, Sent)]
    assert {one.segment for one in found} == {SEGMENT}
    assert min(one.tick for one in found) == ticks()[2]
    assert again.counts["late"] == 10
