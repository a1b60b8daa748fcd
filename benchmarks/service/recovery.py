"""How long a judge that was killed takes until it knows all its segments again and has nothing left to judge."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
import xxhash

from benchmarks.service.cluster import PARTITIONS, Cluster, Line, Service
from benchmarks.service.results import Found, spread
from benchmarks.service.states import Crowd, marks
from streams.kafka.saved import Checkpoint, key
from streams.ledger import Place
from tests.integration.live import Worker

SEGMENTS, CALLS, ROUNDS, GOAL_S = 1000, 3, 2, 15.0
UNSAVED = 3
"""Ticks that were judged and not saved: as many as ``save_s`` holds by default."""

SESSIONS_S = (10.0, 6.0)
PATIENCE_S, LOOK_S = 300, 0.1
NAMES = [f"app{number}/answer" for number in range(SEGMENTS)]
TO = {name: xxhash.xxh3_64_intdigest(name.encode()) % PARTITIONS for name in NAMES}


def run(cluster: Cluster) -> Found:
    """With the session that workers have by default, and with a short one."""
    first = cluster.service(segments=2 * SEGMENTS)
    crowd, rows, asked = Crowd(first.settings), [], []
    for session_s in SESSIONS_S:
        live = {"session_s": session_s, "idle_s": 600, "save_s": 600}
        service = cluster.service(segments=2 * SEGMENTS, store=first.settings.store, live=live)
        ready, judged = zip(*times(service, crowd), strict=True)
        rows.append([f"session of {session_s:g} s: ready", *spread(ready, ".1f")])
        rows.append([f"session of {session_s:g} s: nothing left", *spread(judged, ".1f")])
        asked.append(median(judged))
    return Found(
        "Recovery",
        f"A judge of {SEGMENTS:,} segments of one baseline, killed with {UNSAVED} ticks of {CALLS} calls a segment "
        f"judged and not saved, and started again at once, {ROUNDS} times. Brokers give the partitions of a dead "
        "member away when its session (`live.session_s`, 10 s by default) ends.",
        ["seconds from the start", "least", "median", "most"],
        rows,
        f"{GOAL_S:g} s",
        asked[0] <= GOAL_S,
    )


def times(service: Service, crowd: Crowd) -> list[tuple[float, float]]:
    """Seconds until the judge was ready, and until it had nothing left, each time that it was killed."""
    found = []
    remember(service, crowd)
    with Worker(service.config, "judge") as worker:
        worker.until_ready()
        for number in range(ROUNDS):
            publish(service, crowd, number * UNSAVED)
            _until(worker, _judged)
            worker.end(signal.SIGKILL)
            worker.start()
            begun = time.monotonic()
            worker.until_ready()
            ready = time.monotonic() - begun
            _until(worker, _judged)
            found.append((ready, time.monotonic() - begun))
            _until(worker, lambda told: told["unsaved_segments"] == 0)
    return found


def remember(service: Service, crowd: Crowd) -> None:
    """Put the state of all segments where a judge before had saved it."""
    checkpoint = msgspec.msgpack.encode(Checkpoint(Place(), {}, -1, []))
    records = [(to, key(to, 1, ""), checkpoint) for to in range(PARTITIONS)]
    records += [(to, key(to, 1, name), crowd.kept) for name, to in TO.items()]
    service.load([(to, value) for to, _, value in records], "state", keys=[name for _, name, _ in records])


def publish(service: Service, crowd: Crowd, first: int) -> None:
    """Send the next ticks as observers would."""
    lines: list[Line] = []
    for number in range(first, first + UNSAVED):
        lines += [(TO[name], data) for name, data in crowd.tick(number, [CALLS] * SEGMENTS, NAMES)]
        lines += [(to, data) for data in marks(number) for to in range(PARTITIONS)]
    service.load(lines, "panes")


def _judged(told: dict[str, Any]) -> bool:
    lag = told.get("lag", {})
    return told["ready"] and len(lag) == PARTITIONS and not any(lag.values())


def _until(worker: Worker, true: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        stages: Any = worker.get("/health")[1].get("stages", {})
        if stages and true(stages["judge"]):
            return
        if time.monotonic() > deadline or not worker.alive:
            raise SystemExit(f"the judge is not where it should be: {stages}\n{worker.said.read_text()[-3000:]}")
        time.sleep(LOOK_S)
