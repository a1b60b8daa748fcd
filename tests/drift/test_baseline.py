from functools import cache

import numpy as np
import pytest

from drift.baseline import build, check, decode, encode, repeats
from drift.block import sizes
from drift.budget import Budget
from drift.errors import BaselineRefusedError, CorruptError
from tests.drift import builders


@cache
def calibrated():
    rows = builders.calls(600, 91)
    texts = [(f"question about thing{i % 7}", f"answer {i}") for i in range(len(rows))]
    whole = builders.pane(rows, size=600, texts=texts, names={77: "v1\x1f"})
    return build(builders.lens(), [whole], [10] * 60, runs=2, facts={"source": "calls.jsonl"})


def test_bytes_of_a_baseline_give_the_baseline_back():
    data = encode(calibrated())
    back = decode(data)
    assert (back.id, encode(back)) == (calibrated().id, data)
    budget = Budget(20_000, "calls")
    assert back.thresholds(budget) == calibrated().thresholds(budget)
    assert back.labels == calibrated().labels
    assert back.facts["source"] == "calls.jsonl"
    for name in ("proportions", "centres", "slope", "residual_mean"):
        np.testing.assert_array_equal(getattr(back.fit, name), getattr(calibrated().fit, name))


def test_the_same_calls_in_other_panes_give_the_same_baseline():
    rows = builders.calls(600, 92)
    one, other = (
        build(builders.lens(), parts, [10], runs=2)
        for parts in (builders.ticks(rows, size=600), [builders.pane(rows[::-1].copy(), size=600)])
    )
    assert one.id == other.id


def test_a_baseline_keeps_no_texts_but_its_examples():
    assert calibrated().pane.sample.texts == ()
    assert calibrated().examples
    assert all(asked.startswith("question") for _, asked, _ in calibrated().examples)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"driftline"])
def test_what_is_not_a_baseline_is_refused(data):
    with pytest.raises(CorruptError):
        decode(data)


def test_a_torn_baseline_is_refused():
    data = encode(calibrated())
    for length in range(0, len(data), len(data) // 20):
        with pytest.raises(CorruptError):
            decode(data[:length])


def test_too_few_calls_are_refused_even_by_force():
    with pytest.raises(BaselineRefusedError, match="at least 200 calls, got 199"):
        check(builders.pane(builders.calls(199, 93), size=5000), force=True)


def test_calls_that_repeat_each_other_are_refused_unless_forced():
    rows = builders.calls(300, 94)
    rows["asked"][:200] = 1
    total = builders.pane(rows, size=5000)
    with pytest.raises(BaselineRefusedError, match="66 % of the calls repeat"):
        check(total)
    assert any("repeat an earlier input" in warning for warning in check(total, force=True))


def test_calls_without_input_do_not_repeat_each_other():
    rows = builders.calls(300, 95)
    rows["asked"][:200], rows["topic"][:200] = 1, -1
    assert repeats(builders.pane(rows, size=5000)) == 0


def test_warnings_name_one_busy_user_and_a_short_span():
    rows = builders.calls(300, 96)
    rows["user"] = np.arange(1, 301)
    rows["user"][:100] = 9
    warnings = check(builders.pane(rows, size=5000))
    assert any("one user made 3" in warning for warning in warnings)
    assert any("less than a day" in warning for warning in warnings)


def test_blocks_are_whole_ticks_of_ten_calls_or_an_hour():
    rows = builders.calls(60, 97)
    assert sizes([builders.pane(rows[i : i + 4]) for i in range(0, 60, 4)]) == [12] * 5
    rows["at"] *= 1800
    assert sizes([builders.pane(rows[i : i + 1]) for i in range(60)]) == [2] * 29
