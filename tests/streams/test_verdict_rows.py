"""Rows of judging: one a block and detector, without touching a verdict, whole or not at all."""

from __future__ import annotations

import functools

import msgspec
import numpy as np
import pytest
import zstandard

from drift import snapshot
from drift.budget import parse
from drift.errors import SettingsError, SourceError
from streams.alerts import encode
from streams.embedded import Options, Watch
from streams.ledger import Ledger, Place
from streams.observe import Sight
from streams.partition_rows import PartitionRows
from streams.report.read import read
from streams.verdict_columns import BaselineCard, End, Mark, Row, Score, Stretch, Summary, Told
from streams.verdict_rows import VerdictRows
from tests.streams import test_judging, traffic

_row = msgspec.json.Decoder(Row)


def log():
    return traffic.records(traffic.calls(1000, 1600, changed_from=1300))


def judged(records, rows=None, batch=1000):
    """A watch that has read all, and its alerts."""
    shown = {"seen": rows.seen} if rows else {}
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {traffic.SEGMENT: traffic.baseline()}, **shown)
    alerts = []
    for low in range(0, len(records), batch):
        alerts += watched.feed(records[low : low + batch])[0]
    return watched, alerts + watched.finish()


def kept(path, batch=1000, cut_off=""):
    """A verdict file of the drifting log, its bytes unpacked, and the watch."""
    with VerdictRows(str(path), "watch calls.jsonl") as rows:
        watched, alerts = judged(log(), rows, batch)
        rows.alerts(alerts)
        rows.finish(watched.segments.values(), watched.counts, cut_off)
    data = path.read_bytes()
    packed = path.suffix == ".zst"
    return zstandard.ZstdDecompressor().decompressobj().decompress(data) if packed else data, watched, alerts


@functools.cache
def shared(folder):
    data, watched, alerts = kept(folder / "verdicts.jsonl")
    return [_row.decode(line) for line in data.splitlines()], watched, alerts


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return shared(tmp_path_factory.getbasetemp())


def of(rows, kind):
    return [row for row in rows[0] if isinstance(row, kind)]


def test_to_keep_rows_changes_no_bit_of_a_verdict(rows):
    watched, alerts = judged(log())
    assert [encode(one) for one in rows[2]] == [encode(one) for one in alerts]
    (with_rows,), (without,) = rows[1].segments.values(), watched.segments.values()
    assert snapshot.encode(with_rows.state) == snapshot.encode(without.state)


def test_each_block_has_a_row_for_each_detector_and_they_end_where_judging_did(rows):
    scores = of(rows, Score)
    (segment,) = rows[1].segments.values()
    blocks = {one.calls: one.block_calls for one in scores}
    names = segment.judge.baseline.panel.names
    assert sum(blocks.values()) == segment.calls == max(blocks)
    assert {one.detector for one in scores} >= set(names)
    assert len([one for one in scores if one.detector in names]) == len(blocks) * len(names)
    last = {one.detector: one.statistic for one in scores}
    assert all(last[name] == pytest.approx(segment.state.statistics[name], abs=5e-4) for name in names)


def test_an_alarm_stands_from_the_block_that_raised_it(rows):
    raised = next(one for one in rows[2] if one.kind == "output_length")
    standing = [one.calls for one in of(rows, Score) if one.detector == "output_length" and one.standing]
    assert min(standing) == raised.calls_seen
    assert [msgspec.json.decode(bytes(one.alert))["record_id"] for one in of(rows, Told)] == [
        one.record_id for one in rows[2]
    ]


def test_effects_are_those_of_the_block(rows):
    late = [one.effect for one in of(rows, Score) if one.detector == "output_length" and one.calls > 350]
    early = [one.effect for one in of(rows, Score) if one.detector == "output_length" and one.calls < 250]
    assert np.median(late) > np.median(early) + 0.2
    assert {one.effect for one in of(rows, Score) if one.detector == "answers"} == {None}


def test_stretches_add_up_to_all_calls_and_stay_bounded(rows):
    stretches = of(rows, Stretch)
    (segment,) = rows[1].segments.values()
    assert sum(one.stretch_calls for one in stretches) == stretches[-1].calls == segment.calls
    assert all(sum(one.topics) <= one.stretch_calls < 400 for one in stretches)
    assert all(one.at - one.start <= 3_600_000 for one in stretches)
    assert sum(n for one in stretches for _, n in one.output_length) <= segment.calls


def test_the_marker_that_moved_is_a_row(rows):
    assert ("served_model", "atlas-2-0301", "atlas-3") in [(m.field, m.before, m.after) for m in of(rows, Mark)]


