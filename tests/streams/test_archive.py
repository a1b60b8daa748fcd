"""The laws of an archive: what it gives back is what the topic held, whatever was done to it in between."""

import shutil
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift import pane as panes
from drift.errors import BrokenOffError, CorruptError, DriftError, SettingsError, SourceError
from streams.alerts import encode
from streams.archive import ABOUT, Archive, day_of, gaps
from streams.archive_rows import Row
from streams.compaction import check_length, compact
from streams.extent import Wanted
from streams.first import whole
from streams.importing import bring
from streams.judging import Judging
from streams.ledger import Place
from streams.moves import Announced, Timetable
from streams.settings import Settings
from streams.shelf import Shelf
from streams.store import Store
from tests.streams import panes as ticks
from tests.streams import traffic

LATER = 1 << 41
SEGMENT = traffic.SEGMENT


@pytest.fixture
def archive(tmp_path):
    return Archive(str(tmp_path / "archive"), create=True)


def rows(closed):
    return [Row.of(sent, 3, one.offset) for one in closed for sent in one.panes]


def filled(archive, closed):
    archive.add(rows(closed))
    return archive


@cache
def _shelf():
    store = Store("memory://archived")
    store.put_baseline(traffic.baseline())
    return Shelf(store, traffic.meter())


def said(closed, *, baseline=True, first=3000):
    """Alerts of closed ticks, by a given baseline or one of the first calls, in order of time, then segment."""
    table = Timetable("prod")
    if baseline:
        known = traffic.baseline()
        table.add(Announced(SEGMENT, "prod", 1, known.id, known.pane.lens, 0, "", by="ann"))
    desk = Judging(Settings(one_false_alarm_every="200000 calls", first=first), _shelf(), table, {})
    told = [encode(one) for tick in closed for one in desk.apply(tick)]
    return told, desk.counts, [(one.segment, one.phase, one.baseline) for one in desk.news(99)]


def files(archive):
    root = Path(archive.address)
    return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


def test_what_an_archive_gives_back_is_what_it_was_given(archive):
    filled(archive, ticks.plain())
    found = {(one.tick, one.segment): one.panes for one in archive.closed()}
    assert found == {(one.tick, one.segment): one.panes for one in ticks.plain()}
    order = [(one.segment, one.tick) for one in archive.closed()]
    assert order == sorted(order)
    assert [one.offset for one in archive.closed()] == list(range(len(order)))


@pytest.mark.parametrize("sources", [1, 3, 8])
def test_every_verdict_stays_the_same_to_the_byte_when_source_partitions_are_merged(archive, sources):
    live = said(ticks.drifted(sources))
    assert len(live[0]) >= 2
    filled(archive, ticks.drifted(sources))
    assert said(archive.closed()) == live
    assert compact(archive, LATER).days == (sources > 1)
    assert all(len(one.panes) == 1 for one in archive.closed())
    assert said(archive.closed()) == live


def test_merged_ticks_become_the_baseline_that_the_unmerged_ones_become(archive):
    live = said(ticks.plain(), baseline=False, first=400)
    assert any(baseline for _, _, baseline in live[2])
    filled(archive, ticks.plain())
    compact(archive, LATER)
    assert said(archive.closed(), baseline=False, first=400) == live


def test_a_merged_tick_holds_all_rows_of_its_panes(archive):
    filled(archive, ticks.drifted(2))
    compact(archive, LATER)
    for before, after in zip(ticks.drifted(2), archive.closed(), strict=True):
        expected = whole([panes.decode(one.pane) for one in before.panes])
        assert after.panes[0].pane == panes.encode(expected)


def test_exporting_twice_adds_nothing_twice_and_the_first_pane_of_a_name_stays(archive):
    filled(archive, ticks.plain())
    before = files(archive)
    (tick, *_) = ticks.plain()
    other = panes.encode(replace(panes.decode(tick.panes[0].pane), names={1: "another"}))
    again = [Row.of(msgspec.structs.replace(tick.panes[0], pane=other)), *rows(ticks.plain())]
    added = archive.add(again)
    assert (added.added, added.known) == (0, len(again))
    assert files(archive) == before


