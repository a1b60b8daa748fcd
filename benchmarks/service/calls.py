"""Call records to load topics with: texts of the simulated assistant, put together so that none comes twice."""

from __future__ import annotations

from functools import cache
from itertools import islice

import msgspec

from benchmarks.service.cluster import PARTITIONS, Line
from benchmarks.workloads import SEED
from streams.simulate import simulate

APPS = 4
RATE = 1000
"""Calls of all apps in a second of event time."""

START_MS = 1_767_600_000_000


@cache
def _pool() -> tuple[dict[str, object], ...]:
    """Calls before anything drifts that have an answer."""
    found = (call for call in simulate(SEED, days=8) if "output" in call)
    return tuple(islice(found, 5000))


def texts(number: int, parts: int) -> tuple[str, str]:
    """Input and output of a call, of so many simulated ones each; other for every number below 25 million."""
    pool = _pool()
    turn, first = divmod(number, len(pool))
    chosen = [pool[(first + part * (turn + 1)) % len(pool)] for part in range(parts)]
    return "\n\n".join(str(one["input"]) for one in chosen), "\n\n".join(str(one["output"]) for one in chosen)


def call(number: int, *, parts: int = 2, rate: float = RATE) -> dict[str, object]:
    """One call of a stream."""
    asked, answered = texts(number, parts)
    return {
        **_pool()[number % len(_pool())],
        "call_id": f"c{number}",
        "app": f"app{number % APPS}",
        "event_time": START_MS + int(number * 1000 / rate),
        "input": asked,
        "output": answered,
    }


def lines(count: int, *, parts: int = 2) -> list[Line]:
    """Records of a topic's partitions, in turn."""
    return [(number // APPS % PARTITIONS, msgspec.json.encode(call(number, parts=parts))) for number in range(count)]
