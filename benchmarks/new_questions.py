"""How soon questions of a new kind are found, and by which detector: ``python -m benchmarks.new_questions``.

Baselines of 3,000 questions of clinc150; then streams in which a share of the questions is of a domain held out of the
baseline, out of scope (scattered over all topics), or in another language. Delays in calls until the evidence of each
detector of inputs first passes its threshold (tolerance and latch aside), the median of the seeds, a miss counted as
the stream's length; ``data`` is the first of them. Last, the same without any change.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.languages import TEMPLATES, questions
from benchmarks.real_calls import DATA, meter, stream
from benchmarks.report import describe_machine
from drift.baseline import Baseline
from drift.block import Block, Layout, gather
from drift.budget import Budget
from drift.lens import Lens
from drift.panel import KINDS, State
from streams.building import build_baseline, measured_panes
from streams.observe import Clock
from streams.records import Record

HELD_OUT = ("travel", "banking", "work", "oos")
SHARES = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Course:
    """When each detector first passed its threshold, in calls; calls without one."""

    passed: Mapping[str, int]
    calls: int

    def first(self, names: Sequence[str]) -> int:
        """The earliest of these."""
        return min(self.passed.get(name, self.calls) for name in names)


def course(made: Baseline, records: Sequence[Record], budget: float) -> Course:
    """First passages on a stream; no detector starts anew."""
    layout, thresholds = Layout.of(made), made.thresholds(Budget(budget, "calls"))
    state: State = made.panel.start()
    pending, passed, calls = None, dict[str, int](), 0
    for pane in measured_panes(meter(), made.lens, records, Clock(), 64, made.declared):
        pending, ready = gather(pending, pane)
        for block in ready:
            state, found = made.panel.update(state, Block(made, layout, block, min(block.n, 200)).feed)
            calls += block.n
            for name, evidence in found.items():
                if evidence[0, 0] >= thresholds[name][0]:
                    passed.setdefault(name, calls)
    return Course(passed, calls)


def in_language(records: Sequence[Record], language: str, share: float, seed: int) -> list[Record]:
    """The same calls, some of them with a question in another language."""
    rng, asked = np.random.default_rng(seed), questions(language)
    return [
        msgspec.structs.replace(one, input=asked[rng.integers(len(asked))]) if rng.random() < share else one
        for one in records
    ]


def cases(seed: int, length: int, wanted: Sequence[str]) -> Iterator[tuple[str, str, float, list[Record]]]:
    """Name, source of the baseline, share and records of each stream."""
    for away in HELD_OUT:
        home = f"clinc150 domain!={away}"
        for share in SHARES if away in wanted else ():
            mix = f"n={length} {home} w={1 - share} + clinc150 domain={away} w={share}"
            yield away, home, share, stream([mix], seed + 1000)
    home = "clinc150 domain!=oos"
    for language in TEMPLATES:
        for share in SHARES if language in wanted else ():
            yield language, home, share, in_language(stream([f"n={length} {home}"], seed + 1000), language, share, seed)


def _rows(seeds: int, length: int, budget: float, wanted: Sequence[str], lens: Lens | None) -> Iterator[str]:
    made: dict[tuple[str, int], Baseline] = {}

    def baseline(home: str, seed: int) -> Baseline:
        if (home, seed) not in made:
            made[home, seed] = build_baseline(meter(), stream([f"n=3000 {home}"], seed), lens=lens, force=True)
        return made[home, seed]

    found: dict[tuple[str, float], list[Course]] = {}
    for seed in range(seeds):
        for name, home, share, records in cases(seed, length, wanted):
            found.setdefault((name, share), []).append(course(baseline(home, seed), records, budget))
    names = [name for name in next(iter(made.values())).panel.names if KINDS[name] == "data"]
    others = [name for name in names if name != "off_topic"]
    yield f"{'':18}" + "".join(f"{name:>14}" for name in (*names, "data", "less off_topic"))
    for (name, share), courses in found.items():
        groups = [[one] for one in names] + [names, others]
        middle = (np.median([one.first(group) for one in courses]) for group in groups)
        yield f"{name:12}{share * 100:4.0f} %" + "".join(f"{delay:14,.0f}" for delay in middle)


def _calm(seeds: int, length: int, budget: float, lens: Lens | None) -> Iterator[str]:
    for home in ("clinc150", "clinc150 domain!=oos"):
        for seed in range(seeds):
            made = build_baseline(meter(), stream([f"n=3000 {home}"], seed), lens=lens, force=True)
            seen = course(made, stream([f"n={length} {home}"], seed + 2000), budget)
            rate = made.panel.rates.get("off_topic")
            told = ", ".join(f"{name} at {at:,}" for name, at in seen.passed.items()) or "no detector"
            yield f"{home}, seed {seed}: {seen.calls:,} calls, off topic rate {rate and rate.rate:.3f}: {told}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="streams a case")
    parser.add_argument("--length", type=int, default=8000, help="calls of a stream")
    parser.add_argument("--budget", type=float, default=20_000, help="calls to one false alarm")
    parser.add_argument("--default-lens", action="store_true", help="the shipped lens in place of the baseline's own")
    parser.add_argument("--only", nargs="*", default=[*HELD_OUT, *TEMPLATES, "calm"], help="cases")
    given = parser.parse_args()
    assert DATA.exists(), f"{DATA} holds the calls"
    describe_machine("benchmarks.new_questions")
    lens = meter().default_lens() if given.default_lens else None
    with threadpool_limits(1):
        if set(given.only) - {"calm"}:
            for row in _rows(given.seeds, given.length, given.budget, given.only, lens):
                print(row, flush=True)
        if "calm" in given.only:
            for row in _calm(given.seeds, 20_000, given.budget, lens):
                print(row, flush=True)
