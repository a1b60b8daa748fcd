"""The laws of judging: whoever takes a partition over says what would have been said, and nothing is counted twice."""

from dataclasses import replace
from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import pane as panes
from streams.alerts import encode
from streams.evidence import instant
from streams.judging import BEYOND, UNKNOWN_LENS, Judging
from streams.ledger import Closed, Ledger, Place
from streams.moves import Acknowledgement, Announced, Timetable
from streams.observe import Observer, Sight
from streams.settings import Settings, Sharing
from streams.shelf import Shelf
from streams.store import Store
from streams.wire import Mark, Sent
from tests.streams import traffic

SETTINGS = Settings(one_false_alarm_every="200000 calls", first=400)
SEGMENT = traffic.SEGMENT


@cache
def _store():
    store = Store("memory://laws")
    store.put_baseline(traffic.baseline())
    store.put_baseline(_other())
    return store


@cache
def _other():
    """The same baseline under another id."""
    known = traffic.baseline()
    return replace(known, facts={**known.facts, "source": "elsewhere"})


def shelf():
    return Shelf(_store(), traffic.meter())


def timetable(*moves):
    table = Timetable("prod")
    for sequence, (baseline, effective) in enumerate(moves, 1):
        table.add(Announced(SEGMENT, "prod", sequence, baseline.id, baseline.pane.lens, effective, "", by="ann"))
    return table


def judging(table, saved=None, **options):
    return Judging(options.pop("settings", SETTINGS), shelf(), table, saved or {}, **options)


def _sent(records, sight):
    """Panes of calls that came through two partitions, and a mark of each after every tick."""
    found = {}
    for source in (0, 1):
        observer = Observer(traffic.meter(), lambda segment, tick: sight)
        observer.add(records[source::2])
        for pane in observer.finish():
            message = Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, panes.encode(pane))
            found.setdefault(pane.end, []).append(message)
    log = []
    for end, sent in sorted(found.items()):
        log += [*sent[:1], Mark(0, 2, end, 0), *sent[1:], Mark(1, 2, end, 0)]
    return log


@cache
def drifted():
    """Messages of 500 calls, another model from the 200th on."""
    return _sent(traffic.records(traffic.calls(1000, 1500, changed_from=1200)), Sight.of(traffic.baseline()))


def read(desk, ledger, log, upto=None):
    """Alerts of the log up to an offset, each with the offset that brought it about."""
    told = []
    for offset in range(ledger.position, len(log) if upto is None else upto):
        for closed in ledger.add(offset, log[offset]):
            told += [(offset, encode(one)) for one in desk.apply(closed)]
    return told


def _restored_says_the_same(table, log, stops, **options):
    whole = judging(table(), **options)
    expected = read(whole, Ledger(Place()), log)
    saved, place, counts, told = {}, Place(), {}, []
    for stop in [*sorted(stops), len(log)]:
        desk, ledger = judging(table(), saved, **options), Ledger(place)
        desk.counts.update(counts)
        told += read(desk, ledger, log, max(stop, ledger.position))
        saved = {**saved, **desk.kept(ledger.position)}
        place, counts = ledger.place, dict(desk.counts)
    assert told == expected
    assert counts == dict(whole.counts)
    assert _alarms(judging(table(), saved, **options)) == _alarms(whole), "before anything is judged again"
    return expected


def _alarms(desk):
    """Alarms that stand and have stood, by segment."""
    return [(one.segment, one.phase, one.baseline, one.standing, one.raised, one.refused) for one in desk.news(99)]


@settings(max_examples=4)
@given(st.lists(st.integers(0, 120), max_size=4))
def test_whoever_takes_over_says_what_would_have_been_said(stops):
    assert len(_restored_says_the_same(lambda: timetable((traffic.baseline(), 0)), drifted(), stops)) >= 2


@settings(max_examples=4)
@given(st.lists(st.integers(0, 120), max_size=4))
def test_whoever_takes_over_follows_a_move_at_its_tick_and_ends_the_alarms_before(stops):
    move = max(one.tick for one in drifted() if isinstance(one, Sent)) - 20_000
    table = lambda: timetable((traffic.baseline(), 0), (_other(), move))  # noqa: E731
    told = _restored_says_the_same(table, drifted(), stops)
    assert any(b"was moved to baseline" in text for _, text in told)


def test_an_acknowledged_alarm_stands_and_is_on_record_once_from_its_tick_on():
    log, table = drifted(), timetable((traffic.baseline(), 0))
    told = read(desk := judging(table), Ledger(Place()), log)
    (first, *_) = [one for one in map(msgspec.json.decode, (text for _, text in told)) if one["state"] == "firing"]
    at = msgspec.json.decode(told[0][1])["alert_id"]
    ticks = sorted({one.tick for one in log if isinstance(one, Sent)})

    def acknowledging(effective):
        made = timetable((traffic.baseline(), 0))
        made.learn(Acknowledgement(at, SEGMENT, effective, "2026-01-05T09:00:00Z", by="ann", why="known"))
        return made

    expected = _restored_says_the_same(lambda: acknowledging(ticks[-1]), log, [30, 60])
    more = [msgspec.json.decode(text) for _, text in expected if text not in {text for _, text in told}]
    assert [(one["alert_id"], one["state"]) for one in more] == [(at, "acknowledged")]
    assert more[0]["acknowledged"] == {"at": "2026-01-05T09:00:00Z", "by": "ann", "why": "known"}
    assert more[0]["sentence"].endswith("was acknowledged by ann: known.")
    assert (more[0]["raised_at"], more[0]["since"]) == (first["raised_at"], first["since"])
    table = timetable((traffic.baseline(), 0))
    desk = judging(table)
    assert read(desk, Ledger(Place()), log) == told
    assert not any(one.acknowledged for one in desk.news(9)[0].standing)
    table.learn(Acknowledgement(at, SEGMENT, ticks[-1] + 60_000, "2026-01-05T09:00:00Z"))
    table.learn(Acknowledgement(at, "unknown/segment", 0, "2026-01-05T09:00:00Z"))
    standing = {one.alert_id: one.acknowledged for one in desk.news(9)[0].standing}
    assert standing[at], "shown at once, though it is not yet on record"
    assert not all(standing.values()) or len(standing) == 1


