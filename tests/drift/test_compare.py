from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.compare import Side, compare
from drift.errors import EmptySampleError, SettingsError, ShapeError

UNIFORM = np.full(6, 1 / 6)
SKEWED = np.array([0.45, 0.25, 0.1, 0.1, 0.05, 0.05])

_WORLD = np.random.default_rng(7)
CENTRES, BY_TOPIC, BY_INPUT = _WORLD.normal(size=(6, 4)), _WORLD.normal(size=(6, 5)), _WORLD.normal(size=(4, 5))
LENGTH_BY_TOPIC = np.linspace(0, 1.5, 6)


def side(seed, n=400, mix=UNIFORM, answers=0.0, longer=0.0, slower=1.0, failing=0.02):
    """Measured calls of an imaginary app: a tenth has no output, latency is missing now and then."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(6, n, p=mix)
    inputs = CENTRES[topics] + rng.normal(size=(n, 4))
    answered = rng.random(n) > 0.1
    outputs = BY_TOPIC[topics] + inputs @ BY_INPUT + rng.normal(size=(n, 5)) + answers
    tokens = np.round(np.exp(4 + LENGTH_BY_TOPIC[topics] + longer + rng.normal(0, 0.4, n)))
    latency = slower * rng.lognormal(6, 0.5, n)
    latency[rng.random(n) < 0.05] = np.nan
    return Side(
        topics=topics,
        inputs=inputs,
        outputs=outputs[answered],
        output_topics=topics[answered],
        output_inputs=inputs[answered],
        scalars={"output_tokens": np.where(answered, tokens, np.nan), "latency_ms": latency},
        flags={"error": rng.random(n) < failing},
    )


def drifted(*sides, **how):
    return {difference.aspect for difference in compare(*sides, **how) if difference.drift}


def of(differences, aspect):
    return next(difference for difference in differences if difference.aspect == aspect)


def test_every_aspect_is_reported_with_its_kind_and_unit():
    differences = compare(side(1), side(2))
    assert [(d.kind, d.aspect, d.unit) for d in differences] == [
        ("data", "topics", "total variation"),
        ("data", "inputs", "standard deviations"),
        ("model", "answers given inputs", "residual standard deviations"),
        ("operational", "latency_ms", "relative"),
        ("output_length", "output_tokens", "relative"),
        ("operational", "error", "points"),
    ]
    assert all(d.low <= d.effect <= d.high for d in differences)
    assert all(d.p_value <= d.p_adjusted <= 1 for d in differences)


def test_two_draws_of_the_same_calls_are_called_different_no_more_often_than_alpha():
    alarms = sum(bool(drifted(side(2 * seed, 100), side(2 * seed + 1, 100), permutations=1)) for seed in range(100))
    # Holm spends .05 on all aspects together; 12 is beyond three standard errors of that.
    assert alarms < 12


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answers": 0.5}, {"answers given inputs"}),
        ({"longer": 0.3}, {"output_tokens"}),
        ({"slower": 1.4}, {"latency_ms"}),
        ({"failing": 0.15}, {"error"}),
    ],
)
def test_what_changes_is_what_is_named(change, expected):
    assert drifted(side(3), side(4, **change)) == expected


def test_another_mix_is_data_drift_and_model_drift_no_more_often_than_alpha():
    alarms = 0
    for seed in range(60):
        differences = compare(side(2 * seed), side(2 * seed + 1, mix=SKEWED), permutations=99)
        assert of(differences, "topics").drift
        answers = of(differences, "answers given inputs")
        assert answers.extra["explained_by_inputs"] > 0.3
        alarms += answers.drift
    # Three standard errors above a twentieth of 60.
    assert alarms <= 8


def test_longer_answers_to_other_questions_are_said_to_come_from_the_questions():
    mixed = of(compare(side(1, 2000), side(2, 2000, mix=SKEWED)), "output_tokens")
    assert mixed.effect < -0.2
    assert mixed.extra["explained_by_inputs"] == pytest.approx(mixed.effect, abs=0.05)
    assert mixed.extra["at_equal_inputs"] == pytest.approx(0, abs=0.05)
    longer = of(compare(side(1, 2000), side(2, 2000, mix=SKEWED, longer=0.2)), "output_tokens")
    assert longer.extra["at_equal_inputs"] == pytest.approx(np.expm1(0.2), abs=0.05)


def test_a_changed_model_is_found_behind_another_mix():
    assert "answers given inputs" in drifted(side(1), side(2, mix=SKEWED, answers=0.5))


def test_the_effect_on_scalars_and_flags_is_what_happened():
    differences = compare(side(1, 4000), side(2, 4000, slower=1.25, failing=0.05))
    latency, error = of(differences, "latency_ms"), of(differences, "error")
    assert latency.low < 0.25 < latency.high
    assert latency.extra["median_current"] / latency.extra["median_baseline"] == pytest.approx(1.25, abs=0.05)
    assert error.low < 3 < error.high


def test_spread_alone_is_drift_of_a_scalar():
    rng = np.random.default_rng(3)
    before, now = side(1, 2000), side(2, 2000)
    before.scalars["latency_ms"][:] = rng.lognormal(6, 0.3, 2000)
    now.scalars["latency_ms"][:] = rng.lognormal(6, 0.6, 2000)
    latency = of(compare(before, now), "latency_ms")
    assert abs(latency.effect) < 0.05
    assert latency.drift


def test_a_sure_but_small_difference_is_tolerated_and_the_tolerance_is_the_operators():
    before, now = side(1, 5000), side(2, 5000, slower=1.04)
    latency = of(compare(before, now), "latency_ms")
    assert latency.p_adjusted < 0.05
    assert latency.answer == "no_drift"
    assert of(compare(before, now, tolerances={"latency_ms": 0.01}), "latency_ms").drift
    assert of(compare(before, now, tolerances={"scalars": 0.01}), "latency_ms").drift


def test_too_few_calls_of_an_aspect_are_an_answer():
    silent = replace(side(2), outputs=np.empty((0, 5)), output_topics=np.empty(0, int), output_inputs=np.empty((0, 4)))
    silent = replace(silent, scalars={}, flags={})
    for aspect in ("answers given inputs", "output_tokens", "latency_ms", "error"):
        difference = of(compare(side(1), silent), aspect)
        assert difference.answer == "not_enough_data"
        assert not difference.drift
        assert difference.p_value == 1
        assert difference.samples_current == 0
        assert np.isnan([difference.statistic, difference.effect, difference.low, difference.high]).all()


def test_sides_without_a_topic_in_common_say_nothing_of_the_model():
    before, now = side(1), side(2)
    now = replace(now, topics=now.topics + 10, output_topics=now.output_topics + 10)
    differences = compare(before, now)
    assert of(differences, "topics").effect == pytest.approx(1, abs=0.05)
    assert of(differences, "answers given inputs").answer == "not_enough_data"
    assert "at_equal_inputs" not in of(differences, "output_tokens").extra


def test_sides_that_inputs_tell_apart_entirely_say_nothing_of_the_model():
    before, now = side(1), side(2)
    before = replace(before, inputs=np.zeros((400, 1)), output_inputs=np.zeros((len(before.outputs), 1)))
    now = replace(now, inputs=np.ones((400, 1)), output_inputs=np.ones((len(now.outputs), 1)))
    assert of(compare(before, now), "answers given inputs").answer == "not_enough_data"


def test_the_order_of_calls_on_one_side_moves_no_effect():
    before, now = side(1), side(2, answers=0.2)
    shuffled = np.random.default_rng(0).permutation(len(now.topics))
    answers = np.random.default_rng(1).permutation(len(now.outputs))
    other = Side(
        now.topics[shuffled],
        now.inputs[shuffled],
        now.outputs[answers],
        now.output_topics[answers],
        now.output_inputs[answers],
        {name: values[shuffled] for name, values in now.scalars.items()},
        {name: values[shuffled] for name, values in now.flags.items()},
    )
    for one, two in zip(compare(before, now), compare(before, other), strict=True):
        assert (one.statistic, one.effect, one.high) == pytest.approx((two.statistic, two.effect, two.high))


def test_the_same_calls_and_seed_give_the_same_answer():
    assert compare(side(1), side(2), seed=5) == compare(side(1), side(2), seed=5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(30, 60), st.integers(1, 4))
def test_repeats_and_constants_give_finite_numbers(seed, n, distinct):
    rng = np.random.default_rng(seed)

    def few():
        which = rng.integers(0, distinct, n)
        vectors = np.column_stack([which, which**2, np.full(n, 3.0)]).astype(float)
        constant = {"output_chars": np.zeros(n), "cost_usd": np.full(n, 1e-6), "ttft_ms": which.astype(float)}
        return Side(which, vectors, vectors, which, vectors, constant, {"error": which == 0})

    for difference in compare(few(), few(), permutations=9):
        assert 0 < difference.p_value <= difference.p_adjusted <= 1
        assert not np.isnan([difference.statistic, difference.effect, difference.low, difference.high]).any()


def test_a_short_side_is_refused_with_its_count():
    with pytest.raises(EmptySampleError, match="current has 29 calls, at least 30 are needed"):
        compare(side(1), side(2, 29))


def test_sides_of_different_lenses_are_refused():
    other = replace(side(2), inputs=np.zeros((400, 3)))
    with pytest.raises(ShapeError, match="inputs have 4 coordinates in baseline, 3 in current"):
        compare(side(1), other)


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"permutations": 0}, "permutations must be positive, got 0"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1, got 1.0"),
        ({"tolerances": {"latency": 0.1}}, "'latency' is no aspect here, known are .*latency_ms"),
        ({"tolerances": {"topics": -0.1}}, r"tolerances\['topics'\] must not be negative"),
    ],
)
def test_wrong_settings_are_named(how, named):
    with pytest.raises(SettingsError, match=named):
        compare(side(1), side(2), **how)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"topics": np.zeros(3, int)}, "topics must have a row for each of the 400 inputs, got 3"),
        ({"output_topics": np.zeros(3, int)}, "output_topics must have a row for each of the .* outputs, got 3"),
        ({"inputs": np.full((400, 4), np.nan)}, "inputs must be finite"),
        ({"scalars": {"cost_usd": np.full(400, -1.0)}}, "cost_usd must be zero or more, or NaN where missing, got -1"),
    ],
)
def test_a_side_that_does_not_fit_together_is_refused(wrong, named):
    with pytest.raises(ShapeError, match=named):
        replace(side(1), **wrong)
