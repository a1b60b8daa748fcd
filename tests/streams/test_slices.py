"""Declared fields of call records: what they may be, which values are admitted, and what an alert says of them."""

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.budget import parse
from drift.call import VALUES, Declared, Slice
from drift.errors import SettingsError
from streams.alerts import encode
from streams.building import build_baseline
from streams.embedded import Options, Watch
from streams.settings import load
from streams.slices import admit, coded, measured
from tests.streams import traffic

FIELDS = ("region", "attributes.tier")
REGIONS = ("us", "us", "eu", "ap", "sa")


def log(first, last, **fields):
    """Calls of four regions and two tiers."""
    made = traffic.calls(first, last, **fields)
    rng = random.Random(first)
    return [{**call, "region": rng.choice(REGIONS), "tier": rng.choice(("free", "pro"))} for call in made]


def records(made):
    return traffic.records([{**call, "attributes": {"tier": call.pop("tier")}} for call in made])


def test_the_most_frequent_values_are_admitted_and_ties_go_by_name():
    values = ["d"] * 3 + ["c"] * 2 + ["b"] * 2 + list("hgfeaz") + [""]
    calls = traffic.records([{**call, "region": v} for call, v in zip(traffic.calls(0, 14), values, strict=True)])
    (one,) = admit(calls, ["region"])
    assert one == Slice("region", ("d", "b", "c", "a", "e", "f", "g", "h"))
    codes = coded(calls, [one])
    assert (codes[values.index("z"), 0], codes[-1, 0]) == (0, 0)
    assert codes[0, 0] == one.codes["d"] != 0
    assert not codes[:, 1:].any()


@given(st.randoms(use_true_random=False))
def test_admission_does_not_depend_on_the_order_of_calls(random):
    calls = records(log(0, 60))
    mixed = random.sample(calls, len(calls))
    assert admit(mixed, FIELDS) == admit(calls, FIELDS)


def test_ten_thousand_values_of_a_field_leave_eight_and_the_sums_of_no_more():
    made = [{**call, "user_id": f"u{n}"} for n, call in enumerate(traffic.calls(0, 10_000))]
    (one,) = admit(traffic.records(made), ["user_id"])
    assert len(one.values) == VALUES
    rows = traffic.meter().measure(traffic.baseline().lens, traffic.records(made[:200]), Declared((one,))).rows
    assert len(np.unique(rows["slices"][:, 0])) <= VALUES + 1


def test_numbers_and_truth_values_of_attributes_are_values_and_nested_ones_are_none():
    given = [True, 3, 2.5, "x" * 300, {"a": 1}, [1], None]
    calls = traffic.records([{**c, "attributes": {"a": v}} for c, v in zip(traffic.calls(0, 7), given, strict=True)])
    (one,) = admit(calls, ["attributes.a"])
    assert set(one.values) == {"true", "3", "2.5", "x" * 200}
    assert (coded(calls, [one])[:, 0] > 0).tolist() == [True] * 4 + [False] * 3


def test_what_waits_for_a_baseline_keeps_declared_attributes_only():
    (call,) = traffic.records([{**traffic.calls(0, 1)[0], "attributes": {"tier": "pro", "big": "x"}, "context": ["y"]}])
    assert measured(call, FIELDS).attributes == {"tier": "pro"}
    assert measured(call, ()).attributes == {} and measured(call, FIELDS).context == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["a", "b", "c", "d"], "at most 3 fields, got 4"),
        (["latency_ms"], "'latency_ms' is no label"),
        (["attributes."], "'attributes.' is no label"),
        (["region", "region"], "region is given twice"),
    ],
)
def test_fields_that_cannot_be_declared_are_refused_with_the_remedy(fields, said):
    with pytest.raises(SettingsError, match=said):
        load(None, {"slices": fields}, {})


def test_an_alert_names_the_tier_that_carries_a_drift_and_its_parts_add_up():
    calm = log(0, 390)
    made = build_baseline(traffic.meter(), records(calm), slices=FIELDS)
    assert [one.field for one in made.slices] == list(FIELDS)
    changed = log(1000, 1900, changed_from=1300)
    same = traffic.calls(1000, 1900)
    now = [
        call if call["tier"] == "pro" else {**old, "region": call["region"], "tier": "free"}
        for call, old in zip(changed, same, strict=True)
    ]
    watched = Watch(traffic.meter(), Options(parse("200000 calls")), {traffic.SEGMENT: made})
    alerts, _ = watched.feed(records(now))
    firing = [one for one in alerts + watched.finish() if one.kind in ("model", "output_length")]
    assert firing
    for one in firing:
        line = msgspec.json.decode(encode(one))
        (carrier,) = [value for value in line["slices"] if value["carries"] and not value.get("sampled")]
        assert (carrier["field"], carrier["value"]) == ("attributes.tier", "pro")
        assert carrier["low"] <= carrier["effect"] <= carrier["high"]
        assert "attributes.tier pro: " in one.sentence and "elsewhere" in one.sentence
        tiers = [value for value in line["slices"] if value["field"] == "attributes.tier"]
        assert sum(value["contribution"] for value in tiers) == pytest.approx(1, abs=1e-5)


def test_calls_that_become_a_baseline_declare_their_slices_too():
    watched = Watch(traffic.meter(), Options(parse("200000 calls"), first=200, slices=FIELDS))
    watched.feed(records(log(0, 900)))
    judge = watched.segments[traffic.SEGMENT].judge
    assert judge is not None
    assert [(one.field, set(one.values)) for one in judge.baseline.slices] == [
        ("region", set(REGIONS)),
        ("attributes.tier", {"free", "pro"}),
    ]
