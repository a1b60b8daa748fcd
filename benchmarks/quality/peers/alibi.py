"""alibi-detect's online detectors (Business Source License: measured here, part of nothing).

Both copy parts of a kernel matrix of the whole reference once a bootstrap and keep a column of it for each call of the
window, so they are given ``REFERENCE`` of the baseline's calls: with all 5,000, MMD takes eight times as long a call.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from alibi_detect.cd import LSDDDriftOnline, MMDDriftOnline

from benchmarks.kinds.courses import Course
from benchmarks.quality.matching import TICK
from benchmarks.quality.peers.base import Data, IntArray, Peer, Watch, stepwise, ticks

REFERENCE = 1000
WINDOW = 100
STATISTIC_ONLY = {"ert": 100, "n_bootstraps": 450}
"""As few bootstraps as it takes: its own threshold is not used."""

PROMISED = {"ert": 2000, "n_bootstraps": 2500}
"""Its documentation advises ten times as many bootstraps as the run time, which take hours."""

VECTORS = ("topics", "models")
SEED = 0


def configured(kind: type, data: Data, baseline: IntArray, promise: dict[str, int]) -> Any:
    """A detector, quietly."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the library draws from the global generator
    settings = {"window_size": WINDOW, "backend": "pytorch", "device": "cpu", "verbose": False, **promise}
    with contextlib.redirect_stdout(io.StringIO()):
        return kind(data.values(baseline[:REFERENCE]), **settings)


def online(kind: type, promise: dict[str, int] | None = None) -> Callable[[Data, IntArray], Watch]:
    """The largest statistic of each tick; with a promise, above its own threshold."""

    def fit(data: Data, baseline: IntArray) -> Watch:
        detector = configured(kind, data, baseline, promise or STATISTIC_ONLY)

        def said(call: Any) -> float:
            found = detector.predict(call)["data"]
            return found["test_stat"] - (found["threshold"] if promise else 0.0)

        def watch(calls: IntArray, stop: float) -> Course:
            detector.reset_state()
            steps: Iterator[float] = (max(map(said, tick)) for tick in ticks(data.values(calls)))
            return stepwise(steps, stop, TICK)

        return watch

    return fit


def peers(name: str, kind: type) -> list[Peer]:
    """A detector matched on its statistic, and as it comes."""
    packages = ("alibi-detect", "torch", "numpy")
    return [
        Peer(
            f"alibi-detect {name}, window {WINDOW}",
            online(kind),
            VECTORS,
            seeds=5,
            calm=2,
            changed=1,
            lead=500,
            families=("clinc150", "oasst 12b"),
            packages=packages,
        ),
        Peer(
            f"alibi-detect {name}, its own threshold for {PROMISED['ert']:,}",
            online(kind, PROMISED),
            VECTORS,
            default=0.0,
            seeds=2,
            calm=3,
            changed=0,
            families=("clinc150",),
            packages=packages,
        ),
    ]


PEERS = (*peers("MMD", MMDDriftOnline), *peers("LSDD", LSDDDriftOnline))
