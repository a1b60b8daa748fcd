"""Time of the peers' steps, in their environment: a round for each line of standard input, answered as JSON.

``benchmarks.cost`` starts it, so that rounds of both environments take turns on the same machine.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from alibi_detect.cd import LSDDDriftOnline, MMDDriftOnline
from evidently.legacy.metrics.data_drift import embedding_drift_methods as methods
from evidently.legacy.utils.data_drift_utils import calculate_text_drift_score
from river.drift import ADWIN, KSWIN, PageHinkley
from scipy import stats

from benchmarks.quality.peers.alibi import STATISTIC_ONLY, WINDOW, configured
from benchmarks.quality.peers.base import Data, IntArray
from benchmarks.quality.peers.windows import stability

BASELINE, REFERENCE, CURRENT, DIMENSIONS = 3000, 1000, 500, 256
SEED = 0
PACKAGES = ("alibi-detect", "evidently", "river", "torch", "numpy", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True)
class Timed:
    """Work, and into how many units it divides: ``call`` where every call costs, ``check`` where only checks do."""

    unit: str
    count: int
    work: Callable[[], object]


def steps() -> dict[str, Timed]:
    """Everything that is timed, set up."""
    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(BASELINE + CURRENT, DIMENSIONS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    lengths = np.rint(200 * np.exp(0.6 * rng.standard_normal(BASELINE + CURRENT))).astype(np.int64)
    words = np.array([f"word{number}" for number in range(2000)])
    texts = pd.Series([" ".join(rng.choice(words, 12)) for _ in range(REFERENCE + CURRENT)])
    return {**_online(rows), **_series(np.log(lengths)), **_checks(rows, lengths, texts)}


def _online(rows: np.ndarray) -> dict[str, Timed]:
    torch.set_num_threads(1)
    data, now = Data("models", rows, None), rows[BASELINE : BASELINE + 50]
    made = {}
    for name, kind in {"MMD": MMDDriftOnline, "LSDD": LSDDDriftOnline}.items():
        detector = configured(kind, data, np.arange(BASELINE), STATISTIC_ONLY)
        label = f"alibi-detect {name} online, window {WINDOW}, {REFERENCE:,} reference rows"
        made[label] = Timed("call", len(now), lambda detector=detector: [detector.predict(row) for row in now])
    return made


def _series(values: np.ndarray) -> dict[str, Timed]:
    calls = values.tolist()

    def play(make: Callable[[], object]) -> Callable[[], object]:
        def work() -> None:
            detector = make()
            for value in calls:
                detector.update(value)  # type: ignore[attr-defined]

        return work

    detectors = {"ADWIN": ADWIN, "PageHinkley": PageHinkley, "KSWIN": lambda: KSWIN(seed=SEED)}
    return {f"River {name}, one series": Timed("call", len(calls), play(make)) for name, make in detectors.items()}


def _checks(rows: np.ndarray, lengths: IntArray, texts: pd.Series) -> dict[str, Timed]:
    columns = [f"e{number}" for number in range(DIMENSIONS)]
    reference, current = (pd.DataFrame(part, columns=columns) for part in (rows[:REFERENCE], rows[-CURRENT:]))
    before, now = lengths[:BASELINE], lengths[-CURRENT:]
    psi = stability(Data("lengths", None, None), before)
    made = {
        f"Evidently embeddings: {name}": Timed("check", 1, lambda make=make: make()(current.copy(), reference.copy()))
        for name, make in {
            "model": methods.model,
            "ratio": methods.ratio,
            "mmd": methods.mmd,
            "distance": methods.distance,
        }.items()
    }
    old, new = texts[:REFERENCE], texts[REFERENCE:]
    made["Evidently text: domain classifier"] = Timed("check", 1, lambda: calculate_text_drift_score(old, new, False))
    made["scipy ks_2samp, window 500, one series"] = Timed("check", 20, lambda: _often(20, stats.ks_2samp, before, now))
    made["PSI, 10 bins, window 500, one series"] = Timed("check", 20, lambda: _often(20, psi, now, np.inf))
    return made


def _often(times: int, work: Callable[..., object], *given: object) -> None:
    for _ in range(times):
        work(*given)


def rounds(made: dict[str, Timed]) -> Iterator[dict[str, float]]:
    """Microseconds a unit of each step, once for every line that comes."""
    for _ in sys.stdin:
        spent = {}
        for name, step in made.items():
            begin = time.perf_counter()
            step.work()
            spent[name] = (time.perf_counter() - begin) / step.count * 1e6
        yield spent


def main() -> None:
    """Set up, then answer."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    made = steps()
    versions = {package: version(package) for package in PACKAGES}
    units = {name: step.unit for name, step in made.items()}
    print(json.dumps({"versions": versions, "units": units}), flush=True)
    for spent in rounds(made):
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main()
