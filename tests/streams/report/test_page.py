"""The page as text: what it tells, that strangers' texts stay text, and that it has a size."""

import re

import msgspec
import pytest

from streams.http.evidence import Example
from streams.report.differences import pairs
from streams.report.page import ROOM, policy
from streams.report.read import read
from streams.report.story import stories
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
