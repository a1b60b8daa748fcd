"""One observer and two, each a process, on a topic that was loaded beforehand."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks.quality.__main__ import ONE_THREAD
from benchmarks.service import calls
from benchmarks.service.cluster import PARTITIONS, Cluster, Line
from benchmarks.service.observed import LATENESS_S
from benchmarks.service.results import Found, spread
from tests.integration.live import Worker

CALLS, PARTS, ROUNDS, GOAL = 60_000, 8, 2, 1.8
LOOK_S, PATIENCE_S = 0.1, 180
THREADS = {**ONE_THREAD, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}


def run(cluster: Cluster) -> Found:
    """Both take turns; each round has topics of its own."""
    loaded = calls.lines(CALLS, parts=PARTS)
    found = [[rate(cluster, loaded, count) for count in (1, 2)] for _ in range(ROUNDS)]
    one, two = zip(*found, strict=True)
    gain = median(b / a for a, b in found)
    return Found(
        "Two observers",
        f"{CALLS:,} calls of {sum(len(value) for _, value in loaded) / CALLS:,.0f} bytes, so that embedding is most of "
        f"the work, in {PARTITIONS} partitions; {ROUNDS} rounds that took turns, one thread each; from when every "
        "worker measures until the first of them has nothing left. The broker shares the cores.",
        ["calls a second", "least", "median", "most"],
        [
            ["one observer", *spread(one)],
            ["two observers", *spread(two)],
            ["ratio, median of rounds", "", f"{gain:.2f}", ""],
        ],
        f"two at {GOAL} of one on two cores",
        gain >= GOAL,
    )


def rate(cluster: Cluster, loaded: Sequence[Line], count: int) -> float:
    """Calls a second of so many observers together."""
    service = cluster.service(lateness_s=LATENESS_S, live={"idle_s": 60, "session_s": 60, "batch": 500})
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(service.config, "observe", **THREADS)) for _ in range(count)]
        _until(lambda: all(len(_detail(one).get("partitions", ())) == PARTITIONS // count for one in workers))
        for worker in workers:  # so that all begin at once, on a topic that is loaded
            worker.tell(signal.SIGSTOP)
        service.load(loaded)
        for worker in workers:
            worker.tell(signal.SIGCONT)
        _until(lambda: all(_done(one) for one in workers))
        seen: list[tuple[float, int]] = []
        while all(sum(_detail(one)["lag"].values()) for one in workers):
            seen.append((time.monotonic(), sum(_done(one) for one in workers)))
            time.sleep(LOOK_S)
    (begun, before), (ended, after) = seen[0], seen[-1]
    return (after - before) / (ended - begun)


def _detail(worker: Worker) -> dict[str, Any]:
    stages: Any = worker.get("/health")[1].get("stages", {})
    return dict(stages.get("observe", {}))


def _done(worker: Worker) -> int:
    return int(_detail(worker).get("counts", {}).get("calls", 0))


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"the observers did not get under way within {PATIENCE_S} s")
        time.sleep(LOOK_S)
