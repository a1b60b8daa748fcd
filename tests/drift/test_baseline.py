from functools import cache

import numpy as np
import pytest

from drift.baseline import build, decode, encode
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
    few = builders.pane(builders.calls(199, 93), size=5000)
    with pytest.raises(BaselineRefusedError, match=r"at least 200 calls, got 199: give a longer range of calls$"):
        build(builders.lens(), [few], [10], runs=0, force=True)


def repetitive():
    rows = builders.calls(300, 94)
    rows["asked"][:200] = 1
    return builders.pane(rows, size=5000)


def test_calls_that_repeat_each_other_are_refused_unless_forced_and_what_was_overridden_is_recorded():
    with pytest.raises(BaselineRefusedError, match=r"66 % of the calls repeat .* or say --force"):
        build(builders.lens(), [repetitive()], [10], runs=0)
    facts = build(builders.lens(), [repetitive()], [10], runs=0, force=True).facts
    assert facts["forced"]
    assert [text[:25] for text in facts["overridden"]] == ["66 % of the calls repeat "]
    assert any("66 % of the calls repeat" in text for text in facts["warnings"])
    assert not any("--force" in text for text in facts["warnings"])


def test_force_that_overrides_nothing_records_that_it_was_given_and_nothing_else():
    facts = build(builders.lens(), [builders.pane(builders.calls(300, 96), size=300)], [10], runs=0, force=True).facts
    assert facts["forced"]
    assert "overridden" not in facts


def drifting():
    return builders.ticks(
        np.concatenate([builders.calls(300, 98), builders.calls(300, 99, model=1.5, start=300)]), size=600
    )


def test_a_large_drift_inside_is_refused_unless_forced_or_only_to_be_warned_of():
    with pytest.raises(BaselineRefusedError, match=r"it drifts inside, at 1970-01-01T00:0[45].* answers .*--force"):
        build(builders.lens(), drifting(), [10], runs=0)
    forced = build(builders.lens(), drifting(), [10], runs=0, force=True).facts
    assert "it drifts inside" in forced["overridden"][0]
    watched = build(builders.lens(), drifting(), [10], runs=0, drift_refuses=False).facts
    assert any("it drifts inside" in text and "--from" in text for text in watched["warnings"])
    assert not watched["forced"]
    assert "overridden" not in watched


def test_blocks_are_whole_ticks_of_ten_calls_or_an_hour():
    rows = builders.calls(60, 97)
    assert sizes([builders.pane(rows[i : i + 4]) for i in range(0, 60, 4)]) == [12] * 5
    rows["at"] *= 1800
    assert sizes([builders.pane(rows[i : i + 1]) for i in range(60)]) == [2] * 29