def test_of_two_panes_of_one_name_in_one_batch_the_first_stays(archive):
    one, *rest = rows(ticks.drifted())
    other = one._replace(pane=panes.encode(replace(panes.decode(one.pane), names={1: "another"})))
    assert archive.add([one, other, *rest]).known == 1
    assert next(archive.closed()).panes[0].pane == one.pane


@settings(max_examples=8)
@given(st.data())
def test_parts_in_any_order_and_with_overlaps_are_the_whole(data):
    every = rows(ticks.drifted())
    archive = Archive(f"memory://parts{data.draw(st.integers(0, 2**62))}", create=True)
    bounds = data.draw(st.lists(st.tuples(st.integers(0, len(every)), st.integers(0, len(every))), max_size=4))
    for low, high in [*bounds, (0, len(every))]:
        archive.add(every[low:high])
        if data.draw(st.booleans()):
            compact(archive, LATER)  # what comes to a tick that was merged is late, as in the ledger
    found = Counter(source for row in _all(archive) for source in [(row.tick, one) for one in row.sources])
    assert set(found.values()) == {1}
    assert {tick for tick, _ in found} == {row.tick for row in every}


def _all(archive):
    return [row for tick in archive.ticks() for row in tick]


def test_a_tick_that_was_summed_up_takes_no_more_panes(archive):
    filled(archive, ticks.drifted())
    compact(archive, LATER, 300_000)
    assert archive.add(rows(ticks.drifted())).added == 0


def test_larger_ticks_hold_the_same_sums_and_are_never_taken_for_the_live_ones(archive):
    filled(archive, ticks.drifted())
    compact(archive, LATER, 300_000)
    with pytest.raises(SettingsError, match="summed up since"):
        list(archive.closed())
    found = list(archive.closed(mixed=True))
    assert {(one.panes[0].tick % 300_000, one.panes[0].end - one.panes[0].tick) for one in found} == {(0, 300_000)}
    before = panes.merge([panes.decode(sent.pane) for one in ticks.drifted() for sent in one.panes])
    after = panes.merge([panes.decode(sent.pane) for one in found for sent in one.panes])
    for name in ("cells", "counts", "marks"):
        assert np.array_equal(getattr(after.sums, name), getattr(before.sums, name))
    assert {(one.resolution_s, one.tick_s) for one in archive.contents()} == {(300.0, 10.0)}


