"""Totals of calls by app, against the sums of the calls themselves."""

import numpy as np
import pytest
from prometheus_client.openmetrics.exposition import generate_latest

from streams.app_totals import FIRST_TOKEN_S, LATENCY_S, AppTotals
from streams.records import Record


def call(number, app="bot", **given):
    return Record(call_id=f"c{number}", event_time=1_767_600_000_000 + number, app=app, input="hello", **given)


def value(totals, name, **labels):
    found = [
        one.value
        for family in totals.collect()
        for one in family.samples
        if one.name == name and labels.items() <= one.labels.items()
    ]
    return sum(found) if found else None


def test_counts_and_sums_are_those_of_the_calls_in_whatever_batches_they_come():
    source = np.random.default_rng(7)
    calls = [
        call(
            number,
            app=f"app{source.integers(3)}",
            input_tokens=int(source.integers(100)),
            output_tokens=int(source.integers(100)) if source.random() < 0.8 else None,
            cached_input_tokens=3,
            cost_usd=float(source.random()),
            latency_ms=float(source.gamma(2, 800)),
            ttft_ms=float(source.gamma(2, 100)) if source.random() < 0.5 else None,
            error_type="timeout" if source.random() < 0.1 else "",
        )
        for number in range(500)
    ]
    totals = AppTotals(10)
    for low in range(0, 500, 70):
        totals.add(calls[low : low + 70])
    for app in ("app0", "app1", "app2"):
        own = [one for one in calls if one.app == app]
        assert value(totals, "driftline_calls_total", app=app) == len(own)
        assert value(totals, "driftline_failed_calls_total", app=app) == sum(bool(one.error_type) for one in own)
        assert value(totals, "driftline_cost_usd_total", app=app) == pytest.approx(sum(one.cost_usd for one in own))
        output = sum(one.output_tokens or 0 for one in own)
        assert value(totals, "driftline_tokens_total", app=app, type="output") == output
        assert value(totals, "driftline_tokens_total", app=app, type="cached_input") == 3 * len(own)
        seconds = [one.latency_ms / 1000 for one in own]
        assert value(totals, "driftline_latency_seconds_sum", app=app) == pytest.approx(sum(seconds))
        for bound in LATENCY_S:
            upto = value(totals, "driftline_latency_seconds_bucket", app=app, le=str(bound))
            assert upto == sum(one <= bound for one in seconds)
        first = [one.ttft_ms for one in own if one.ttft_ms is not None]
        assert value(totals, "driftline_time_to_first_token_seconds_count", app=app) == len(first)


def test_a_time_on_a_boundary_counts_below_it():
    totals = AppTotals(2)
    totals.add([call(1, latency_ms=LATENCY_S[5] * 1000, ttft_ms=FIRST_TOKEN_S[-1] * 1000)])
    assert value(totals, "driftline_latency_seconds_bucket", le=str(LATENCY_S[4])) == 0
    assert value(totals, "driftline_latency_seconds_bucket", le=str(LATENCY_S[5])) == 1
    assert value(totals, "driftline_time_to_first_token_seconds_bucket", le=str(FIRST_TOKEN_S[-1])) == 1


@pytest.mark.parametrize(
    ("asked", "served", "alias"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", 1),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06", 0),
        ("openai/gpt-4o-2024-08-06", "GPT-4o-2024-08-06", 0),
        ("gpt-4o", "", 0),
        ("", "gpt-4o-2024-08-06", 0),
    ],
)
def test_a_call_goes_by_an_alias_where_another_model_answered_than_was_named(asked, served, alias):
    totals = AppTotals(2)
    totals.add([call(1, model=asked, served_model=served)])
    assert value(totals, "driftline_alias_calls_total", app="bot") == alias


def test_an_exemplar_names_the_last_trace_of_a_bucket_and_is_never_too_long():
    totals = AppTotals(2)
    totals.add([call(1, latency_ms=30, trace_id="earlier"), call(2, latency_ms=31, trace_id="second")])
    totals.add([call(3, latency_ms=32), call(4, latency_ms=50_000, trace_id="t" * 500)])
    said = generate_latest(totals).decode()
    assert '# {trace_id="second"} 0.031' in said
    assert "earlier" not in said
    assert '# {trace_id="' + "t" * 100 + '"} 50.0' in said


def test_apps_beyond_the_cap_are_counted_as_other_and_none_is_lost():
    totals = AppTotals(5)
    totals.add([call(number, app=f"app{number}", latency_ms=5) for number in range(40)])
    families = list(totals.collect())
    apps = {one.labels["app"] for family in families for one in family.samples}
    assert apps == {*(f"app{number}" for number in range(5)), "other"}
    assert value(totals, "driftline_calls_total") == 40
    assert value(totals, "driftline_calls_total", app="other") == 35


def test_an_app_that_fell_silent_takes_its_series_with_it_and_leaves_no_trace_to_the_next():
    clock = [0.0]
    totals = AppTotals(1, expire_s=60)
    totals.slots._now = lambda: clock[0]
    totals.add([call(1, app="old", latency_ms=5, ttft_ms=5, trace_id="a", cost_usd=1.0)])
    clock[0] = 100.0
    assert value(totals, "driftline_calls_total", app="old") is None
    totals.add([call(2, app="new")])
    assert value(totals, "driftline_calls_total", app="new") == 1
    assert value(totals, "driftline_cost_usd_total", app="new") == 0
    assert value(totals, "driftline_latency_seconds_count", app="new") is None
