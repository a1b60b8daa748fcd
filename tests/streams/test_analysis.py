"""What a notebook gets is what the commands say."""

import json
import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from xml.etree import ElementTree

import msgspec
import pytest
from rich.console import Console

from drift.errors import BaselineRefusedError, LensMismatchError, SettingsError, SourceError
from streams import analysis
from streams.analysis import Archive, Frame, difference, judge, load, make_baseline, side_by_side
from streams.archive_rows import Row
from streams.building import build_baseline
from streams.cli.common import Reader, Reading
from streams.compaction import compact
from streams.observe import Sight
from streams.replay_rows import ReplayRows
from streams.replaying import Library, Replaying, Span, Trial
from streams.report.page import page
from streams.report.read import read
from streams.report.story import stories
from streams.settings import Settings
from streams.store import Store
from tests.streams import panes as ticks
from tests.streams import test_replaying, traffic
from tests.streams.cli.conftest import driftline, normal  # noqa: F401

MADE = list(traffic.calls(1000, 1600, changed_from=1300))
LINES = b"".join(line + b"\n" for line in traffic.lines(MADE))


@pytest.fixture(scope="module")
def judged():
    return judge(load(MADE), traffic.baseline())


@pytest.fixture
def archive(tmp_path):
    made = Archive(str(tmp_path / "archive"), create=True)
    made.add(Row.of(sent) for one in ticks.drifted() for sent in one.panes)
    return made


def lines_of(kind, data):
    return [line for line in data.splitlines() if line.startswith(f'{{"row":"{kind}"'.encode())]


def again(kind, rows):
    """Rows of a frame as lines of a verdict file."""
    return [msgspec.json.encode({"row": kind, **row}) for row in rows]


def test_alerts_and_rows_are_those_of_a_watch_to_the_byte(judged, driftline, normal, tmp_path):  # noqa: F811
    ran = driftline("watch", "-", "--baseline", normal, "--json", "--verdicts", tmp_path / "v.jsonl", stdin=LINES)
    assert ran.status == 0, ran.err
    assert len(judged.records) > 1 and b"".join(one + b"\n" for one in judged.records) == ran.out
    assert judged.alerts == [json.loads(line) for line in ran.out.splitlines()]
    kept = (tmp_path / "v.jsonl").read_bytes()
    for kind, found in (("score", judged.scores), ("stretch", judged.stretches), ("marker", judged.markers)):
        assert found and again(kind, found) == lines_of(kind, kept)
    assert [{"segment": one["segment"], **one["verdict"]} for one in map(json.loads, lines_of("summary", kept))] == (
        judged.summary
    )
    judged.save(tmp_path / "mine.jsonl.zst")
    driftline("report", tmp_path / "mine.jsonl.zst", "-o", tmp_path / "mine.json")
    driftline("report", tmp_path / "v.jsonl", "-o", tmp_path / "theirs.json")
    mine, theirs = (json.loads((tmp_path / name).read_bytes()) for name in ("mine.json", "theirs.json"))
    assert (
        theirs.pop("source") and mine.pop("source") and theirs.pop("command") == "watch -" and not mine.pop("command")
    )
    assert mine == theirs


