import numpy as np
import pytest

from benchmarks import real_calls
from benchmarks.quality.workloads import (
    BEFORE,
    CASES,
    DOMAINS,
    FAMILIES,
    GRADUAL,
    LENGTH,
    MEDIAN,
    SPREAD,
    Case,
    held_out,
    questions,
)

needs_calls = pytest.mark.skipif(not real_calls.DATA.exists(), reason="the real calls are not here")


def case(name: str) -> Case:
    return next(one for one in CASES if one.name == name)


def after(name: str, streams: int = 4) -> np.ndarray:
    return np.concatenate([case(name).changed(0, stream)[BEFORE:] for stream in range(streams)])


@pytest.mark.parametrize("name", ["length +10%", "flags 2% → 4%"])
def test_a_seed_and_a_stream_always_give_the_same_calls(name):
    one = case(name)
    assert (one.changed(1, 2) == one.changed(1, 2)).all()
    assert len(one.changed(1, 2)) == len(one.family.calm(1, 2)) == LENGTH
    assert (one.changed(1, 2) != one.changed(1, 3)).any()
    assert len(one.family.baseline(1)) == one.family.size


def test_cases_of_a_family_share_the_calls_before_their_change():
    one, other = case("length +5%").changed(3, 0), case("length +20%").changed(3, 0)
    assert (one[:BEFORE] == other[:BEFORE]).all() and (one[BEFORE:] != other[BEFORE:]).any()


@pytest.mark.parametrize(
    ("name", "times", "spread"),
    [("length +5%", 1.05, 1), ("length +20%", 1.2, 1), ("length, spread x1.25", 1, 1.25)],
)
def test_lengths_move_as_their_names_say(name, times, spread):
    logs = np.log(after(name))
    assert logs.mean() == pytest.approx(np.log(MEDIAN * times), abs=0.02)
    assert logs.std() == pytest.approx(SPREAD * spread, rel=0.03)


def test_a_tenth_of_answers_is_cut_at_half_the_median():
    assert (after("length, 10% cut") == MEDIAN / 2).mean() == pytest.approx(0.1 * 0.876, abs=0.01)


@pytest.mark.parametrize("percent", [1, 3, 4, 8])
def test_flags_move_as_their_names_say(percent):
    assert after(f"flags 2% → {percent}%").mean() == pytest.approx(percent / 100, rel=0.15)


@needs_calls
def test_the_held_out_domain_is_in_no_baseline_and_comes_in_the_share_that_is_named():
    rows = np.array([record.attributes["domain"] for record in questions().records])
    family = next(one for one in FAMILIES if one.kind == "topics")
    assert {held_out(seed) for seed in range(10)} == set(DOMAINS)
    assert held_out(3) not in rows[family.baseline(3)]
    stream = rows[case("new domain, 20%").changed(3, 0)]
    assert held_out(3) not in stream[:BEFORE]
    assert (stream[BEFORE:] == held_out(3)).mean() == pytest.approx(0.2, abs=0.02)
    slow = rows[case("new domain, slowly to 20%").changed(3, 0)][BEFORE:] == held_out(3)
    assert slow[: GRADUAL // 2].mean() == pytest.approx(0.05, abs=0.015)
    assert slow[GRADUAL:].mean() == pytest.approx(0.2, abs=0.02)


@needs_calls
def test_models_are_asked_the_same_questions_before_and_after():
    for one in (one for one in CASES if one.family.kind == "models"):
        stream = one.changed(0, 0)
        asked = one.family.pool.asked[stream]
        assert set(asked[BEFORE:]) & set(asked[:BEFORE])
        assert not set(stream[BEFORE:]) & set(stream[:BEFORE])
