import numpy as np
import pytest

from drift.budget import Budget
from drift.state import Judge
from streams.building import in_order
from streams.embedded import Options, Watch
from streams.held_back import seen
from streams.observe import Clock
from tests.streams import traffic


def held(made):
    return seen(traffic.meter(), traffic.baseline(), in_order(traffic.records(made)), Clock())


def test_held_back_calls_alarm_as_they_would_when_watched():
    made, budget = traffic.calls(1000, 1800, changed_from=1200), Budget(2000, "calls")
    watched = Watch(traffic.meter(), Options(budget, first=None), {traffic.SEGMENT: traffic.baseline()})
    alerts, _ = watched.feed(traffic.records(made))
    firing = [one for one in [*alerts, *watched.finish()] if one.state == "firing"]
    assert firing
    assert [one.alert_id for one in held(made).judged(Judge(traffic.baseline(), budget))] == [
        one.alert_id for one in firing
    ]


def test_rows_are_in_the_order_of_their_ticks_and_blocks_hold_them_all_but_the_last():
    found = held(traffic.calls(1000, 1300))
    assert len(found.rows) == 300
    assert (np.diff(found.rows["at"] // 10_000) >= 0).all()
    assert (found.blocks >= 10).all() and 300 - found.blocks.sum() < 10


def test_a_large_block_is_cut_as_in_calibration():
    made = [call | {"event_time": traffic.START_MS} for call in traffic.calls(1000, 1450)]
    assert held(made).blocks.tolist() == [200, 200, 50]


def test_the_rate_of_calls_is_that_of_the_file():
    assert held(traffic.calls(1000, 1600)).calls_a_day == pytest.approx(86_400_000 / traffic.STEP_MS, rel=0.05)