def test_ticks_of_several_lengths_are_refused_unless_asked_for(archive):
    filled(archive, ticks.drifted())
    half = ticks.drifted()[len(ticks.drifted()) // 2].tick
    compact(archive, half, 60_000)
    bound = max(row.end for row in _all(archive) if not row.exact)
    assert bound <= half
    with pytest.raises(SettingsError, match="ticks of 10 s, 60 s"):
        list(archive.closed())
    assert {one.panes[0].end - one.tick for one in archive.closed(mixed=True)} == {10_000, 60_000}
    exact = list(archive.closed(start=bound))
    assert [one.tick for one in exact] == [one.tick for one in ticks.drifted() if one.tick >= bound]


def test_compacting_again_changes_nothing(archive):
    filled(archive, ticks.drifted())
    for into in (None, 60_000, 3_600_000):
        compact(archive, LATER, into)
        before = files(archive)
        assert compact(archive, LATER, into).days == 0
        assert files(archive) == before


@pytest.mark.parametrize("into", [0, -1, 7_200_000, 7 * 60_000])
def test_larger_ticks_never_cross_an_hour(into):
    with pytest.raises(SettingsError, match="divide an hour"):
        check_length(into)


def test_only_ticks_that_are_old_enough_are_summed_up(archive):
    filled(archive, ticks.drifted())
    assert compact(archive, ticks.drifted()[0].tick, 300_000).days == 0


@pytest.mark.parametrize("stop", range(6))
def test_a_compaction_that_is_interrupted_anywhere_leaves_every_pane_once(archive, monkeypatch, stop):
    half = len(ticks.drifted()) // 2
    filled(archive, ticks.drifted()[:half])
    filled(archive, ticks.drifted()[half:])
    live, calls = said(ticks.drifted()), 0
    folder = type(archive.folder)

    def failing(name):
        act = getattr(folder, name)

        def acting(self, *given):
            nonlocal calls
            calls += 1
            if calls > stop:
                raise KeyboardInterrupt
            return act(self, *given)

        return acting

    with monkeypatch.context() as patched:
        for name in ("write", "move", "remove"):
            patched.setattr(folder, name, failing(name))
        try:
            compact(archive, LATER)
        except KeyboardInterrupt:
            pass
        else:
            assert stop >= calls
    again = Archive(archive.address)
    assert said(again.closed()) == live
    compact(again, LATER)
    assert said(again.closed()) == live
    assert len(again.parts()) == 1
    assert not [name for name in files(again) if name.startswith("pending/")]


def test_an_export_that_is_interrupted_leaves_whole_files_only(archive, monkeypatch):
    write, done = type(archive.folder).write, []

    def failing(self, name, data):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(name)
        write(self, name, data)

    every = rows(ticks.drifted())
    with monkeypatch.context() as patched:
        patched.setattr(type(archive.folder), "write", failing)
        archive.add(every)
        with pytest.raises(KeyboardInterrupt):
            archive.add(rows(ticks.plain()))
    again = Archive(archive.address)
    assert {one.lens for one in again.parts()} == {traffic.baseline().pane.lens}
    again.add(rows(ticks.plain()))
    assert len(_all(again)) == len(every) + len(rows(ticks.plain()))


def test_segments_and_ranges_choose_what_is_read(archive):
    filled(archive, ticks.plain())
    start, end = ticks.plain()[4].tick, ticks.plain()[9].tick
    found = list(archive.closed(segments=["other"], start=start, end=end))
    assert found
    assert all(one.segment == "other" and start <= one.tick < end for one in found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": 20, "end": 10}, "turn them round"),
        ({"start": LATER}, "holds no panes between --from and --to; they reach from 2026-01-05"),
        ({"segments": ["nobody"]}, "holds no panes of nobody; it holds other, support-bot/answer"),
    ],
)
def test_a_range_without_panes_is_told(archive, given, said):
    filled(archive, ticks.plain())
    with pytest.raises(SettingsError, match=said):
        list(archive.closed(**given))


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_a_file_that_is_cut_off_is_told_by_its_name(archive, cut):
    filled(archive, ticks.drifted())
    (part,) = archive.parts()
    path = Path(archive.address) / part.name
    path.write_bytes(path.read_bytes()[:cut])
    for act in (lambda: list(archive.closed()), archive.contents, lambda: compact(archive, LATER)):
        with pytest.raises(BrokenOffError, match=part.name.rpartition("/")[2]) as told:
            act()
        assert "driftline archive export" in str(told.value)


def test_damage_in_the_middle_is_told_by_the_name_of_the_file(archive):
    filled(archive, ticks.drifted())
    (part,) = archive.parts()
    path = Path(archive.address) / part.name
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises((BrokenOffError, CorruptError)):
        said(archive.closed())
    with pytest.raises(DriftError, match=part.name.rpartition("/")[2]):
        bring(archive.address, Archive(f"{archive.address}2", create=True), Wanted())


