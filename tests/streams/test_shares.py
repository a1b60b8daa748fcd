"""Which segments a fleet's budget has room for."""

import pytest

from drift.budget import Budget
from drift.errors import SettingsError
from drift.fleet import Fleet
from streams.embedded import Options, Watch
from streams.shares import Shares
from tests.streams import traffic

EACH = Budget(30, "days")
FLEET = Fleet(Budget(7, "days"), 4, {"batch": 0.5, "support-bot/answer": 2.0})


def test_without_a_fleet_each_segment_has_the_same_budget_and_there_is_always_room():
    shares = Shares(EACH, None, [])
    assert all(shares.admits(f"app/{number}") for number in range(5000))
    assert shares.of(["app/1"]) == EACH


def test_weights_are_found_by_segment_prompt_or_app_and_a_pool_has_its_least_important_members_share():
    shares = Shares(EACH, FLEET, [])
    assert FLEET.total == 4.5
    assert [shares.of([name]).every for name in ("support-bot/answer", "batch/any", "shop/batch", "shop")] == [
        pytest.approx(7 * 4.5 / weight) for weight in (2.0, 0.5, 0.5, 1.0)
    ]
    assert shares.of(["shop/a", "batch/b"]) == shares.of(["batch/b"])


def test_segments_beyond_the_declared_ones_are_told_once_and_not_judged():
    told = []
    shares = Shares(EACH, FLEET, ["support-bot/answer"], told.append)
    assert [shares.admits(name) for name in ("a", "b", "c", "batch/x", "d")] == [True, True, False, True, False]
    assert len(told) == 1
    assert "c and maybe more are not judged" in told[0]
    assert "raise fleet.segments" in told[0]


def test_given_baselines_that_overdraw_the_budget_are_refused_at_once():
    with pytest.raises(SettingsError, match=r"raise fleet\.segments"):
        Shares(EACH, FLEET, [f"app/{number}" for number in range(5)])


def test_thresholds_do_not_depend_on_how_many_segments_have_turned_up():
    known = {traffic.SEGMENT: traffic.baseline()}
    lone, busy = (
        Watch(traffic.meter(), Options(EACH, fleet=FLEET, first=400), known, warn=lambda text: None) for _ in range(2)
    )
    calls = traffic.records(traffic.calls(1000, 1040))
    others = traffic.records(traffic.calls(1000, 1040, prompt_name="other"))
    lone.feed(calls)
    busy.feed(others + calls)
    assert len(busy.segments) == 2
    judges = [one.segments[traffic.SEGMENT].judge for one in (lone, busy)]
    assert judges[0].thresholds == judges[1].thresholds
    assert judges[0].budget == FLEET.share(2.0)


def test_calls_of_segments_without_room_are_counted():
    fleet = Fleet(Budget(7, "days"), 2)
    watched = Watch(traffic.meter(), Options(EACH, fleet=fleet), warn=lambda text: None)
    for name in ("a", "b", "c"):
        watched.feed(traffic.records(traffic.calls(0, 10, prompt_name=name)))
    assert set(watched.segments) == {"support-bot/a", "support-bot/b"}
    assert watched.counts["beyond"] == 10
