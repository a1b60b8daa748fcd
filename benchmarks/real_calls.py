"""How soon changes in real calls are found, and how often nothing is: ``python -m benchmarks.real_calls``.

Reads the calls beside the project (``../shared/data``). Baselines of 3,000 calls, forced, since rows repeat in these
small pools; the change at call 0 of the stream; delays in calls, a dash where nothing was found.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import msgspec
from threadpoolctl import threadpool_limits

from benchmarks.report import describe_machine
from drift import verdict
from drift.alarm import Alarm
from drift.baseline import Baseline
from drift.budget import Budget
from drift.state import Judge, start
from models.base import load_embedder
from streams.building import build_baseline, measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.records import Record, decode

DATA = Path(__file__).parents[2] / "shared" / "data"
NOW_MS = 1_800_000_000_000
GPT4 = "model=gpt-4 version={}"
GPT35 = "model=gpt-3.5-turbo version={}"
HOME, AWAY = "clinc150 domain!=travel", "clinc150 domain=travel"


def release(file: str, model: str, version: str) -> str:
    """Source of one release's answers to the questions of a file."""
    return f"llmdrift_{file} {model.format(version)}"


SWAPS = {
    "GPT-4 0314 → 0613, prime": (release("prime", GPT4, "0314"), release("prime", GPT4, "0613")),
    "GPT-4 0314 → 0613, opinionqa": (release("opinionqa", GPT4, "0314"), release("opinionqa", GPT4, "0613")),
    "GPT-3.5 0301 → 0613, opinionqa": (release("opinionqa", GPT35, "0301"), release("opinionqa", GPT35, "0613")),
    "clinc150 + 20 % travel": (HOME, f"{HOME} w=.8 + {AWAY} w=.2"),
}
CALM = {
    "clinc150": "clinc150",
    "opinionqa, GPT-3.5": release("opinionqa", GPT35, "0301"),
    "prime, GPT-4": release("prime", GPT4, "0314"),
    "oasst without greedy": "oasst_sampling sampling_config!=greedy",
}


@cache
def make_calls() -> ModuleType:
    """The script beside the calls that makes streams of them."""
    spec = importlib.util.spec_from_file_location("make_calls", DATA / "make_calls.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stream(phases: Sequence[str], seed: int) -> list[Record]:
    """Records of a stream of phases."""
    rows = make_calls().stream(list(phases), seed=seed, app="real", folder=DATA)
    records = (decode(msgspec.json.encode(row), now_ms=NOW_MS) for row in rows)
    return [record for record in records if isinstance(record, Record)]


@cache
def meter() -> Meter:
    """The default embedder."""
    return Meter(load_embedder())


@cache
def baseline(source: str, seed: int) -> Baseline:
    """Baseline of 3,000 calls of a source."""
    return build_baseline(meter(), stream([f"n=3000 {source}"], seed), force=True)


@dataclass(frozen=True)
class Judged:
    """Alarms on a stream, and who judged it."""

    judge: Judge
    calls: int
    alarms: Sequence[Alarm]

    def first(self, kind: str) -> Alarm | None:
        """The first alarm of a kind."""
        return next((one for one in self.alarms if one.kind == kind), None)


def judged(source: str, current: Sequence[str], seed: int, budget: float = 200_000) -> Judged:
    """Alarms on a stream against the baseline of a source."""
    made = baseline(source, seed)
    judge = Judge(made, Budget(budget, "calls"))
    state, alarms = start(judge), []
    for pane in measured_panes(meter(), made.lens, stream(current, seed + 1000), Clock(), 64, made.declared):
        state, new = verdict.judge(judge, state, pane)
        alarms += new
    return Judged(judge, state.calls, alarms)


def _rows(seeds: int, budget: float) -> Iterator[str]:
    for name, (before, now) in SWAPS.items():
        found = [judged(before, [f"n=1800 {now}"], seed, budget) for seed in range(seeds)]
        kinds = ("data", "model", "output_length", "operational")
        delays = {kind: [one.calls if (one := each.first(kind)) else "-" for each in found] for kind in kinds}
        yield f"{name:34}" + "  ".join(f"{kind} {', '.join(map(str, delays[kind]))}" for kind in kinds)
    calls = alarms = 0
    for name, source in CALM.items():
        calm = [judged(source, [f"n=5000 {source}"], seed, budget) for seed in range(seeds)]
        told = [f"{one.kind} at {one.calls}" for each in calm for one in each.alarms if one.state == "firing"]
        calls, alarms = calls + sum(each.calls for each in calm), alarms + len(told)
        yield f"{name + ', no change':34}{', '.join(told) or 'no alarm'}"
    yield f"{calls:,} calls without a change: {alarms} alarms, one in {budget:,.0f} promised"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="streams a case")
    parser.add_argument("--budget", type=float, default=200_000, help="calls to one false alarm")
    given = parser.parse_args()
    describe_machine("benchmarks.real_calls")
    with threadpool_limits(1):
        for row in _rows(given.seeds, given.budget):
            print(row, flush=True)
