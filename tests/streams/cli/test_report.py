"""``driftline report`` and ``watch --verdicts`` from the outside."""

import msgspec
import pytest

from tests.streams import traffic
from tests.streams.report import files


@pytest.fixture
def verdicts(tmp_path):
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(files.two_segments())
    return path


@pytest.mark.parametrize("name", ["verdicts.jsonl", "verdicts.jsonl.zst"])
def test_a_watch_keeps_verdicts_and_a_report_shows_them(driftline, normal, write, tmp_path, name):
    calls = write(traffic.lines(files.drifting()))
    kept, page = tmp_path / name, tmp_path / "report.html"
    plain = driftline("watch", calls, "--baseline", normal, "--json")
    ran = driftline("watch", calls, "--baseline", normal, "--json", "--verdicts", kept)
    assert (ran.status, ran.out) == (0, plain.out)
    assert [one.name for one in tmp_path.iterdir() if "verdicts" in one.name] == [name]
    assert driftline("report", kept, "-o", page).status == 0
    assert "judged by <code>driftline" in page.read_text()


def test_alert_records_of_watch_can_be_reported(driftline, normal, write, tmp_path):
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_bytes(driftline("watch", write(traffic.lines(files.drifting())), "--baseline", normal, "--json").out)
    assert b"Made of alert records alone" in driftline("report", alerts).out


def test_a_name_that_is_no_verdict_file_is_refused_before_anything_is_read(driftline, write, tmp_path):
    ran = driftline("watch", write([b"{}"]), "--verdicts", tmp_path / "verdicts.csv")
    assert ran.status == 2
    assert "must end in .jsonl or .jsonl.zst" in ran.err


def test_a_log_without_a_call_leaves_no_verdict_file(driftline, write, tmp_path):
    assert driftline("watch", write([b"{}"]), "--verdicts", tmp_path / "verdicts.jsonl").status == 2
    assert list(tmp_path.glob("verdicts*")) == []


def test_a_log_that_breaks_off_gives_a_file_that_says_so(driftline, normal, write, tmp_path):
    import gzip

    calls = write(traffic.lines(files.drifting()), lambda data: gzip.compress(data)[:-2000])
    kept = tmp_path / "verdicts.jsonl"
    assert driftline("watch", calls, "--baseline", normal, "--verdicts", kept).status == 3
    assert b"<strong>Cut off:</strong>" in driftline("report", kept).out


def test_markdown_is_plain_about_strangers_texts(driftline, tmp_path):
    path = tmp_path / "alerts.jsonl"
    hostile = "@everyone ![x](https://evil.example) <b>*bold*</b> | `code`\n# head"
    path.write_bytes(files.record(sentence=hostile))
    told = driftline("report", path, "--format", "md").out.decode()
    assert "&#64;everyone &#33;&#91;x&#93;(https://evil.example) &lt;b&gt;&#42;bold&#42;" in told
    assert "\n# head" not in told
    assert "<b>" not in told


def test_markdown_tells_segments_kinds_and_alarms(driftline, verdicts, tmp_path):
    page = tmp_path / "report.md"
    assert driftline("report", verdicts, "-o", page).status == 0
    told = page.read_text()
    assert told.startswith("## Drift report: 1 of 2 segments drifted")
    assert "| output length | drift |" in told
    assert len(told) < 65_536


def test_json_tells_everything_but_the_pictures(driftline, verdicts):
    told = msgspec.json.decode(driftline("report", verdicts, "--format", "json").out)
    first, second = told["segments"]
    assert (first["answer"], second["answer"]) == ("drift", "no_drift")
    assert first["output_length"]["quantiles"][0]["now"] > first["output_length"]["quantiles"][0]["before"]
    assert {"alarms", "courses", "topics", "markers", "detectors", "baseline", "explained"} <= first.keys()
    assert first["alarms"][0]["raised"]["sentence"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"hello\n", "is neither a verdict file"),
        (b'{"row":"file","format":9,"release":"7.0.0"}\n', "is of format 9"),
        (b'{"row":"file","format":1,"release":"0.1.0"}\n{"row":"sc', "is cut off or damaged"),
    ],
    ids=["empty", "something else", "another release", "cut off"],
)
def test_bad_files_end_with_2_and_leave_what_was_there(driftline, tmp_path, data, why):
    path, page = tmp_path / "verdicts.jsonl", tmp_path / "report.html"
    path.write_bytes(data)
    page.write_text("the last report")
    ran = driftline("report", path, "-o", page)
    assert ran.status == 2
    assert why in ran.err
    assert page.read_text() == "the last report"
    assert sorted(one.name for one in tmp_path.glob("report*")) == ["report.html"]


def test_a_place_that_cannot_be_written_ends_with_2(driftline, verdicts, tmp_path):
    ran = driftline("report", verdicts, "-o", tmp_path / "nowhere" / "report.html")
    assert ran.status == 2
    assert "cannot be written" in ran.err
