"""Verdict files and alert records for tests of the report: plain ones, and such as strangers might bring about."""

import functools

import msgspec

from drift.budget import parse
from streams.embedded import Options, Watch
from streams.report.page import page
from streams.report.read import read
from streams.report.story import stories
from streams.verdict_rows import VerdictRows
from tests.streams import traffic

HOSTILE = "<script>alert(1)</script> \"'`{{7*7}} \u202egnp.exe \u0000 <img src=https://evil.example/x onerror=alert(2)>"


def write(path, calls, known=None, cut_off=""):
    """A verdict file of these calls; its alerts as they were told."""
    with VerdictRows(str(path), "watch calls.jsonl") as rows:
        known = {traffic.SEGMENT: traffic.baseline()} if known is None else known
        watched = Watch(traffic.meter(), Options(parse("200000 calls"), first=None), known, seen=rows.seen)
        alerts = watched.feed(traffic.records(calls))[0] + watched.finish()
        rows.alerts(alerts)
        rows.finish(watched.segments.values(), watched.counts, cut_off)
    return alerts


def drifting(**fields):
    """Calls of which the later ones are answered by another model, with these fields."""
    return [*traffic.calls(1000, 1300), *traffic.calls(1300, 1600, changed_from=1300, **fields)]


@functools.cache
def two_segments():
    """Bytes of a verdict file of a segment that drifts and one that does not."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    known = traffic.baseline()
    calm = replace(known, pane=replace(known.pane, segment="calm/answer"))
    quiet = traffic.calls(1000, 1500, app="calm")
    calls = sorted([*drifting(), *quiet], key=lambda call: call["event_time"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.jsonl"
        write(path, calls, {traffic.SEGMENT: known, "calm/answer": calm})
        return path.read_bytes()


def html(path):
    """The page of a file."""
    account = read(str(path))
    return page(account, stories(account))


def record(**fields):
    """An alert record as a line of JSON."""
    made = {
        "record_id": "a-firing",
        "alert_id": "a",
        "state": "firing",
        "segment": {"app": "support-bot", "prompt_name": "answer"},
        "kind": "model",
        "detector": "answers",
        "sentence": "Since noon it answers otherwise.",
        "raised_at": "2026-01-05T12:00:00Z",
        "since": "2026-01-05T11:00:00Z",
        "calls_seen": 500,
        "statistic": 9.0,
        "threshold": 8.0,
    }
    return msgspec.json.encode(made | fields) + b"\n"
