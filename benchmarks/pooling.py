"""What pooling small segments finds, and how soon: ``python -m benchmarks.pooling``.

Reads the calls beside the project (``../shared/data``). An app has twenty prompts of 250 calls each, by item:
a model is swapped under all of them, under five, or nothing changes but how often prompts are called. Three ways of
watching share one budget: calls pooled (what ``watch`` does), evidence of every prompt alone added up (the sum of
e-detectors is one of the app's calls, so it is their mean with the factor given back), and each prompt for itself. The
latter two are given the pool's lens, finer than one of 250 calls. Delays are in calls of the app since the change, a
dash where nothing was found in 5,000.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.real_calls import GPT4, GPT35, meter, release, stream
from benchmarks.report import describe_machine
from drift import verdict
from drift.baseline import Baseline
from drift.budget import Budget
from drift.calibration import guaranteed
from drift.pane import Pane
from drift.panel import KINDS
from drift.state import Judge, SegmentState, start
from streams.building import build_baseline, measured_panes
from streams.embedded import Options, Watch
from streams.measure import segment_of
from streams.observe import Clock
from streams.records import Record

PROMPTS, EACH, AFTER = 20, 250, 5000
BEFORE = PROMPTS * EACH
KINDS_TOLD = ("model", "output_length", "operational")

SURVEY = {version: release("opinionqa", GPT35, version) for version in ("0301", "0613")}
TASKS = {version: f"{release('prime', GPT35, version)} + {one}" for version, one in SURVEY.items()}
CASES = {
    "GPT-3.5 0301 → 0613, opinionqa": (SURVEY["0301"], SURVEY["0613"], PROMPTS),
    "the same, 5 of 20 prompts": (SURVEY["0301"], SURVEY["0613"], 5),
    "GPT-4 0314 → 0613, opinionqa": (release("opinionqa", GPT4, "0314"), release("opinionqa", GPT4, "0613"), PROMPTS),
    "GPT-3.5 0301 → 0613, prime and opinionqa": (TASKS["0301"], TASKS["0613"], PROMPTS),
}
CALM = {
    "opinionqa, no change": SURVEY["0301"],
    "prime and opinionqa, no change": TASKS["0301"],
    "oasst, no change": "oasst_sampling sampling_config!=greedy",
}


def prompt_of(record: Record, *, tasks: bool) -> str:
    """The prompt that a call's item belongs to, before and after; of two tasks each has half of the prompts."""
    number = zlib.crc32(str(record.attributes.get("item_id", record.input)).encode())
    if not tasks:
        return f"p{number % PROMPTS:02}"
    half = PROMPTS // 2
    return f"p{number % half + (0 if 'prime' in record.input.lower() else half):02}"


def app(source: str, count: int, seed: int) -> list[Record]:
    """Calls of an app with its prompts."""
    return [
        msgspec.structs.replace(one, prompt_name=prompt_of(one, tasks=" + " in source))
        for one in stream([f"n={count} {source}"], seed)
    ]


def after(before: Sequence[Record], later: Sequence[Record]) -> list[Record]:
    """The later calls, on the clock where the earlier end."""
    shift = before[-1].event_time + 60_000 - later[0].event_time
    return [msgspec.structs.replace(one, event_time=one.event_time + shift, call_id=f"l{one.call_id}") for one in later]


def later_calls(old: str, new: str, changed: int, seed: int, favoured: bool) -> list[Record]:
    """Calls since the change: of the first prompts by the new source, the others by the old; or of another mix."""
    made = app(old, 2 * AFTER if favoured else AFTER, seed)
    fresh = app(new, AFTER, seed + 1) if changed else []
    by_prompt: dict[str, list[Record]] = {}
    for one in fresh:
        by_prompt.setdefault(one.prompt_name, []).append(one)
    swapped = {f"p{number:02}" for number in range(changed)}
    if favoured:  # four of the prompts are called at full rate, the others at a third
        made = [one for number, one in enumerate(made) if one.prompt_name < "p04" or number % 3 == 0]
    found = []
    for one in made:
        options = by_prompt.get(one.prompt_name) if one.prompt_name in swapped else None
        if options:
            other = options.pop() if len(options) > 1 else options[0]
            one = msgspec.structs.replace(other, event_time=one.event_time, call_id=one.call_id)
        found.append(one)
    return found