def test_an_acknowledgement_of_an_alarm_that_does_not_stand_changes_nothing():
    table = timetable((traffic.baseline(), 0))
    table.learn(Acknowledgement("unheard of", SEGMENT, 0, "2026-01-05T09:00:00Z"))
    assert read(judging(table), Ledger(Place()), drifted()) == read(
        judging(timetable((traffic.baseline(), 0))), Ledger(Place()), drifted()
    )


def test_an_overview_says_what_stands_and_how_much_and_comes_once():
    desk = judging(timetable((traffic.baseline(), 0)))
    told = [msgspec.json.decode(text) for _, text in read(desk, Ledger(Place()), drifted())]
    (seen,) = desk.news(9)
    assert desk.news(9) == []
    assert {one.alert_id for one in seen.standing} == {one["alert_id"] for one in told}
    assert sum(seen.raised.values()) == len(told)
    by_id = {one["alert_id"]: one for one in told}
    for one in seen.standing:
        record = by_id[one.alert_id]
        assert (one.kind, one.detector, one.effect) == (
            record["kind"],
            record["detector"],
            record["effect"]["difference"],
        )
        assert one.drift in record["sentence"]
        assert instant(one.since) == record["since"]
    assert {one.change for one in seen.standing} == {"served_model atlas-2-0301 → atlas-3"}
    answers = {one.kind: one for one in seen.kinds}
    assert answers["model"].answer == "drift"
    assert answers["data"].answer == "no_drift"
    assert sum(seen.topics.values()) == pytest.approx(1)
    assert (seen.baseline, seen.phase, seen.calls) == (traffic.baseline().id, "judged", 500)


def test_an_overview_of_a_segment_without_a_baseline_says_so():
    desk = judging(timetable(), settings=_filling())
    read(desk, Ledger(Place()), _changing())
    (seen,) = desk.news(9)
    assert (seen.phase, seen.baseline, seen.kinds, seen.unknown) == ("filling", "", (), 1)


def _of(segment, tick=0, lens="strange", calls=3):
    return Closed(tick, segment, [Sent(0, segment, tick, tick + 10_000, calls, lens, b"")], tick // 10_000)


def test_calls_of_an_unknown_lens_are_counted_once_and_told_once_a_lens():
    warned = []
    desk = judging(timetable((traffic.baseline(), 0)), warn=warned.append)
    for tick in (0, 10_000):
        assert desk.apply(_of(SEGMENT, tick)) == []
    desk = judging(timetable((traffic.baseline(), 0)), desk.kept(2))
    assert desk.apply(_of(SEGMENT, 10_000)) == []
    assert desk.counts[UNKNOWN_LENS] == 0
    assert len(warned) == 1


@pytest.mark.parametrize("among", [1, 2])
def test_beyond_the_cap_of_a_partition_calls_are_counted_only(among):
    desk = judging(timetable(), among=among, settings=msgspec.structs.replace(SETTINGS, segments=2 * among))
    for name in ("a", "b", "c", "c"):
        assert desk.apply(_of(name)) == []
    assert (desk.segments, desk.counts[BEYOND]) == (2, 6)


def test_whoever_takes_over_admits_no_more_segments_to_a_fleet():
    of_fleet = msgspec.structs.replace(SETTINGS, fleet=Sharing("7d", 2))
    desk = judging(timetable(), settings=of_fleet)
    for name in ("a", "b", "c"):
        desk.apply(_of(name))
    assert desk.segments == 2
    desk = judging(timetable(), desk.kept(1), settings=of_fleet)
    desk.apply(_of("c", 10_000))
    assert desk.segments == 2


def test_calls_beyond_the_cap_that_are_read_again_are_counted_once():
    capped = msgspec.structs.replace(SETTINGS, segments=1)
    desk = judging(timetable(), settings=capped)
    desk.apply(_of("a"))
    desk.apply(_of("b"))
    again = judging(timetable(), desk.kept(1), settings=capped, counts=desk.counts, counted=0)
    again.apply(_of("b"))
    assert again.counts[BEYOND] == 3


def test_two_takings_over_of_what_fills_a_baseline_tell_nothing_twice():
    _restored_says_the_same(timetable, _changing(), [20, 70, 71], settings=_filling())


def test_provisional_alarms_end_when_the_tag_names_a_baseline():
    log = _changing()
    last = max(one.tick for one in log if isinstance(one, Sent))
    desk = judging(timetable((traffic.baseline(), last)), settings=_filling())
    told = [msgspec.json.decode(text) for _, text in read(desk, Ledger(Place()), log)]
    firing = {one["alert_id"] for one in told if one["state"] == "firing"}
    assert firing
    assert firing == {one["alert_id"] for one in told if one["state"] == "resolved"}


def _filling():
    return msgspec.structs.replace(SETTINGS, first=3000)


@cache
def _changing():
    """Messages of 900 calls seen by default, another model from the 400th on."""
    return _sent(traffic.records(traffic.calls(0, 900, changed_from=400)), Sight(traffic.meter().default_lens()))
