import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.budget import LARGEST, Budget, parse
from drift.errors import SettingsError

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "every", "unit"),
    [
        ("30d", 30, "days"),
        ("12h", 0.5, "days"),
        ("90 min", 90 / 1440, "days"),
        ("2 weeks", 14, "days"),
        ("1.5 Days", 1.5, "days"),
        ("200000 calls", 200_000, "calls"),
        (" 200,000 calls ", 200_000, "calls"),
        ("200_000calls", 200_000, "calls"),
    ],
)
def test_a_budget_is_written_in_calls_or_in_time(text, every, unit):
    assert parse(text) == Budget(pytest.approx(every), unit)


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-3d", "30 moons", "1.2.3d", "calls", "0 calls", "nan d", ",d"])
def test_what_is_no_budget_is_refused_with_examples(text):
    with pytest.raises(SettingsError, match="like '30d', '12h' or '200000 calls', got"):
        parse(text)


@given(st.integers(1, 10**9))
def test_a_budget_in_calls_reads_back_from_its_own_words(calls):
    assert parse(str(Budget(calls, "calls"))) == Budget(calls, "calls")


@given(st.floats(0.1, 400), st.floats(1, 1e6))
def test_a_budget_in_days_is_used_up_by_time_whatever_the_traffic(days, calls_a_day):
    budget = Budget(days, "days")
    share = min(100 / budget.calls(calls_a_day), 1.0)
    used = budget.weight(3, int(share * days * DAY_MS), calls_a_day)
    assert used == pytest.approx(share * budget.calls(calls_a_day), rel=1e-3, abs=1)


@given(st.integers(1, 10**6), st.integers(1, 10**10), st.floats(1, 1e6))
def test_no_block_uses_up_more_than_was_calibrated(calls, elapsed_ms, calls_a_day):
    for budget in (Budget(1000, "calls"), Budget(7, "days")):
        assert 0 < budget.weight(calls, elapsed_ms, calls_a_day) <= LARGEST


def test_a_budget_in_calls_is_used_up_by_calls_alone():
    assert Budget(1000, "calls").weight(25, 10**9, 5.0) == 25
    assert Budget(1000, "calls").calls(5.0) == 1000