def test_cards_and_the_verdict_in_the_end_are_there(rows):
    (card,), (summary,), (end,) = of(rows, BaselineCard), of(rows, Summary), of(rows, End)
    assert card.baseline == traffic.baseline().id
    assert sum(one.share for one in card.topics) == pytest.approx(1, abs=1e-3)
    assert len({(one.x, one.y) for one in card.topics}) == len(card.topics)
    assert {one.name for one in card.detectors} >= set(traffic.baseline().panel.names)
    assert summary.verdict.answer == "drift"
    assert "output_length" in summary.explained
    assert (end.cut_off, end.rows, end.counts["calls"]) == ("", len(rows[0]) - 1, 600)


@pytest.mark.parametrize("batch", [1, 37])
def test_batches_change_no_byte_of_the_file(tmp_path, rows, batch):
    data, *_ = kept(tmp_path / "verdicts.jsonl.zst", batch)
    assert [_row.decode(line) for line in data.splitlines()] == rows[0]


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    with pytest.raises(RuntimeError), VerdictRows(str(path)) as rows:
        rows.alerts(())
        assert not path.exists()
        raise RuntimeError("what nobody foresaw")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_off_says_why(tmp_path):
    data, *_ = kept(tmp_path / "verdicts.jsonl", cut_off="stopped by Ctrl-C")
    assert _row.decode(data.splitlines()[-1]).cut_off == "stopped by Ctrl-C"


def test_names_and_places_that_cannot_be_are_refused_first(tmp_path):
    with pytest.raises(SettingsError, match=r"must end in \.jsonl or \.jsonl\.zst"):
        VerdictRows(str(tmp_path / "verdicts.csv"))
    with pytest.raises(SourceError, match="cannot be written"):
        VerdictRows(str(tmp_path / "nowhere" / "verdicts.jsonl"))


def through_the_log(seen):
    """The same calls as panes of two partitions, judged as the live service judges them."""
    table, ledger = test_judging.timetable((traffic.baseline(), 0)), Ledger(Place())
    desk = test_judging.judging(table, seen=seen)
    sent = test_judging._sent(log(), Sight.of(traffic.baseline()))
    alerts = [one for n, message in enumerate(sent) for closed in ledger.add(n, message) for one in desk.apply(closed)]
    return desk, alerts


def test_the_live_judge_gives_the_same_rows(tmp_path, rows):
    with VerdictRows(str(tmp_path / "verdicts.jsonl")) as kept_rows:
        desk, alerts = through_the_log(kept_rows.seen)
        kept_rows.alerts(alerts)
        kept_rows.finish(desk.judged, desk.counts)
    found = [_row.decode(line) for line in (tmp_path / "verdicts.jsonl").read_bytes().splitlines()]
    live = (found,)
    assert of(live, Score) == of(rows, Score)
    assert of(live, Stretch) == of(rows, Stretch)
    assert of(live, Mark) == of(rows, Mark)
    assert of(live, Summary) == of(rows, Summary)


def test_a_partition_has_a_file_for_each_day_and_says_so_by_its_name(tmp_path):
    days = iter(["2026-01-05"] * 12 + ["2026-01-06"] * 1000)
    warned = []
    path = str(tmp_path / "verdicts.jsonl.zst")
    keeper = PartitionRows(path, 3, 77, functools.partial(next, days), warned.append)
    desk, _ = through_the_log(keeper.seen)
    for _ in range(20):
        keeper.applied(desk, [])
    keeper.finish(desk)
    keeper.finish(desk)
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == [f"verdicts-2026-01-0{day}-p3-77.jsonl.zst" for day in (5, 6)]
    assert warned == []
    assert read(str(tmp_path / names[0])).segments[traffic.SEGMENT].calls > 500


def test_a_full_disk_is_warned_of_once_and_judging_goes_on(tmp_path, monkeypatch):
    def full(self, rows):
        raise OSError(28, "No space left on device")

    warned = []
    keeper = PartitionRows(str(tmp_path / "verdicts.jsonl"), 0, 1, lambda: "2026-01-05", warned.append)
    monkeypatch.setattr(VerdictRows, "add", full)
    desk, alerts = through_the_log(keeper.seen)
    keeper.applied(desk, alerts)
    keeper.finish(desk)
    assert desk.counts["judged_calls"] > 500
    assert len(warned) == 1
    assert "No space left on device" in warned[0]
    assert list(tmp_path.iterdir()) == []
