"""``driftline report`` and ``watch --verdicts`` from the outside."""

import re

import msgspec
import pytest

from drift import baseline as baselines
from tests.streams import test_replaying, traffic
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


def test_a_report_of_no_kind_is_refused(driftline, verdicts, tmp_path):
    ran = driftline("report", verdicts, "-o", tmp_path / "report.pdf")
    assert ran.status == 2 and "a report is html, md or json" in ran.err
    assert driftline("report", verdicts, "-o", tmp_path / "report.pdf", "--format", "html").status == 0


def test_a_place_that_cannot_be_written_ends_with_2(driftline, verdicts, tmp_path):
    ran = driftline("report", verdicts, "-o", tmp_path / "nowhere" / "report.html")
    assert ran.status == 2
    assert "cannot be written" in ran.err


@pytest.fixture
def checked(tmp_path):
    """What a check has said of the baseline of the verdict file, as ``check-alarms --json`` does."""
    path = tmp_path / "check.jsonl"
    about = {"of": "resampled", "baseline": traffic.baseline().id, "promised_every_calls": 200_000, "calls": 1_000_000}
    together = about | {"detector": "together", "alarms": 4, "one_every_calls": 250_000.0, "answer": "kept"}
    alone = about | {"detector": "answers", "alarms": 0, "one_every_calls": None, "answer": "not_enough_exposure"}
    lines = [together | {"low": 98_000.0, "high": 920_000.0}, alone | {"low": 271_000.0, "high": None}]
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))
    return path


def test_counted_false_alarms_stand_beside_those_promised(driftline, verdicts, checked):
    shown = "shows it here"
    assert driftline("report", verdicts).out.decode().count(shown) == 2
    page = driftline("report", verdicts, "--check", checked).out.decode()
    assert page.count(shown) == 1, "the other segment has another baseline"
    assert (
        "realised one in 250,000 calls (95 %: 98,000 to 920,000; 4 alarms in 1,000,000 calls): the promise is kept"
        in page
    )
    assert "95 %: more than 270,000" in page
    told = driftline("report", verdicts, "--check", checked, "--format", "md").out.decode()
    assert "False alarms by resampling: promised one in 200,000 calls, realised one in 250,000 calls" in told
    found = msgspec.json.decode(driftline("report", verdicts, "--check", checked, "--format", "json").out)
    assert [one["detector"] for one in found["segments"][0]["false_alarms_counted"]] == ["together", "answers"]


def test_checks_of_something_else_are_refused(driftline, verdicts, checked, tmp_path):
    data = checked.read_bytes()
    for content, why in (
        (
            data.replace(traffic.baseline().id.encode(), b"another"),
            "--check is of baseline another; those of the report",
        ),
        (verdicts.read_bytes(), "is not what 'driftline check-alarms --json' says"),
        (b"", "is empty"),
    ):
        checked.write_bytes(content)
        ran = driftline("report", verdicts, "--check", checked)
        assert (ran.status, ran.out) == (2, b""), ran.err
        assert why in ran.err


def test_two_files_are_told_side_by_side_and_in_words(driftline, normal, write, tmp_path):
    calls, other = write(traffic.lines(files.drifting())), tmp_path / "other.safetensors"
    other.write_bytes(baselines.encode(test_replaying.other()))
    for name, known in (("old", normal), ("new", other)):
        assert driftline("watch", calls, "--baseline", known, "--verdicts", tmp_path / f"{name}.jsonl").status == 0
    both = [tmp_path / "old.jsonl", tmp_path / "new.jsonl"]
    page = driftline("report", *both).out.decode()
    assert "What they compare with: old: 1,000 calls of " in page
    assert "support-bot/answer by old" in page and "support-bot/answer by new" in page
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))
    told = driftline("report", *both, "--format", "md").out.decode()
    assert "| kind | old | new |" in told and "output length: alarms by all: old since" in told
    found = msgspec.json.decode(driftline("report", *both, "--format", "json").out)
    (one,) = found["side_by_side"]
    assert [by["judged_by"] for by in one["by"]] == ["old", "new"]
    assert len({by["baseline"] for by in one["by"]}) == 2
    assert len(found["segments"]) == 2


def test_of_two_files_the_same_is_said_to_be_the_same_and_strangers_are_named(driftline, verdicts, tmp_path):
    told = driftline("report", verdicts, verdicts, "--format", "md").out.decode()
    assert "the same alarms by verdicts (1) and verdicts (2)" in told
    alone = tmp_path / "alone.jsonl"
    files.write(alone, files.drifting())
    assert "calm/answer: only verdicts knows it." in driftline("report", verdicts, alone, "--format", "md").out.decode()


def test_what_cannot_stand_side_by_side_is_refused(driftline, verdicts, tmp_path):
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_bytes(files.record())
    assert "holds alert records alone" in driftline("report", verdicts, alerts).err
    assert "one file is reported, or two side by side" in driftline("report", *[verdicts] * 3).err