def test_what_is_no_archive_is_told(tmp_path):
    with pytest.raises(SourceError, match="there is no archive"):
        Archive(str(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "notes.txt").write_text("hello")
    for create in (False, True):
        with pytest.raises(SourceError, match="is no archive: it holds other files"):
            Archive(str(tmp_path), create=create)


def test_an_archive_of_a_later_format_is_refused(archive):
    filled(archive, ticks.drifted())
    (Path(archive.address) / ABOUT).write_text('{"archive": 9}')
    with pytest.raises(CorruptError, match="format 9"):
        Archive(archive.address)


def test_an_archive_that_is_only_looked_for_leaves_nothing_behind(tmp_path):
    Archive(str(tmp_path / "empty"), create=True)
    assert not (tmp_path / "empty").exists()


def test_how_far_a_topic_was_exported_is_remembered(archive):
    archive.exported("panes at kafka:9092", {0: Place(offset=7), 2: Place(offset=9, watermarks={1: 5})})
    assert Archive(archive.address).places("panes at kafka:9092") == archive.places("panes at kafka:9092")
    assert archive.places("panes at kafka:9092")[2].watermarks == {1: 5}
    assert archive.places("panes at elsewhere:9092") == {}


def test_an_import_gives_the_same_archive_by_way_of_a_folder_a_file_and_an_archive(archive, tmp_path):
    filled(archive, ticks.drifted())
    (part,) = archive.parts()
    shutil.copytree(Path(archive.address) / "panes", tmp_path / "loose")
    for number, source in enumerate((archive.address, tmp_path / "loose", Path(archive.address) / part.name)):
        other = Archive(str(tmp_path / f"other{number}"), create=True)
        added = bring(str(source), other, Wanted())
        assert (added.added, added.known) == (len(rows(ticks.drifted())), 0)
        assert said(other.closed()) == said(ticks.drifted())
        assert bring(str(source), other, Wanted()).added == 0
        assert [one.name for one in other.parts()] == [part.name]


def test_an_import_checks_what_rows_say_of_their_panes(archive, tmp_path):
    first, *rest = rows(ticks.drifted())
    filled_with = Archive(str(tmp_path / "wrong"), create=True)
    filled_with.add([first._replace(answered=first.answered + 1), *rest])
    with pytest.raises(CorruptError, match="columns answered do not say what the pane holds"):
        bring(filled_with.address, archive, Wanted())
    filled_with = Archive(str(tmp_path / "cut"), create=True)
    filled_with.add([first._replace(pane=first.pane[:-9]), *rest])
    with pytest.raises(CorruptError, match=f"{SEGMENT}: .*damaged"):
        bring(filled_with.address, archive, Wanted())
    assert not Path(archive.address).exists()


def test_an_import_of_other_parquet_files_is_refused(archive, tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(CorruptError, match=r"other\.parquet has no column"):
        bring(str(tmp_path / "other.parquet"), archive, Wanted())
    with pytest.raises(SourceError, match="is no archive"):
        bring(str(tmp_path / "nowhere"), archive, Wanted())


def test_columns_say_what_the_panes_hold_and_other_programs_read_them(archive):
    filled(archive, ticks.plain())
    table = pq.read_table(Path(archive.address) / "panes")
    assert str(table.schema.field("tick").type) == "timestamp[ms, tz=UTC]"
    kept = table.to_pylist()
    assert len(kept) == len(rows(ticks.plain()))
    for row in kept:
        pane = panes.decode(row["pane"])
        cells = pane.sums.cells
        there = cells["answered"] == 1
        assert (row["calls"], row["answered"]) == (pane.n, int(cells["n"][there].sum()))
        assert [row["errors"], row["truncated"], row["empty_outputs"]] == cells["flags"].sum(axis=0).tolist()
        assert row["log_output_chars"] == cells["length"][:, 0].sum() / 1024
        assert row["bytes"] == len(row["pane"])
        assert (row["app"], row["prompt_name"]) in {("support-bot", "answer"), ("other", "")}
        assert (row["end"] - row["tick"]).total_seconds() == row["resolution_s"] == row["tick_s"] == 10
    texts = [one["output"] for one in traffic.calls(0, 1000) if one.get("output")]
    mine = [row for row in kept if row["app"] == "support-bot"]
    typical = np.expm1(sum(row["log_output_chars"] for row in mine) / sum(row["answered"] for row in mine))
    assert typical == pytest.approx(np.expm1(np.mean([np.log1p(len(text)) for text in texts])), rel=0.01)


def test_contents_tell_spans_calls_and_gaps(archive):
    early = rows(ticks.drifted())
    late = [_moved(row, 3 * 3_600_000) for row in early]
    archive.add([*early, *late])
    (one,) = archive.contents()
    assert (one.calls, one.panes) == (1200, len(early) + len(late))
    assert (one.start, one.end) == (early[0].tick, late[-1].end)
    assert gaps([one]) == [(early[-1].end, late[0].tick)]


def _moved(row, by):
    pane = panes.decode(row.pane)
    moved = replace(pane, tick=pane.tick + by, end=pane.end + by)
    return Row.of_pane(moved, panes.encode(moved), row.tick_ms, row.sources)


def test_a_day_is_that_of_the_tick_in_utc():
    assert day_of(traffic.START_MS) == "2026-01-05"
