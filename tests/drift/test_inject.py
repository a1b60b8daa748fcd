import numpy as np
import pytest

from drift.bins import LOGS, MISSING
from drift.block import Layout
from drift.call import FLAGS, OUTPUT_CHARS, SERIES
from drift.errors import EmptySampleError, SettingsError
from drift.inject import answers_of, calls_of, drifting, expected, flagged, more_of, stretched
from tests.drift import builders

BASELINE = builders.baseline()
LAYOUT = Layout.of(BASELINE)
ROWS = builders.calls(3000, 71, errors=0.05)
OTHERS = builders.calls(500, 72, model=3.0)
TOPIC = BASELINE.frame.topic(ROWS["topic"])


def rng(seed=0):
    return np.random.default_rng(seed)


def drifted(injection, ramp=1.0):
    """Rows of as many calls as there were, each drawn once, with the drift put in."""
    drawn = np.arange(injection.calls)[None]
    return injection.rows[drifting(injection, drawn, np.full(injection.calls, ramp), rng())[0]]


def effects(injection):
    return {name: found.size for name, found in expected(BASELINE, LAYOUT, injection, rng()).items()}


@pytest.mark.parametrize("more", [0.05, 0.3])
def test_a_topic_grows_by_what_was_asked_for(more):
    chosen = int(np.bincount(TOPIC).argmax())
    after = BASELINE.frame.topic(drifted(more_of(ROWS, TOPIC, chosen, more))["topic"])
    assert (after == chosen).mean() == pytest.approx((chosen == TOPIC).mean() + more, abs=0.03)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_share_of_the_calls_comes_from_elsewhere(share):
    after = drifted(calls_of(ROWS, OTHERS, share))
    assert np.isin(after["call"], OTHERS["call"]).mean() == pytest.approx(share, abs=0.03)


def test_half_of_the_ramp_is_half_of_the_drift():
    after = drifted(calls_of(ROWS, OTHERS, 0.4), ramp=0.5)
    assert np.isin(after["call"], OTHERS["call"]).mean() == pytest.approx(0.2, abs=0.03)


def test_nothing_changes_before_the_drift():
    for injection in (
        calls_of(ROWS, OTHERS, 0.4),
        flagged(ROWS, "error", 0.3),
        stretched(ROWS, SERIES[:2], 2.0, rng()),
    ):
        assert np.array_equal(drifted(injection, ramp=0.0), ROWS)


def test_another_model_answers_questions_of_the_same_topics():
    other_topic = BASELINE.frame.topic(OTHERS["topic"])
    injection = answers_of(ROWS, TOPIC, OTHERS, other_topic, 1.0)
    after = drifted(injection)
    assert np.array_equal(BASELINE.frame.topic(after["topic"]), TOPIC)
    assert np.isin(after["call"], OTHERS["call"]).mean() > 0.9


def test_another_model_is_seen_in_the_answers_and_not_in_the_topics():
    found = effects(answers_of(ROWS, TOPIC, OTHERS, BASELINE.frame.topic(OTHERS["topic"]), 1.0))
    assert found["answers"] > 1
    assert found["topics"] < 0.01


@pytest.mark.parametrize("factor", [1.01, 1.05, 1.3, 0.7])
def test_lengths_are_multiplied_on_average_even_by_less_than_a_bin(factor):
    before, after = (
        LOGS[rows["bins"][:, OUTPUT_CHARS]] for rows in (ROWS, stretched(ROWS, SERIES[:2], factor, rng()).rows)
    )
    assert after[len(ROWS) :].mean() - before.mean() == pytest.approx(np.log(factor), abs=0.004)


def test_a_length_multiplied_by_one_stays_in_its_bin():
    injection = stretched(ROWS, SERIES[:2], 1.0, rng())
    assert np.array_equal(injection.rows["bins"][len(ROWS) :], ROWS["bins"])


def test_the_expected_effect_of_longer_answers_is_what_was_put_in():
    found = effects(stretched(ROWS, ("output_chars",), 1.2, rng()))
    assert found["output_length"] == pytest.approx(0.2, abs=0.01)
    assert found["latency"] == found["topics"] == found["inputs"] == 0


@pytest.mark.parametrize("more", [0.01, 0.2])
def test_the_expected_effect_of_failing_calls_is_what_was_put_in(more):
    assert effects(flagged(ROWS, "error", more))["error"] == pytest.approx(more, abs=0.001)


def test_calls_that_fail_have_no_answer_and_those_cut_off_keep_theirs():
    failed = flagged(ROWS, "error", 0.95 - (ROWS["flags"][:, 0] > 0).mean()).rows[len(ROWS) :]
    assert not failed["answered"].any() and (failed["bins"][:, OUTPUT_CHARS] == MISSING).all()
    cut = flagged(ROWS, "truncated", 0.2).rows[len(ROWS) :]
    assert np.array_equal(cut["bins"], ROWS["bins"]) and (cut["flags"][:, FLAGS.index("truncated")] == 1).all()


def test_what_cannot_be_asked_for_is_refused_by_name():
    for put in (
        lambda: more_of(ROWS, TOPIC, int(np.bincount(TOPIC).argmax()), 0.99),
        lambda: flagged(ROWS, "error", 0.99),
        lambda: calls_of(ROWS, OTHERS, 1.1),
    ):
        with pytest.raises(SettingsError, match="--size"):
            put()
    with pytest.raises(EmptySampleError, match="ttft_ms"):
        stretched(ROWS, ("ttft_ms",), 1.2, rng())
    with pytest.raises(EmptySampleError, match="topic 99"):
        more_of(ROWS, TOPIC, 99, 0.1)
    with pytest.raises(EmptySampleError, match="--from"):
        answers_of(ROWS, TOPIC, OTHERS, np.full(len(OTHERS), -1), 0.5)
