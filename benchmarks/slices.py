"""How often the region that carries a drift is named, and one where all drift: ``python -m benchmarks.slices``.

Real calls with regions drawn at random, four of .4, .2, .2 and .2 of the traffic; a release is swapped in one of a
fifth, in all of them, or for three in ten calls of all of them. Told are the carriers that first alarms name.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from functools import cache

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.real_calls import GPT4, GPT35, meter, release, stream
from benchmarks.report import describe_machine
from drift import verdict
from drift.alarm import Alarm
from drift.baseline import Baseline
from drift.budget import Budget
from drift.state import Judge, start
from streams.building import build_baseline, measured_panes
from streams.observe import Clock
from streams.records import Record

REGIONS, SHARES = ("us", "eu", "ap", "sa"), (0.4, 0.2, 0.2, 0.2)
SWAPS = {
    "GPT-4 0314 → 0613, opinionqa": (release("opinionqa", GPT4, "0314"), release("opinionqa", GPT4, "0613")),
    "GPT-3.5 0301 → 0613, opinionqa": (release("opinionqa", GPT35, "0301"), release("opinionqa", GPT35, "0613")),
}
WHERE = {"eu": (("eu",), 1.0), "all": (REGIONS, 1.0), "all, 30 % of calls": (REGIONS, 0.3)}
CALLS = 2500


def regional(records: list[Record], seed: int) -> list[Record]:
    """The calls with a region each."""
    drawn = np.random.default_rng([seed, 1]).choice(REGIONS, len(records), p=SHARES)
    return [msgspec.structs.replace(one, region=str(region)) for one, region in zip(records, drawn, strict=True)]


@cache
def baseline(source: str) -> Baseline:
    return build_baseline(meter(), regional(stream([f"n=3000 {source}"], 0), 0), slices=["region"], force=True)


def swapped(before: str, now: str, where: tuple[str, ...], part: float, seed: int) -> list[Record]:
    """Calls of the old release, in some regions or a part of their calls of the new one."""
    old, new = (regional(stream([f"n={CALLS} {source}"], seed), seed) for source in (before, now))
    chance = np.random.default_rng([seed, 2]).random(CALLS)
    return [
        msgspec.structs.replace(b, call_id=a.call_id, event_time=a.event_time) if a.region in where and c < part else a
        for a, b, c in zip(old, new, chance, strict=True)
    ]


def first_alarm(made: Baseline, records: list[Record]) -> Alarm | None:
    judge = Judge(made, Budget(200_000, "calls"))
    state = start(judge)
    for pane in measured_panes(meter(), made.lens, records, Clock(), 64, made.declared):
        state, alarms = verdict.judge(judge, state, pane)
        if alarms:
            return alarms[0]
    return None


def _rows(seeds: int) -> Iterator[str]:
    for name, (before, now) in SWAPS.items():
        for place, (where, part) in WHERE.items():
            found = [first_alarm(baseline(before), swapped(before, now, where, part, 100 + s)) for s in range(seeds)]
            told = [one for one in found if one is not None]
            named = Counter(next((it.value for it in one.slices if it.carries), "none") for one in told)
            delay = np.median([one.calls for one in told]) if told else float("nan")
            counted = ", ".join(f"{value} {n}" for value, n in named.most_common())
            yield f"{name:34}{place:20}alarms {len(told)} of {seeds}, after {delay:,.0f} calls; named: {counted}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="streams a case")
    given = parser.parse_args()
    describe_machine("benchmarks.slices")
    with threadpool_limits(1):
        for row in _rows(given.seeds):
            print(row, flush=True)
