"""The page as text: what it tells, that strangers' texts stay text, and that it has a size."""

import re

import msgspec
import numpy as np
import pytest

from drift.budget import parse
from drift.false_alarms import calibrating
from streams.embedded import Options, Watch
from streams.http.evidence import Example
from streams.report import figures
from streams.report.differences import pairs
from streams.report.page import ROOM, policy
from streams.report.read import read
from streams.report.story import Shares, stories
from streams.verdict_rows import VerdictRows
from tests.streams import traffic
from tests.streams.report import files


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "verdicts.jsonl"
    path.write_bytes(files.two_segments())
    return path


@pytest.fixture(scope="module")
def html(told):
    return files.html(told)


def test_the_worst_segment_is_told_first_and_in_words(html):
    verdicts = re.findall(r'<span class="answer ([a-z_]+)">[^<]+</span> <bdi[^>]*>([^<]+)', html)
    assert [answer for answer, _ in verdicts] == ["drift", "no_drift"]
    assert verdicts[0][1].startswith("support-bot/answer (600 calls judged): ")
    assert "no drift in" in verdicts[1][1]


def test_every_part_is_there(html):
    for part in (
        "Evidence over time",
        "Alarms",
        "What people ask",
        "Topics on a map",
        "Length of answers",
        "Latency",
        "Other questions, or other answers?",
        "Baseline",
        "what is tested and promised",
        "What this cannot tell",
        "<ins>",
    ):
        assert part in html


def test_false_alarms_realised_without_drift_stand_beside_those_promised(tmp_path, html):
    known = traffic.baseline()
    thresholds = {name: threshold for name, (threshold, _) in known.thresholds(parse("200000 calls")).items()}
    tally = calibrating(known, thresholds).tally(200_000)
    words = " ".join(re.sub(r"<[^>]+>", "", html).split())
    said = f"alarm{'s' * (tally.alarms != 1)} in {tally.exposure:,.0f} calls of {known.calibration.runs} streams"
    assert f"{tally.alarms or 'no'} {said}" in words
    assert "These set the thresholds, so they flatter" in words and "not known until it is measured" in words
    assert f"driftline check-alarms {known.id}" in words
    before = tmp_path / "before.jsonl"
    rows = [msgspec.json.decode(line) for line in files.two_segments().splitlines()]
    before.write_bytes(b"\n".join(msgspec.json.encode(row | {"calibrating": None}) for row in rows))
    assert "not known: this file holds no figure" in files.html(before)


def test_a_page_says_what_was_judged_and_what_it_was_compared_with(html):
    words = " ".join(re.sub(r"<[^>]+>", "", html).split())
    assert "600 calls, 08:10 UTC on 5 January 2026 to 08:16 UTC on 5 January 2026, compared with 1,000 calls" in words
    assert re.search(r'at <a href="#alarm-[0-9a-f]+">alarm \d+</a>', html)


