"""How many shadow pairs it takes to know that a model answers otherwise: ``python -m benchmarks.pairs``.

Reads the calls beside the project (``../shared/data``). Live answers are the old release's, shadow answers the new
one's to the same questions, in random order. ``once`` draws no pair twice: a stream ends with its pool. ``again`` draws
with replacement, and a pair that came before counts for nothing (its answers are known) unless said otherwise. The
unpaired detector judges the same shadow answers against a baseline of 3,000 live calls.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from threadpoolctl import threadpool_limits

from benchmarks.real_calls import DATA, GPT4, GPT35, baseline, make_calls, meter, release, stream
from benchmarks.report import describe_machine
from drift import verdict
from drift.budget import Budget
from drift.call import GRID, LENGTH_GRID
from drift.detectors.pairs import MEMORIES, PairBets, known_after
from drift.frame import log_lengths
from drift.state import Judge, start
from streams.building import measured_panes
from streams.cli.pairs import VIEWS
from streams.observe import Clock
from streams.records import Record

FloatArray = npt.NDArray[np.float64]
Row = Mapping[str, Any]
Key = Callable[[Row], object]

ALPHA = 0.001
BUDGET = 20_000
FAR = 8_000
"""Pairs or calls after which a change counts as not found."""
PYTHIA = "theblackcat102/pythia-{}-deduped-sft"
SAMPLED = ("k50", "beam5", "magic_numbers")
TEST = PairBets(VIEWS)
DETECTOR = PairBets(VIEWS, memories=MEMORIES, restart=True)


@dataclass(frozen=True)
class Case:
    """Pairs of a change, what the shadow says where it is still the old model, and the change as sources."""

    name: str
    changed: FloatArray  # (n, d) shadow less live, through a lens of the live calls
    seen: FloatArray  # the same through a lens of both sides' calls, as ``driftline compare`` makes it
    same: FloatArray | None  # (m, d) differences of two answers of the old model; None: it repeats itself
    weights: FloatArray  # (n,) share of each pair in the traffic
    sources: tuple[str, str]


def _answers(rows: Sequence[Row], like: Sequence[Row]) -> FloatArray:
    """Coordinates of answers through a lens made of other calls, ``(n, d)``."""
    lens = meter().fit_lens(_records(like))
    measured = meter().measure(lens, _records(rows)).rows
    features, logs = measured["features"] / GRID, log_lengths(measured) / (LENGTH_GRID, LENGTH_GRID**2)
    return np.concatenate([features[:, 1], features[:, 2], logs], axis=1)


def _records(rows: Sequence[Row]) -> list[Record]:
    return [Record(str(i), i, "pairs", input=row["input"], output=row["output"] or "") for i, row in enumerate(rows)]


def _rows(file: str, **wanted: object) -> list[Row]:
    return [row for row in make_calls().rows(file, DATA) if all(row[name] == value for name, value in wanted.items())]


def _paired(live: Sequence[Row], shadow: Sequence[Row], key: Key) -> list[Row]:
    """Live and shadow answers to the same question, turn by turn."""
    other = {key(row): row for row in shadow}
    unique = {key(row): row for row in live}
    return [one for name, row in unique.items() if name in other for one in (row, other[name])]


def _differences(pairs: Sequence[Row], like: Sequence[Row]) -> FloatArray:
    both = _answers(pairs, like)
    return both[1::2] - both[::2]


def _even(n: int) -> FloatArray:
    return np.full(n, 1 / n)


TASKS = (
    ("prime", "prime", {}, 0.5),
    ("opinionqa", "opinionqa", {}, 0.3),
    ("code", "sensitive_code", {"dataset": "leetcode_easy"}, 0.2),
)
RELEASES = (("GPT-4", GPT4, "0314", "0613"), ("GPT-3.5", GPT35, "0301", "0613"))


@cache
def cases() -> tuple[Case, ...]:
    """Every change."""
    return (*_releases(), *_oasst())


def _releases() -> Iterator[Case]:
    for name, model, before, now in RELEASES:
        every, weights, kinds = list[Row](), list[FloatArray](), (list[str](), list[str]())
        for task, file, more, share in TASKS:
            live, shadow = (_rows(f"llmdrift_{file}", snapshot=_snapshot(model, v), **more) for v in (before, now))
            pairs = _paired(live, shadow, lambda row: row["pair_id"])
            where = "".join(f" {field}={value}" for field, value in more.items())
            sources = release(file, model, before) + where, release(file, model, now) + where
            yield _case(f"{name} {before} → {now}, {task}", pairs, None, _even(len(pairs) // 2), sources)
            every += pairs
            weights.append(share * _even(len(pairs) // 2))
            for side, source in zip(kinds, sources, strict=True):
                side.append(f"{source} w={share}")
        sources = " + ".join(kinds[0]), " + ".join(kinds[1])
        yield _case(f"{name} {before} → {now}, three tasks", every, None, np.concatenate(weights), sources)


def _case(
    name: str, pairs: Sequence[Row], same: Sequence[Row] | None, weights: FloatArray, sources: tuple[str, str]
) -> Case:
    live = pairs[::2]
    still = None if same is None else _differences(same, live)
    return Case(name, _differences(pairs, live), _differences(pairs, pairs), still, weights, sources)


def _snapshot(model: str, version: str) -> str:
    return f"{'gpt-4' if model is GPT4 else 'gpt-3.5-turbo'}-{version}"


def _oasst() -> Iterator[Case]:
    big, small = (
        [row for row in _rows("oasst_sampling", snapshot=PYTHIA.format(size)) if row["sampling_config"] in SAMPLED]
        for size in ("12b", "3b")
    )
    source = "oasst_sampling snapshot={} sampling_config!=greedy"
    sources = source.format(PYTHIA.format("12b")), source.format(PYTHIA.format("3b"))
    pairs = _paired(big, small, lambda row: (row["item_id"], row["sampling_config"], row["sample_index"]))
    yield _case("oasst 12b → 3b", pairs, _same(big), _even(len(pairs) // 2), sources)
    k50, beam5 = ([row for row in big if row["sampling_config"] == one] for one in ("k50", "beam5"))
    pairs = _paired(k50, beam5, lambda row: (row["item_id"], row["sample_index"]))
    source = f"oasst_sampling snapshot={PYTHIA.format('12b')} sampling_config={{}}"
    sources = source.format("k50"), source.format("beam5")
    yield _case("oasst 12b, k50 → beam5", pairs, _same(k50), _even(len(pairs) // 2), sources)


def _same(rows: Sequence[Row]) -> list[Row]:
    """Samples 0 and 1 of one configuration and question."""
    first, second = ([row for row in rows if row["sample_index"] == sample] for sample in (0, 1))
    return _paired(first, second, lambda row: (row["item_id"], row["sampling_config"], row["snapshot"]))


def once(case: Case, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Which pairs come, none twice: tasks by their share of the traffic, until one of them has no more."""
    tasks, task = np.unique(case.weights, return_inverse=True)
    left = [list(rng.permutation(np.flatnonzero(task == one))) for one in range(len(tasks))]
    shares = np.bincount(task, case.weights)
    order = list[int]()
    for one in rng.choice(len(tasks), len(task), p=shares / shares.sum()):
        if not left[one]:
            break
        order.append(int(left[one].pop()))
    return np.array(order)


