"""What a notebook gets is what the commands say."""

import builtins
import json

import pytest

from drift.errors import BaselineRefusedError, LensMismatchError, SettingsError
from streams import analysis
from streams.analysis import Archive, Frame, difference, judge, load, make_baseline
from streams.archive_rows import Row
from tests.streams import panes as ticks
from tests.streams import test_replaying, traffic
from tests.streams.cli.conftest import driftline, normal  # noqa: F401

MADE = list(traffic.calls(1000, 1600, changed_from=1300))


@pytest.fixture(scope="module")
def judged():
    return judge(load(MADE), traffic.baseline())


@pytest.fixture
def archive(tmp_path):
    made = Archive(str(tmp_path / "archive"), create=True)
    made.add(Row.of(sent) for one in ticks.drifted() for sent in one.panes)
    return made


def test_alerts_and_rows_are_those_of_a_watch(judged, driftline, normal, tmp_path):  # noqa: F811
    calls = tmp_path / "calls.jsonl"
    calls.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in MADE))
    ran = driftline("watch", calls, "--baseline", normal, "--json", "--verdicts", tmp_path / "v.jsonl")
    assert ran.status == 0, ran.err
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert told and judged.alerts == [{k: v for k, v in one.items() if k != "replay"} for one in told]
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_bytes().splitlines()]
    for kind, found in (("score", judged.scores), ("stretch", judged.stretches), ("marker", judged.markers)):
        assert found == [{k: v for k, v in one.items() if k != "row"} for one in rows if one["row"] == kind]
    assert judge(load(calls), traffic.baseline()).scores == judged.scores


def test_an_archive_is_judged_as_a_replay_judges_it(archive, driftline, normal):  # noqa: F811
    ran = driftline("replay", "--archive", archive.address, "--baseline", normal, "--json")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert told and judge(archive, traffic.baseline()).alerts == told
    tick = sorted({one.tick for one in ticks.drifted()})
    part = judge(archive, traffic.baseline(), start=tick[3], end=tick[9])
    assert tick[3] == min(one["start"] for one in part.scores) and max(one["at"] for one in part.scores) <= tick[9]


def test_the_figures_are_those_of_the_report_and_a_notebook_shows_them_apart(judged):
    assert judged.segments == [traffic.SEGMENT]
    shown = judged._repr_html_()
    assert shown.startswith("<iframe sandbox=") and "<svg" not in shown
    plot = judged.timeline("model")
    inside = plot.html[plot.html.index("<svg") : plot.html.index("</svg>")]
    assert inside in judged.report.html
    assert "default-src &#39;none&#39;" in plot.html and 'id="tip"' in plot.html
    assert "output length" in judged.markdown and "drift" in repr(judged)


def test_what_cannot_be_is_refused_with_its_remedy(judged, archive, monkeypatch):
    calls = load(MADE)
    for wrong, said in (
        (lambda: judge(load([{**MADE[0], "app": "another"}]), traffic.baseline()), "none of these 1 calls is of"),
        (lambda: judge(calls, traffic.baseline(), start=1), "choose among the calls"),
        (lambda: judge(archive, traffic.baseline(), start=2, end=1), "turn them round"),
        (lambda: judged.timeline("weather"), "weather was not judged in support-bot/answer: choose of data"),
        (lambda: judged.timeline("model", "nobody"), "nobody was not judged: choose of support-bot/answer"),
        (lambda: make_baseline(load([MADE[0], {**MADE[1], "app": "another"}])), "these calls are of another/answer"),
    ):
        with pytest.raises(SettingsError, match=said):
            wrong()
    with pytest.raises(BaselineRefusedError):
        make_baseline(calls[:20])
    foreign = make_baseline(calls, force=True)
    with pytest.raises(LensMismatchError):
        difference(traffic.baseline(), foreign)
    with pytest.raises(LensMismatchError):
        judge(archive, foreign)

    real = builtins.__import__

    def without(name, *given, **more):
        if name in ("pandas", "polars"):
            raise ImportError(name)
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    for frame in (Frame.to_pandas, Frame.to_polars):
        with pytest.raises(SettingsError, match="pip install p"):
            frame(judged.scores)


def test_what_is_no_call_is_kept_with_its_reason_and_gaps_of_a_frame_are_no_values():
    found = load([MADE[0], {"app": "x"}, {**MADE[1], "latency_ms": float("nan"), "region": None}])
    assert len(found) == 2 and found[1].region == ""
    assert [one.field for one in found.rejected] == ["event_time"] and found.rejected[0].detail


def test_a_baseline_differs_from_another_as_the_command_says():
    found = difference(traffic.baseline(), test_replaying.other())
    assert {one["detector"] for one in found if one["answer"] == "drift"} >= {"output length"}
    assert not [one for one in difference(traffic.baseline(), traffic.baseline()) if one["answer"] == "drift"]
    assert set(analysis.__all__) >= {"judge", "load", "make_baseline", "difference"}
