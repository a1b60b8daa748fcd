"""Real calls beside the project: streams of them whose change is known, judged as ``driftline watch`` does."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from drift import verdict
from drift.alarm import Alarm
from drift.baseline import Baseline
from drift.budget import Budget
from drift.state import Judge, start
from models.base import load_embedder
from streams.embedded import build_baseline, measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.records import Record, decode

DATA = Path(__file__).parents[3] / "shared" / "data"
NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="session")
def make_calls() -> ModuleType:
    script = DATA / "make_calls.py"
    if not script.exists():
        pytest.skip(f"the real calls are not here: {script} is missing")
    spec = importlib.util.spec_from_file_location("make_calls", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def meter() -> Meter:
    return Meter(load_embedder())


@dataclass(frozen=True)
class Judged:
    """Alarms on a stream against a baseline of 3,000 calls (with ``--force``: rows repeat in these small pools)."""

    judge: Judge
    alarms: Sequence[Alarm]

    def first(self, kind: str) -> Alarm | None:
        return next((one for one in self.alarms if one.kind == kind), None)


Stream = Callable[[list[str], int], list[Record]]


@pytest.fixture(scope="session")
def stream(make_calls: ModuleType) -> Stream:
    def made(phases: list[str], seed: int) -> list[Record]:
        rows = make_calls.stream(phases, seed=seed, app="real", folder=DATA)
        records = [decode(msgspec.json.encode(row), now_ms=NOW_MS) for row in rows]
        return [record for record in records if isinstance(record, Record)]

    return made


@pytest.fixture(scope="session")
def judged(stream: Stream, meter: Meter) -> Callable[..., Judged]:
    """Judge a stream by a baseline of another; baselines are built once."""
    known: dict[tuple[str, int], Baseline] = {}

    def run(baseline: str, current: list[str], seed: int, budget: float = 200_000) -> Judged:
        if (baseline, seed) not in known:
            known[baseline, seed] = build_baseline(meter, stream([f"n=3000 {baseline}"], seed), force=True)
        made = known[baseline, seed]
        judge = Judge(made, Budget(budget, "calls"))
        state, alarms = start(judge), []
        for pane in measured_panes(meter, made.lens, stream(current, seed + 1000), Clock(), 64):
            state, new = verdict.judge(judge, state, pane)
            alarms += new
        return Judged(judge, alarms)

    return run
