"""Lines of segments: bounded where many are quiet, forgotten with their partition or when calls stop coming."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import ALARMS, DECLARED, KINDS, SEGMENTS
from streams.overview import KindNow, Overview, Standing
from streams.segment_lines import EXPIRE_S, LOUD_S, SegmentLines

SINCE = 1_767_600_000_000


def standing(name="a1", kind="model", **given):
    fields = {
        "alert_id": name,
        "kind": kind,
        "detector": "answers",
        "drift": "bot answers like questions differently: by 0.41",
        "change": "served_model a → b",
        "since": SINCE,
        "raised_at": "2026-01-05T08:10:00Z",
        "calls_seen": 1200,
        "statistic": 21.0,
        "threshold": 15.0,
        "effect": 0.41,
        "unit": "residual standard deviations",
        "samples": 900,
        "baseline": "b123",
        "lens": "l1",
    }
    return Standing(**(fields | given))


def overview(segment="bot/answer", ratio=0.1, alarms=(), **given):
    kinds = (
        KindNow("data", "no_drift", "topics", ratio, 0.01, "total variation", 1024, ""),
        KindNow("quality", "not_enough_data", "", 0.0, None, "", 0, "no scores"),
    )
    raised = {one.kind: 1 for one in alarms}
    fields = {
        "segment": segment,
        "phase": "judged",
        "until": SINCE + 60_000,
        "calls": 5000,
        "baseline": "b123",
        "baseline_end": SINCE,
        "kinds": kinds,
        "standing": tuple(alarms),
        "raised": raised,
        "topics": {"0": 0.25, "other": 0.75},
    }
    return Overview(**(fields | given))


def samples(lines):
    text = b"".join(lines.lines(openmetrics=False)).decode()
    return [one for family in text_string_to_metric_families(text) for one in family.samples]


def values(lines, name, **labels):
    return [one.value for one in samples(lines) if one.name == name and labels.items() <= one.labels.items()]


class Clock:
    at = 0.0

    def __call__(self):
        return self.at


def test_all_that_is_declared_of_segments_is_said_and_nothing_else():
    lines = SegmentLines(10)
    lines.put(0, overview("bot/answer#shadow", alarms=[standing(acknowledged=True)]))
    said = {one.name: one.labels.keys() for one in samples(lines)}
    assert said == {name: set(DECLARED[name].labels) for name in {**SEGMENTS, **ALARMS, **KINDS}}
    assert values(lines, "driftline_standing_alarms", app="bot", prompt_name="answer", variant="shadow") == [1]
    assert values(lines, "driftline_alarm", kind="model") == [1]
    assert values(lines, "driftline_alarm", kind="data") == [0]
    assert values(lines, "driftline_alarms_total", kind="model") == [1]
    assert values(lines, "driftline_not_enough_data_ratio") == [0.5]
    assert values(lines, "driftline_alarm_effect", alert_id="a1", unit="residual standard deviations") == [0.41]
    assert values(lines, "driftline_alarm_since_timestamp_seconds", alert_id="a1") == [SINCE / 1000]


def test_a_difference_of_shares_is_told_in_points():
    lines = SegmentLines(10)
    kinds = (KindNow("operational", "no_drift", "error", 0.5, 0.037, "points", 900, ""),)
    lines.put(0, overview(kinds=kinds, alarms=[standing(unit="points", effect=0.04)]))
    assert values(lines, "driftline_effect", unit="points") == [pytest.approx(3.7)]
    assert values(lines, "driftline_alarm_effect", unit="points") == [4]


def test_openmetrics_says_the_same():
    lines = SegmentLines(10)
    lines.put(0, overview(alarms=[standing()]))
    text = b"".join(lines.lines(openmetrics=True)).decode() + "# EOF\n"
    found = [one for family in openmetrics.text_string_to_metric_families(text) for one in family.samples]
    told = [(one.name, one.labels, one.value) for one in samples(lines)]
    assert [(one.name, one.labels, one.value) for one in found] == told


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_whatever_an_app_is_called_its_lines_can_be_read(name):
    lines = SegmentLines(10)
    lines.put(0, overview(alarms=[standing(change=f"model {name} → {name}", drift=name)]))
    said = [one for one in samples(lines) if one.name in ("driftline_alarm_info", "driftline_alarm_detail")]
    assert said[0].labels["change"] == f"model {name} → {name}"
    assert said[1].labels["drift"] == name


def test_of_many_segments_the_quiet_are_summed_up_and_those_that_stir_are_not():
    clock = Clock()
    lines = SegmentLines(3, now=clock)
    for number in range(5):
        lines.put(number % 2, overview(f"app{number}", ratio=0.8 if number == 4 else 0.2))
    assert len(values(lines, "driftline_standing_alarms")) == 5
    assert values(lines, "driftline_statistic_ratio", app="app4", kind="data") == [0.8]
    assert values(lines, "driftline_statistic_ratio", app="app1", kind="data") == []
    lines.put(1, overview("app1", alarms=[standing()]))
    assert values(lines, "driftline_alarm", app="app1", kind="model") == [1]
    clock.at = LOUD_S / 2
    lines.put(1, overview("app1"))
    assert values(lines, "driftline_statistic_ratio", app="app1", kind="data") == [0.1], "it stirred not long ago"
    clock.at = LOUD_S * 2
    assert values(lines, "driftline_statistic_ratio", app="app1", kind="data") == []
    lines.keep({1})
    assert len(values(lines, "driftline_statistic_ratio", kind="data")) == 2, "few are told of in detail again"


def test_a_segment_that_fell_silent_is_forgotten_but_for_its_alarms():
    clock = Clock()
    lines = SegmentLines(10, now=clock)
    lines.put(0, overview("silent"))
    lines.put(0, overview("alarmed", alarms=[standing()]))
    clock.at = EXPIRE_S + 1
    lines.put(0, overview("busy"))
    assert [one.segment for one in lines.overviews()] == ["alarmed", "busy"]
    assert values(lines, "driftline_alarm_info", app="alarmed") == [1]
    assert values(lines, "driftline_standing_alarms", app="silent") == []


def test_segments_of_partitions_that_another_worker_judges_are_forgotten():
    lines = SegmentLines(10)
    lines.put(0, overview("mine"))
    lines.put(1, overview("theirs"))
    lines.keep({0})
    assert {one.labels["app"] for one in samples(lines) if "app" in one.labels} == {"mine"}


@pytest.mark.parametrize("phase", ["filling", "refused"])
def test_a_segment_without_a_baseline_says_that_nothing_can_be_said(phase):
    lines = SegmentLines(10)
    lines.put(0, overview(phase=phase, baseline="", baseline_end=0, until=0, kinds=(), topics={}))
    assert values(lines, "driftline_not_enough_data_ratio") == [1]
    assert {one.name for one in samples(lines)} == {"driftline_standing_alarms", "driftline_not_enough_data_ratio"}
    assert lines.phases() == {phase: 1}
