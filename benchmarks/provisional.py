"""How often and how soon a segment without a baseline is spoken of: ``python -m benchmarks.provisional``.

Fills of 3,000 calls, each watched by one window from its first call on. Steady ones count fills with any alarm;
changed ones the median delay in calls, a miss counted as all calls that were left. Lengths and times are drawn from the
simulated assistant; a cycle moves latency by a tenth or a fifth every 700 calls, which is a change, if a harmless one.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import describe_machine
from benchmarks.workloads import SEED
from drift.provisional import DELTA, RARE_DELTA, Window
from streams.simulate import simulate

FILL = 3000
CHANGES_AT = (300, 1000)
DELTAS = (0.05, 0.002, 0.0002)

Values = npt.NDArray[np.float64]


def simulated(name: str) -> Values:
    """Logs of a number of 20,000 simulated calls, in which nothing changes."""
    calls: Iterator[dict[str, Any]] = itertools.islice(simulate(SEED, days=8, calls_a_day=5000), 20_000)
    return np.log([call[name] for call in calls if name in call])


def weeks(fills: int) -> dict[str, list[Values]]:
    """Eight simulated days in their order, with their daily rhythm and without a change, a tenth as many as fills."""
    made: list[list[dict[str, Any]]] = [
        list(simulate(seed, days=8, calls_a_day=FILL / 8)) for seed in range(fills // 10)
    ]
    return {
        "eight days, log length": [
            np.log([one["output_tokens"] for one in calls if "output_tokens" in one]) for calls in made
        ],
        "eight days, log latency": [np.log([one["latency_ms"] for one in calls]) for calls in made],
        "eight days, errors": [np.array([1.0 * ("error_type" in one) for one in calls]) for calls in made],
    }


def alarms(values: Values, delta: float) -> list[int]:
    """Calls that were seen at each alarm."""
    return [end for _, end in Window.start(delta).update(values.tolist())[1]]


def steady(rng: np.random.Generator, fills: int, lengths: Values, times: Values) -> dict[str, Values]:
    """Fills without a lasting change, ``(fills, calls)`` each."""
    shape = (fills, FILL)
    daily = np.sin(2 * np.pi * np.arange(FILL) / 700)
    return {
        "normal, sd .6": rng.normal(0, 0.6, shape),
        "Student's t, 3 degrees": 0.5 * rng.standard_t(3, shape),
        "log length": rng.choice(lengths, shape),
        "log latency, 1 in 200 timed out": rng.choice(times, shape),
        "log latency, cycle of 10 %": rng.choice(times, shape) + 0.1 * daily,
        "log latency, cycle of 20 %": rng.choice(times, shape) + 0.2 * daily,
        **{f"errors, {rate:.1%}": 1.0 * (rng.random(shape) < rate) for rate in (0.001, 0.01, 0.05, 0.2)},
    }


def changed(rng: np.random.Generator, fills: int, lengths: Values, times: Values, at: int) -> dict[str, Values]:
    """Fills that change after so many calls."""
    shape = (fills, FILL)
    late = np.arange(FILL) >= at
    return {
        "length +20 %": rng.choice(lengths, shape) + np.log(1.2) * late,
        "length +50 %": rng.choice(lengths, shape) + np.log(1.5) * late,
        "latency x 2": rng.choice(times, shape) + np.log(2) * late,
        "errors 1 % -> 10 %": 1.0 * (rng.random(shape) < np.where(late, 0.1, 0.01)),
    }


def delay(values: Values, delta: float, at: int) -> int:
    """Calls from the change to the first alarm behind it."""
    return min((end for end in alarms(values, delta) if end > at), default=FILL) - at


def rows(fills: int) -> Iterator[str]:
    """One row a case, a column for each delta."""
    rng = np.random.default_rng(SEED)
    lengths, times = simulated("output_tokens"), simulated("latency_ms")
    yield f"{'delta':40}" + "".join(f"{delta:>18}" for delta in DELTAS)
    yield f"used: {DELTA} for lengths and latency, {RARE_DELTA} for errors; {fills} fills a case"
    for name, made in steady(rng, fills, lengths, times).items():
        counted = [sum(bool(alarms(row, delta)) for row in made) for delta in DELTAS]
        yield f"{'steady: ' + name:40}" + "".join(f"{count:>18}" for count in counted)
    for name, streams in weeks(fills).items():
        counted = [sum(bool(alarms(row, delta)) for row in streams) for delta in DELTAS]
        yield f"{f'{name} (of {len(streams)})':40}" + "".join(f"{count:>18}" for count in counted)
    for at in CHANGES_AT:
        for name, made in changed(rng, fills, lengths, times, at).items():
            each = [[delay(row, delta, at) for row in made] for delta in DELTAS]
            told = [f"{np.median(one):.0f} ({sum(d < FILL - at for d in one)} found)" for one in each]
            yield f"{f'{name} after {at} calls':40}" + "".join(f"{text:>18}" for text in told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=1000, help="fills a case")
    given = parser.parse_args()
    describe_machine("benchmarks.provisional")
    for row in rows(given.fills):
        print(row, flush=True)
