"""The exposition of a worker: what is declared and no more, in both formats, as promtool wants it."""

import re
import shutil
import subprocess

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from streams.exposition import Exposition
from streams.health import Health
from streams.metrics import DECLARED, OBSERVING, WORKER
from tests.streams.test_app_totals import call
from tests.streams.test_segment_lines import overview, standing

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Embedding:
    embed_s, embedded = 1.5, 7


def exposition(*stages):
    health = Health()
    for name in stages:
        health.stage(name).detail = {"lag": {"0": 5, "1": 2}, "queue": 1, "queue_limit": 4}
    return Exposition(health, "all", Embedding(), apps=10, detailed=10)


def busy():
    """An exposition that says everything it can."""
    made = exposition("observe", "judge")
    made.calls.add([call(1, latency_ms=5, ttft_ms=1, input_tokens=3, cost_usd=0.1, trace_id="t1")])
    made.measured(1.5, {"rejected": 1}, {"rejected": 3, "rejected_not_json": 2, "late": 1, "duplicates": 4, "calls": 9})
    made.published(2)
    made.judged(3, {"judged_calls": 10}, {"judged_calls": 110, "overtaken_calls": 2, "unknown_lens_calls": 0})
    made.segments.put(0, overview(alarms=[standing(acknowledged=True)]))
    made.closed_until = 1_767_600_000_000
    return made


def families(made, accept=""):
    text, kind = made.rendered(accept)
    parse = openmetrics.text_string_to_metric_families if "openmetrics" in kind else text_string_to_metric_families
    return list(parse(text.decode()))


def value(made, name, **labels):
    found = [one for family in families(made) for one in family.samples if one.name == name]
    return [one.value for one in found if labels.items() <= one.labels.items()]


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_everything_declared_is_exposed_under_its_kind_and_labels_and_nothing_else(accept):
    found = {}
    for family in families(busy(), accept):
        if family.name.startswith("driftline"):
            total = "_total" if family.type == "counter" else ""
            labels = {label for one in family.samples for label in one.labels} - {"le"}
            found[family.name + total] = family.type, labels, family.documentation
    assert found == {name: (one.kind, set(one.labels), one.help) for name, one in DECLARED.items()}


def test_only_openmetrics_bears_exemplars_and_only_it_has_an_end():
    made = busy()
    assert b'# {trace_id="t1"} 0.005' in made.rendered(OPENMETRICS)[0]
    assert made.rendered(OPENMETRICS)[0].endswith(b"# EOF\n")
    assert not re.search(rb"^# EOF|# \{", made.rendered("text/plain")[0], re.MULTILINE)


def test_what_was_counted_grows_by_what_is_new():
    made = busy()
    assert value(made, "driftline_rejected_calls_total", reason="not_json") == [2]
    assert value(made, "driftline_rejected_calls_total", reason="late") == [1]
    assert value(made, "driftline_rejected_calls_total", reason="rejected") == [], "that is their sum"
    assert value(made, "driftline_judged_calls_total") == [100]
    assert value(made, "driftline_unjudged_calls_total", reason="overtaken") == [2]
    made.judged(1, {"judged_calls": 110}, {"judged_calls": 150})
    assert value(made, "driftline_judged_calls_total") == [140]
    assert value(made, "driftline_lag_records", stage="judge", partition="1") == [2]


def test_a_worker_says_nothing_of_stages_that_it_has_not():
    names = {family.name for family in families(exposition("judge"))}
    assert not names & {"driftline_queue_batches", "driftline_label_values", "driftline_embedded_texts"}
    names = {family.name for family in families(exposition("observe"))}
    assert not names & {"driftline_segments", "driftline_segments_beyond", "driftline_standing_alarms"}
    assert {name.removesuffix("_total") for name in {**WORKER, **OBSERVING}} <= names


def test_a_worker_that_judges_no_partition_names_no_time_until_which_it_has():
    assert value(exposition("judge"), "driftline_closed_until_timestamp_seconds") == []


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_of():
    text = busy().rendered("text/plain")[0]
    said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