def test_a_file_a_list_and_the_rows_of_frames_are_the_same_calls(judged, tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    (tmp_path / "calls.jsonl").write_bytes(LINES)
    file = load(tmp_path / "calls.jsonl")
    assert file.source == str(tmp_path / "calls.jsonl")
    rows = [{**one, "error_type": one.get("error_type")} for one in MADE]
    frame = pandas.DataFrame(rows)
    frame["event_time"] = pandas.to_datetime(frame["event_time"], unit="ms", utc=True)
    for calls in (file, load(frame), load(polars.DataFrame(rows, infer_schema_length=None))):
        assert [one.call_id for one in calls] == [one["call_id"] for one in MADE]
        assert judge(calls, traffic.baseline()).records == judged.records


def test_an_archive_is_judged_as_a_replay_judges_it_to_the_byte(archive, tmp_path, driftline, normal):  # noqa: F811
    ours = judge(archive, traffic.baseline())
    rows = ReplayRows(str(tmp_path), 0)
    store, settings = Store(str(tmp_path / "store")), Settings()
    trial = Trial.of("it", traffic.baseline())
    replaying = Replaying(settings, Library(store, settings, [traffic.baseline()]), [trial], Span(), rows=[rows])
    told = [one.record for closed in ticks.drifted() for one in replaying.apply(closed)]
    replaying.finish()
    assert told and ours.records == told
    (part,) = tmp_path.glob("0-*")
    assert again("score", ours.scores) == lines_of("score", part.read_bytes())
    ran = driftline("replay", "--archive", archive.address, "--baseline", normal, "--json")
    assert ran.out.splitlines() == told
    tick = sorted({one.tick for one in ticks.drifted()})
    some = judge(archive, traffic.baseline(), start=tick[3], end=tick[9])
    assert tick[3] == min(one["start"] for one in some.scores) and max(one["at"] for one in some.scores) <= tick[9]


def test_ticks_that_were_summed_up_are_judged_where_asked_for_and_say_so(archive):
    compact(archive, 1 << 41, 60_000)
    with pytest.raises(SettingsError, match="summed up since"):
        judge(archive, traffic.baseline())
    (said,) = judge(archive, traffic.baseline(), mixed=True).notes
    assert said.startswith("ticks of 60 s (judged live: 10 s): another resolution")


def test_several_segments_are_judged_each_by_its_baseline_from_calls_and_from_an_archive(tmp_path):
    other = traffic.calls(1000, 1600, app="other", prompt_name="")
    mixed = load(sorted([*MADE, *other], key=lambda one: one["event_time"]))
    second = build_baseline(
        traffic.meter(),
        traffic.records(traffic.calls(0, 600, app="other", prompt_name="")),
        lens=traffic.baseline().lens,
        calibrated=False,
    )
    both = judge(mixed, second, traffic.baseline())
    assert sorted(both.segments) == ["other", traffic.SEGMENT] and both.segments[0] == traffic.SEGMENT
    assert [one for one in both.scores if one["segment"] == traffic.SEGMENT] == (
        judge(load(MADE), traffic.baseline()).scores
    )
    assert judge(mixed, second).notes == ["600 calls are of segments without a baseline: not judged"]
    alone = judge(load(MADE), second, traffic.baseline())
    assert alone.notes == ["there are no calls of other"] and "there are no calls of other" in repr(alone)

    kept = Archive(str(tmp_path / "archive"), create=True)
    closed = ticks.closed(mixed, Sight.of(traffic.baseline()), sources=2)
    kept.add(Row.of(sent) for one in closed for sent in one.panes)
    replayed = judge(kept, traffic.baseline(), second)
    assert replayed.records == both.records
    by_name = sorted(both.scores, key=lambda one: one["segment"])
    assert sorted(replayed.scores, key=lambda one: one["segment"]) == by_name
    with pytest.raises(SettingsError, match="archive hold other, support-bot/answer: name one of them"):
        make_baseline(kept)


@pytest.mark.parametrize("of", ["calls", "archive"])
def test_two_baselines_side_by_side_are_each_as_alone_and_told_apart_in_words(of, archive):
    what = archive if of == "archive" else load(traffic.calls(1000, 1600, changed_from=1200))
    both = side_by_side(what, {"old": traffic.baseline(), "new": test_replaying.other()})
    for name, one in (("old", traffic.baseline()), ("new", test_replaying.other())):
        alone = judge(what, one)
        assert (both[name].records, both[name].scores) == (alone.records, alone.scores)
        for frame in ("scores", "alerts", "stretches", "summary"):
            rows = [row for row in getattr(both, frame) if row["judged_by"] == name]
            assert rows == [{"judged_by": name, **row} for row in getattr(alone, frame)]
    assert both["old"].records != both["new"].records
    assert [one["judged_by"] for one in both.outcomes] == ["old", "new"]
    assert "old" in both.words[0] and "new" in both.words[0] and both.words[-1].startswith("What they compare with")
    assert both._repr_html_().count("<iframe") == 2 and repr(both).splitlines() == both.words


def test_two_baselines_side_by_side_are_what_a_replay_by_both_says(archive, driftline, tmp_path):  # noqa: F811
    store, both = Store(str(tmp_path / "store")), (traffic.baseline(), test_replaying.other())
    names = [part for one in both for part in ("--baseline", one.id)]
    for one in both:
        store.put_baseline(one)
    said = side_by_side(archive, {one.id: one for one in both})
    ran = driftline("replay", "--archive", archive.address, *names)
    assert " ".join(" ".join(said.words).split()) in ran.err
    ran = driftline("replay", "--archive", archive.address, *names, "--json")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert said.alerts == sorted(told, key=lambda one: names.index(one["judged_by"]))


def test_rows_become_frames_with_the_same_columns(judged):
    pytest.importorskip("pandas"), pytest.importorskip("polars")
    for name in ("scores", "alerts", "stretches", "markers", "summary"):
        rows = getattr(judged, name)
        columns = list(dict.fromkeys(column for row in rows for column in row))
        for frame in (rows.to_pandas(), rows.to_polars()):
            assert list(frame.columns) == columns and len(frame) == len(rows)
    assert judged.scores.to_polars()["statistic"].to_list() == [one["statistic"] for one in judged.scores]
    assert judged.alerts.to_pandas()["sentence"].tolist() == [one["sentence"] for one in judged.alerts]


def test_the_figures_are_those_of_the_report_and_a_notebook_shows_them_apart(judged, tmp_path):
    assert judged.segments == [traffic.SEGMENT]
    judged.save(tmp_path / "v.jsonl")
    account = read(str(tmp_path / "v.jsonl"))
    account.source = "a notebook"
    report = judged.report(tmp_path / "report.html")
    assert report.html == page(account, stories(account)) == (tmp_path / "report.html").read_text()
    shown = judged._repr_html_()
    assert shown.startswith("<iframe sandbox=") and "<svg" not in shown
    assert judged.figures() == [
        *(f"timeline_{kind}" for kind in ("data", "model", "output_length", "operational")),
        *("topics", "topic_map", "output_length", "latency"),
    ]
    for name in judged.figures(traffic.SEGMENT):
        one = judged.figure(name)
        inside = one.html[one.html.rindex("<svg", 0, one.html.index('class="plot')) : one.html.index("</figure>")]
        assert inside.partition('<p class="note">')[0].rstrip() in report.html
        assert "default-src &#39;none&#39;" in one.html and 'id="tip"' in one.html
        one.save(tmp_path / f"{name}.svg")
        root = ElementTree.fromstring((tmp_path / f"{name}.svg").read_bytes())
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.findtext("{*}title")
    assert "output length" in judged.markdown and "drift" in repr(judged)
    with pytest.raises(SettingsError, match=r"a report is html, md or json: .*report\.svg ends in none"):
        judged.report(tmp_path / "report.svg")
    with pytest.raises(SourceError, match="name a place that can"):
        judged.report(tmp_path / "nowhere" / "report.html")
    with pytest.raises(SettingsError, match=r"got .*map\.png: name a file that ends in \.html or \.svg"):
        judged.figure("topic_map").save(tmp_path / "map.png")
    judged.report(tmp_path / "report.md")
    assert (tmp_path / "report.md").read_text() == judged.markdown
    judged.report(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["segments"]


def test_texts_of_calls_cannot_leave_a_figure(tmp_path):
    hostile = '"></svg><script>alert(1)</script>\x0b\u202e&'
    named = judge(load([{**one, "served_model": hostile} for one in MADE]), traffic.baseline())
    for name in named.figures():
        one = named.figure(name)
        assert "<script>alert" not in one.html + one.svg + one._repr_html_()
        ElementTree.fromstring(one.svg.encode())


def test_what_cannot_be_is_refused_with_its_remedy(judged, archive, monkeypatch):
    calls = load(MADE)
    known = traffic.baseline()
    for wrong, said in (
        (lambda: judge(load([{**MADE[0], "app": "another"}]), known), "none of these 1 calls is of support-bot/answer"),
        (lambda: judge(calls), "no baseline given: make one by make_baseline"),
        (lambda: judge(calls, known, known), "two baselines are of support-bot/answer: compare them by side_by_side"),
        (lambda: side_by_side(calls, {}), "no baselines given"),
        (lambda: judge(calls, known, start=1), "choose among the calls"),
        (lambda: judge(archive, known, start=2, end=1), "turn them round"),
        (lambda: judged.figure("weather"), "got weather, of support-bot/answer there are timeline_data"),
        (lambda: judged.figure("topics", "nobody"), "got nobody, judged were support-bot/answer"),
        (lambda: judged.save("v.csv"), r"its name must end in \.jsonl"),
        (lambda: make_baseline(load([MADE[0], {**MADE[1], "app": "another"}])), "another/answer, support-bot/answer"),
        (lambda: make_baseline(calls, segment="nobody"), "segment: got nobody, of 600 calls 600"),
        (lambda: make_baseline(calls, end=1), "nothing to make it of, of 600 calls 0 in the range"),
        (lambda: judge(load([{"app": "x"}]), known), "judge: all 1 calls were rejected, the first for .*: event_time"),
        (lambda: judge(MADE, known), r"judge: got list: load\(\.\.\.\) makes calls"),
        (lambda: judge("calls.jsonl", known), "judge: got str 'calls.jsonl': load"),
        (lambda: judge(calls, "bot@prod"), "judge: got str 'bot@prod' for a baseline: Store"),
        (lambda: side_by_side(calls, [known, known]), "give baselines by their names"),
        (lambda: difference(known, calls), "difference: got Calls for a baseline"),
        (lambda: judge(calls, known, settings={}), r"judge: settings: got dict: give Settings"),
        (lambda: judge(calls, known, settings=Settings(texts="x")), "texts is 'x'"),
        (lambda: judge(archive, known, start="soon"), "start: got str 'soon': give milliseconds, a datetime or 2026"),
        (lambda: load(MADE[0]), "load: got one mapping: give a list"),
        (lambda: load(MADE, field_map={"nofield": "x"}), "field_map: nofield is no field"),
        (lambda: load([{**MADE[0], "input": object()}]), "load: call 1 cannot be read: got <object"),
    ):
        with pytest.raises(SettingsError, match=said):
            wrong()
    with pytest.raises(SourceError):
        load("nowhere.jsonl")
    with pytest.raises(BaselineRefusedError):
        make_baseline(calls[:20])
    foreign = make_baseline(calls, force=True)
    with pytest.raises(LensMismatchError):
        difference(known, foreign)
    with pytest.raises(LensMismatchError):
        judge(archive, foreign)
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    for frame in (Frame.to_pandas, Frame.to_polars):
        with pytest.raises(SettingsError, match=r"is not installed: pip install p.*; or take the rows as they are"):
            frame(judged.scores)


def test_neither_pandas_nor_polars_is_imported_until_a_frame_is_asked_for():
    code = "import sys, streams.analysis; print({'pandas', 'polars', 'click', 'pyarrow'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_what_is_no_call_is_kept_with_its_reason_and_gaps_of_a_frame_are_no_values():
    found = load([MADE[0], {"app": "x"}, {**MADE[1], "latency_ms": float("nan"), "region": None}])
    assert len(found) == 2 and found[1].region == ""
    assert [one.field for one in found.rejected] == ["event_time"] and found.rejected[0].detail
    assert repr(found) == "2 calls, 1 rejected"
    assert [one.reason for one in load([5, None, "text", [1]]).rejected] == ["not_an_object"] * 4
    renamed = [{("service" if name == "app" else name): value for name, value in MADE[0].items()}]
    assert load(renamed, field_map={"app": "service"})[0].app == MADE[0]["app"]


def test_calls_without_an_id_get_that_of_the_command(tmp_path):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode({**one, "call_id": None}) + b"\n" for one in MADE[:3]))
    entries = Reader(str(path), Reading({}, None), Console()).entries()
    assert [one.call_id for one in load(path)] == [one.record.call_id for one in entries]