def test_a_segment_of_which_nothing_was_judged_says_so(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    with VerdictRows(str(path), "watch calls.jsonl") as rows:
        watched = Watch(traffic.meter(), Options(parse("200000 calls")), seen=rows.seen)
        rows.alerts([*watched.feed(traffic.records(traffic.calls(0, 300)))[0], *watched.finish()])
        rows.finish(watched.segments.values(), watched.counts)
    assert "No call of it was judged" in files.html(path)


def test_words_in_a_stack_stand_in_their_own_bands():
    """Two bands of which one is thick at the left and the other at the right, and one that is thin everywhere."""
    left, right = np.linspace(0.9, 0.05, 20), np.linspace(0.05, 0.9, 20)
    thin = np.full(20, 0.02)
    columns = np.stack([left, thin, right], axis=1) / (left + thin + right)[:, None]
    names = ["at the left", "thin", "at the right"]
    at = [n * 3_600_000 for n in range(1, 21)]
    drawn = figures.topics(Shares(names, 3, [0.5, 0.02, 0.48], at, 0, columns.tolist(), [60] * 20, [0.1] * 3), "topics")
    words = {
        name: (float(x), float(y))
        for x, y, name in re.findall(r'<text x="([\d.]+)%" y="([\d.]+)"[^>]*class="label">([^<]+)<', drawn.svg)
    }
    assert set(words) == {"at the left", "at the right"}
    assert words["at the left"][0] < 50 < words["at the right"][0]
    for name, (x, y) in words.items():
        shares = columns[min(int((x - 11) / 89 * 20), 19)]
        place = names.index(name)
        floor, top = (300 * (1 - shares[:until].sum()) for until in (place, place + 1))
        assert top < y < floor


def test_excerpts_that_were_cut_end_with_a_mark():
    whole, cut = Example("Why?", "x" * 399), Example("Why?", "x" * 400)
    (pair,) = pairs([whole], [cut])
    assert "…" not in pair.before[1]
    assert pair.now[1].endswith('<span class="clipped">…</span>')


def test_a_very_long_name_is_not_told_again_and_again(tmp_path):
    path = tmp_path / "alerts.jsonl"
    long = "x" * 200
    path.write_bytes(files.record(segment={"app": long}, sentence=f"Since noon {long} answers otherwise."))
    html = files.html(path)
    assert f"Since noon {'x' * 59}… answers otherwise." in html
    assert f">{long}</bdi></h2>" in html


def test_every_link_leads_somewhere_on_the_page(html):
    names = set(re.findall(r'id="([^"]+)"', html))
    links = set(re.findall(r'href="([^"]*)"', html))
    assert len(links) > 10
    assert all(link.startswith("#") and link[1:] in names for link in links)


def test_nothing_is_loaded_and_no_style_stands_in_an_attribute(html):
    outside = re.findall(r'(?:src|href|action|data)="(?!#)[^"]*"|url\(|@import|<link|<iframe| style=', html)
    assert outside == []
    assert policy().startswith("default-src 'none'")
    assert "unsafe" not in policy()


def test_statistics_of_all_detectors_are_on_the_timeline(told):
    story = stories(read(str(told)))[0]
    drawn = {line.detector for kind in story.kinds for line in story.lines(kind)}
    assert drawn == set(story.told.courses)
    (line,) = story.lines("output_length")
    assert max(line.ratio) > 1
    assert line.at == sorted(line.at)


def test_a_long_course_is_drawn_by_the_nearest_to_the_threshold(told):
    story = stories(read(str(told)))[0]
    course = story.told.courses["output_length"]
    for at in range(story.told.end, story.told.end + 5_000_000, 1000):
        course.at.append(at)
        course.statistic.append(1.0 if at != story.told.end + 777_000 else 7.0)
        course.threshold.append(7.0)
    story.told.end += 5_000_000
    (line,) = story.lines("output_length")
    assert len(line.at) <= 240
    assert 7.0 in line.statistic


def test_hostile_texts_are_text(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    files.write(path, files.drifting(input=files.HOSTILE, served_model=files.HOSTILE))
    html = files.html(path)
    assert "&lt;script&gt;alert(1)" in html
    assert html.count("<script>") == 1
    assert "<img" not in html
    assert "\u202e" not in html
    assert "\u0000" not in html
    assert '<span class="mark">U+202E</span>' in html
    assert "49" not in re.findall(r"alert\(1\)&lt;/script&gt;[^{]{0,30}(\d\d)", html)


def test_a_text_of_a_megabyte_is_clipped_and_its_length_told(tmp_path):
    path = tmp_path / "alerts.jsonl"
    long = "\u202e<b>" * 350_000
    examples = {"before": [{"input": long, "output": long}], "now": [{"input": long, "output": long + "x"}]}
    path.write_bytes(files.record(examples=examples, sentence=long, detector=long))
    html = files.html(path)
    assert len(html.encode()) < 600_000
    assert "1,400,000 characters" in html
    assert "<b>" not in html


def many(path):
    """Alerts of 40 segments, each of 20 alarms with texts that take much room on a page."""
    text = "<&\u202e" * 300
    examples = {"before": [{"output": text}] * 5, "now": [{"output": text + "."}] * 5}
    lines = [
        files.record(alert_id=f"a{n}", segment={"app": f"app{n // 20}"}, examples=examples, sentence=text)
        for n in range(800)
    ]
    path.write_bytes(b"".join(lines))
    return path


def test_however_many_segments_and_alarms_a_page_keeps_its_size_and_says_what_it_left_out(tmp_path):
    html = files.html(many(tmp_path / "alerts.jsonl"))
    assert ROOM / 2 < len(html.encode()) < 3_000_000
    assert "Its evidence did not fit" in html
    assert "Its plots did not fit" in html
    assert html.count('<section class="segment') == 40


def test_segments_that_do_not_fit_in_a_sentence_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("streams.report.page.ROOM", 10_000)
    html = files.html(many(tmp_path / "alerts.jsonl"))
    shown = html.count('<section class="segment')
    assert 0 < shown < 40
    assert f"{40 - shown} more segments, less worth looking at" in html


def test_alerts_alone_make_a_page_of_fewer_plots_that_says_so(tmp_path, told):
    path = tmp_path / "alerts.jsonl"
    alerts = [msgspec.json.decode(line)["alert"] for line in told.read_bytes().splitlines() if b'"row":"alert"' in line]
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in alerts))
    html = files.html(path)
    assert "Made of alert records alone" in html
    assert "alarm 1" in html
    assert "Topics on a map" not in html


def test_the_records_of_an_alarm_are_one_alarm(tmp_path):
    path = tmp_path / "alerts.jsonl"
    ended = files.record(record_id="a-resolved", state="resolved", resolved_at="2026-01-05T14:00:00Z")
    path.write_bytes(files.record() + files.record(record_id="a-acknowledged", state="acknowledged") + ended)
    (story,) = stories(read(str(path)))
    (alarm,) = story.alarms
    assert (alarm.state, story.answer) == ("resolved", "unknown")


def test_a_call_stands_beside_the_one_most_like_it_and_differing_words_are_marked():
    before = [Example("How do I pay?", "By card or bank."), Example("Where is my parcel?", "It is on its way to you.")]
    now = [Example("Where is my big parcel?", "It is on its slow way to <you>.")]
    one, rest = pairs(before, now)
    assert "parcel" in one.before[0]
    assert "<ins>" in one.now[0]
    assert re.search(r"<ins><bdi[^>]*>slow ", one.now[1])
    assert "&lt;" in one.now[1]
    assert rest.now is None


def test_texts_that_share_hardly_a_word_are_not_marked():
    (one,) = pairs([Example("a", "one two three")], [Example("b", "four five six")])
    assert not one.marked


def test_alerts_alone_are_drawn_without_thresholds_that_nobody_knows(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(files.record())
    html = files.html(path)
    assert "Alarms over time" in html and "Each line is a detector" not in html
    assert 'class="threshold"' not in html and "2 × and more" not in html
