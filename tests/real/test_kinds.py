"""Which kind of drift is named on real calls: budget one false alarm in 200,000 calls, two seeds."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.kinds.cases import POPULATIONS
from benchmarks.kinds.judged import Outcome, Stream, made
from drift.budget import Budget
from drift.state import Judge

pytestmark = pytest.mark.real

SEEDS = (0, 1)
BUDGET = Budget(200_000, "calls")
HORIZON = 2500


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baselines")


def outcome(population: str, case: str, seed: int, folder: Path) -> Outcome:
    """What is named after a change at call 2,000."""
    stream = started(population, seed, folder)
    assert stream.false == ()
    return stream.then(next(one for one in stream.population.cases if one.name == case), HORIZON)


@cache
def started(population: str, seed: int, folder: Path) -> Stream:
    """A stream up to its change."""
    chosen = next(one for one in POPULATIONS if one.name == population)
    baseline = made(chosen, seed, folder)
    return Stream(Judge(baseline.baseline, BUDGET), baseline, chosen, seed, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_another_mix_of_tasks_is_named_data_and_not_model(seed: int, cache_folder: Path) -> None:
    found = outcome("three tasks, GPT-3.5 0301", "mix: GPT-3.5 0301", seed, cache_folder)
    data, length = found.first("data"), found.first("output_length")
    assert data is not None and data.calls <= 300
    assert found.first("model") is None
    assert length is None or (length.mix is not None and length.mix > 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_another_release_at_the_same_mix_is_named_model_and_not_data(seed: int, cache_folder: Path) -> None:
    found = outcome("three tasks, GPT-3.5 0301", "model: GPT-3.5 0301 → 0613, three tasks, 100%", seed, cache_folder)
    model = found.first("model")
    assert model is not None and model.calls <= 300 and abs(model.point) <= 100
    assert model.marker == "served_model"
    assert found.first("data") is None


@pytest.mark.parametrize("seed", SEEDS)
def test_another_mix_and_another_release_at_once_are_both_named(seed: int, cache_folder: Path) -> None:
    found = outcome("three tasks, GPT-3.5 0301", "both: GPT-3.5 0301 → 0613", seed, cache_folder)
    assert found.first("data") is not None
    assert found.first("model") is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_task_never_seen_is_named_data_and_leads_the_explanation(seed: int, cache_folder: Path) -> None:
    found = outcome("without code", "topic: code, 20%", seed, cache_folder)
    data = found.first("data")
    assert data is not None and data.calls <= 1000 and 1 <= data.rank <= 3
    assert found.first("model") is None