def test_calls_in_another_order_than_they_came_are_not_left_out_unsaid():
    shuffled = random.Random(1).sample(MADE, len(MADE))
    notes = judge(load(shuffled), traffic.baseline()).notes
    assert re.search(r"\d+ of 600 calls came later than lateness_s \(\d+ s\).*sort it by event_time", notes[0])
    assert repr(traffic.baseline()).startswith("Baseline(support-bot/answer, ")


def test_what_came_twice_is_counted_once_and_said(archive):
    notes = judge(load([one for one in MADE for _ in range(2)]), traffic.baseline()).notes
    assert "600 calls bear the call_id of another one: counted once" in notes
    assert "drift" in repr(side_by_side(load(MADE), {"alone": traffic.baseline()}))


def test_a_range_is_of_numbers_times_or_texts(archive):
    low = traffic.records(MADE)[100].event_time
    at = datetime.fromtimestamp(low / 1000, UTC)
    of = [
        judge(archive, traffic.baseline(), start=one).records
        for one in (low, at, at.replace(tzinfo=None), at.isoformat())
    ]
    assert of[0] and all(one == of[0] for one in of)


def test_settings_are_those_of_the_commands(monkeypatch, tmp_path):
    monkeypatch.setenv("DRIFTLINE_ONE_FALSE_ALARM_EVERY", "12345 calls")
    judge(load(MADE), traffic.baseline()).save(tmp_path / "v.jsonl")
    (one,) = read(str(tmp_path / "v.jsonl")).segments.values()
    assert one.baseline.every_calls == 12345