def again(case: Case, rng: np.random.Generator, pairs: int) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Pairs drawn with replacement, and which they are."""
    drawn = rng.choice(len(case.changed), pairs, p=case.weights)
    return case.changed[drawn], drawn


def canary(case: Case, rng: np.random.Generator, pairs: int, share: float = 0.1) -> FloatArray:
    """Pairs of which a share has a shadow answer of the new model, the others one more answer of the old.

    Old against old is drawn with replacement and either way round, which is as symmetric as life.
    """
    rows, _ = again(case, rng, pairs)
    still = rng.random(pairs) >= share
    if case.same is None:
        rows[still] = 0.0
    else:
        signs = rng.choice([-1.0, 1.0], int(still.sum()))
        rows[still] = case.same[rng.integers(len(case.same), size=int(still.sum()))] * signs[:, None]
    return rows


def fresh(rows: FloatArray, drawn: npt.NDArray[np.intp]) -> FloatArray:
    """The same pairs, zeros where one came before."""
    kept = np.zeros(len(rows), dtype=bool)
    kept[np.unique(drawn, return_index=True)[1]] = True
    return np.where(kept[:, None], rows, 0.0)


def found_after(bets: PairBets, rows: FloatArray, alpha: float) -> int | None:
    """Pairs until known; in parts, to stop early."""
    state = bets.start()
    for low in range(0, len(rows), 10):
        state, course = bets.update(state, rows[low : low + 10])
        if (after := known_after(course, alpha)) is not None:
            return low + after
    return None


def unpaired(case: Case, seed: int, calls: int, share: float = 1.0) -> int | None:
    """Shadow calls until the ``answers`` detector alarms against a baseline of live calls."""
    before, now = case.sources
    made = baseline(before, seed % 4)
    judge = Judge(made, Budget(BUDGET, "calls"))
    state, seen = start(judge), 0
    mixed = f"{_weighted(before, 1 - share)} + {_weighted(now, share)}" if share < 1 else now
    for part in range(-(-calls // 500)):
        records = stream([f"n={(part + 1) * 500} {mixed}"], seed + 1000)[part * 500 :]
        for pane in measured_panes(meter(), made.lens, records, Clock(), 64, made.declared):
            state, alarms = verdict.judge(judge, state, pane)
            seen += pane.n
            if any(one.detector == "answers" for one in alarms):
                return seen
    return None


def _weighted(source: str, share: float) -> str:
    parts = [part.partition(" w=") for part in source.split(" + ")]
    return " + ".join(f"{name} w={float(weight or 1) * share}" for name, _, weight in parts)


def spread(found: Sequence[int | None]) -> str:
    """Median and quartiles, with the share that was found where it was not all."""
    missed = sum(one is None for one in found)
    ordered = np.sort([np.inf if one is None else one for one in found])
    low, middle, high = (ordered[round(share * (len(ordered) - 1))] for share in (0.25, 0.5, 0.75))
    text = f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]".replace("inf", "-")
    return text + (f" {(1 - missed / len(found)) * 100:.0f} %" if missed else "")


def _speed(seeds: int) -> Iterator[str]:
    columns = ("once, alpha .001", "lens of both sides", "once, 1 in 20,000", "again", "repeats as news")
    yield f"\n{'change':34}{'pool':>6}" + "".join(f"{column:>24}" for column in columns)
    for case in cases():
        found: list[list[int | None]] = [[] for _ in columns]
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            order = once(case, rng)
            rows, drawn = again(case, rng, 1500)
            for cell, (bets, stretch, alpha) in zip(
                found,
                (
                    (TEST, case.changed[order], ALPHA),
                    (TEST, case.seen[order], ALPHA),
                    (DETECTOR, case.changed[order], 1 / BUDGET),
                    (TEST, fresh(rows, drawn), ALPHA),
                    (TEST, rows, ALPHA),
                ),
                strict=True,
            ):
                cell.append(found_after(bets, stretch, alpha))
        yield f"{case.name:34}{len(case.changed):6}" + "".join(f"{spread(cell):>24}" for cell in found)


def _canaries(seeds: int) -> Iterator[str]:
    yield f"\n{'10 % of the shadow calls':34}{'alpha .001':>26}{'1 in 20,000':>26}   (answers drawn again)"
    for case in cases():
        drawn = [canary(case, np.random.default_rng(seed), FAR) for seed in range(seeds)]
        cells = [
            spread([found_after(bets, rows, alpha) for rows in drawn])
            for bets, alpha in ((TEST, ALPHA), (DETECTOR, 1 / BUDGET))
        ]
        yield f"{case.name:34}{cells[0]:>26}{cells[1]:>26}{'' if case.same is not None else '   old answers repeat'}"


def _unpaired(seeds: int, slow: int) -> Iterator[str]:
    yield f"\n{'unpaired, 1 in 20,000 calls':34}{'all of the calls':>26}{'10 % of the calls':>26}"
    for case in cases():
        if case.name.endswith("code"):
            continue  # 50 calls are no baseline
        whole = spread([unpaired(case, seed, 1500) for seed in range(seeds)])
        tenth = spread([unpaired(case, seed, FAR, 0.1) for seed in range(slow)])
        yield f"{case.name:34}{whole:>26}{tenth:>26}"


def _rate(hits: int, n: int) -> str:
    low, high = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    return f"{hits} of {n}, {hits / n:.3f} ({low:.3f} to {high:.3f})"


def _nulls(orders: int, long: int) -> Iterator[str]:
    """False alarms where nothing differs."""
    yield "\nno change: streams in which the test ever passed 1 / alpha"
    swapped, sampled = list[float](), list[float]()
    for case in cases():
        for seed in range(orders):
            rng = np.random.default_rng([seed, 1])
            rows = case.changed[once(case, rng)]
            signed = rows * rng.choice([-1.0, 1.0], len(rows))[:, None]
            swapped.append(float(TEST.update(TEST.start(), signed)[1].max()))
    for size in ("12b", "3b", "1b"):
        for config in SAMPLED:
            calls = _rows("oasst_sampling", snapshot=PYTHIA.format(size), sampling_config=config)
            same = _differences(_same(calls), calls)
            for seed in range(orders):
                rows = same[np.random.default_rng([seed, 2]).permutation(len(same))]
                sampled.append(float(TEST.update(TEST.start(), rows)[1].max()))
    for name, highs in (("sides swapped at random", swapped), ("sample 1 against sample 0", sampled)):
        passed = [(alpha, sum(high >= -np.log(alpha) for high in highs)) for alpha in (0.05, 0.01, 0.001)]
        yield f"  {name:28}" + "   ".join(f"{alpha}: {_rate(hits, len(highs))}" for alpha, hits in passed)
    pairs = alarms = 0
    for case in cases():
        for seed in range(long):
            rng = np.random.default_rng([seed, 3])
            rows, _ = again(case, rng, BUDGET)
            rows *= rng.choice([-1.0, 1.0], len(rows))[:, None]
            after = found_after(DETECTOR, rows, 1 / BUDGET)
            pairs, alarms = pairs + (after or len(rows)), alarms + (after is not None)
    yield f"  detector, 1 in {BUDGET:,}: {alarms} alarms in {pairs:,} pairs, sides swapped at random"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40, help="streams a case")
    parser.add_argument("--slow", type=int, default=20, help="streams a case of the unpaired detector at 10 %%")
    parser.add_argument("--orders", type=int, default=25, help="streams without a change, a case")
    parser.add_argument("--long", type=int, default=2, help="streams of 20,000 pairs without a change, a case")
    parser.add_argument("--only", choices=("speed", "nulls", "canaries", "unpaired"), help="one part alone")
    given = parser.parse_args()
    describe_machine("benchmarks.pairs")
    parts = {
        "speed": lambda: _speed(given.seeds),
        "nulls": lambda: _nulls(given.orders, given.long),
        "canaries": lambda: _canaries(given.seeds),
        "unpaired": lambda: _unpaired(given.seeds, given.slow),
    }
    with threadpool_limits(1):
        for name, part in parts.items():
            for row in part() if given.only in (None, name) else ():
                print(row, flush=True)