def in_a_pool(before: Sequence[Record], now: Sequence[Record], budget: Budget) -> tuple[dict[str, int], Baseline]:
    """Calls until the pool's first alarm of each kind, as a watch tells it, and the pool's baseline."""
    watched = Watch(meter(), Options(budget, first=BEFORE, force=True))
    alerts = watched.feed([*before, *now])[0] + watched.finish()
    (pool,) = (one for one in watched.segments.values() if one.members)
    assert pool.judge is not None
    delays: dict[str, int] = {}
    for one in alerts:
        delays.setdefault(one.kind, one.calls_seen)
    return delays, pool.judge.baseline


@cache
def _alone(lens_of: Baseline, source: str, seed: int) -> dict[str, Baseline]:
    groups: dict[str, list[Record]] = {}
    for one in app(source, BEFORE, seed):
        groups.setdefault(segment_of(one), []).append(one)
    return {
        name: build_baseline(meter(), calls, lens=lens_of.lens, force=True)
        for name, calls in groups.items()
        if len(calls) >= 200
    }


def alone(made: Mapping[str, Baseline], now: Sequence[Record], budget: Budget) -> tuple[dict[str, int], ...]:
    """Calls until the first alarm of each kind of any prompt for itself, and of their evidence added up."""
    judges = {name: Judge(one, budget) for name, one in made.items()}
    states = {name: start(judge) for name, judge in judges.items()}
    own: dict[str, int] = {}
    added: dict[str, int] = {}
    seen = 0
    for pane in _panes(made, now):
        if pane.segment not in judges:
            continue
        seen += pane.n
        states[pane.segment], new = verdict.judge(judges[pane.segment], states[pane.segment], pane)
        for one in new:
            own.setdefault(one.kind, seen)
        for kind in _summed(judges, states, budget):
            added.setdefault(kind, seen)
    return own, added


def _panes(made: Mapping[str, Baseline], now: Sequence[Record]) -> list[Pane]:
    lens = next(iter(made.values())).lens
    return measured_panes(meter(), lens, now, Clock(), 64)


def _summed(judges: Mapping[str, Judge], states: Mapping[str, SegmentState], budget: Budget) -> Iterator[str]:
    """Kinds of which the prompts' e-detectors add up to the guaranteed threshold."""
    names = {name for judge in judges.values() for name in judge.baseline.panel.names}
    for name in names:
        logs = [state.statistics[name] for state in states.values() if name in state.statistics]
        if logs and np.logaddexp.reduce(logs) >= guaranteed(budget.every, len(names)):
            yield KINDS[name]


def _rows(seeds: int, budget: Budget) -> Iterator[str]:
    for name, (old, new, changed) in CASES.items():
        for seed in range(seeds):
            yield from compared(f"{name:48}seed {seed}  ", old, new, changed, seed, budget)
    for name, source in CALM.items():
        for mixed in (False, True):
            for seed in range(seeds):
                found = calm(source, seed, budget, favoured=mixed)
                yield f"{name + (', another mix of prompts' if mixed else ''):56}seed {seed}  {found}"


def compared(head: str, old: str, new: str, changed: int, seed: int, budget: Budget) -> Iterator[str]:
    """A row of delays for each way of watching."""
    before = app(old, BEFORE, seed)
    now = after(before, later_calls(old, new, changed, seed + 1000, favoured=False))
    pool, baseline = in_a_pool(before, now, budget)
    each, added = alone(_alone(baseline, old, seed), now, budget)
    for way, found in (("calls pooled", pool), ("evidence added", added), ("each alone", each)):
        yield f"{head}{way:16}" + "  ".join(f"{kind} {found.get(kind, '-')}" for kind in KINDS_TOLD)


def calm(source: str, seed: int, budget: Budget, *, favoured: bool) -> str:
    """Kinds of drift that a pool sees where there is none, and after how many calls."""
    before = app(source, BEFORE, seed)
    found, _ = in_a_pool(before, after(before, later_calls(source, source, 0, seed + 1000, favoured)), budget)
    return ", ".join(f"{kind} {calls}" for kind, calls in found.items()) or "no alarm"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="streams a case")
    parser.add_argument("--budget", type=float, default=200_000, help="calls to one false alarm")
    given = parser.parse_args()
    describe_machine("benchmarks.pooling")
    with threadpool_limits(1):
        for row in _rows(given.seeds, Budget(given.budget, "calls")):
            print(row, flush=True)