def test_a_baseline_is_that_of_the_command(driftline, tmp_path, archive):  # noqa: F811
    (tmp_path / "calls.jsonl").write_bytes(b"".join(line + b"\n" for line in traffic.lines(traffic.calls(0, 600))))
    ran = driftline("baseline", "build", tmp_path / "calls.jsonl", "--json")
    assert make_baseline(load(tmp_path / "calls.jsonl")).id == json.loads(ran.out)["baseline"]
    Store(str(tmp_path / "store")).put_baseline(traffic.baseline())
    ran = driftline("baseline", "build", "--from-archive", archive.address, "--force", "--json")
    settings = Settings(store=str(tmp_path / "store"))
    for made in (
        make_baseline(archive, force=True, settings=settings),
        make_baseline(archive, force=True, like=traffic.baseline()),
    ):
        assert made.id == json.loads(ran.out)["baseline"]
    with pytest.raises(SourceError, match="through lens"):
        make_baseline(archive, force=True, settings=Settings(store=str(tmp_path / "empty")))


def test_a_baseline_differs_from_another_as_the_command_says(driftline, normal, tmp_path):  # noqa: F811
    found = difference(traffic.baseline(), test_replaying.other())
    assert {one["detector"] for one in found if one["answer"] == "drift"} >= {"output length"}
    Store(str(tmp_path / "store")).put_baseline(test_replaying.other())
    ran = driftline("baseline", "diff", normal, test_replaying.other().id, "--json")
    assert [msgspec.json.encode(one) for one in found] == [
        msgspec.json.encode(json.loads(line)) for line in ran.out.splitlines()
    ]
    assert found.words and all(" ".join(one.split()) for one in found.words)
    same = difference(traffic.baseline(), traffic.baseline())
    assert same.words == ["they do not differ by more than is tolerated"]
    assert set(analysis.__all__) >= {"judge", "load", "make_baseline", "difference", "side_by_side"}
