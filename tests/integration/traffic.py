"""Calls of several segments with a change in the middle, and baselines of them: small texts that repeat, made fast."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import msgspec

from streams.building import build_baseline
from streams.records import decode
from streams.simulate import simulate
from streams.store import Store
from tests.streams.traffic import NOW_MS, START_MS, meter

APPS = 6
CALLS = 4000
STEP_MS = 1000
"""Between two calls of all segments together."""


def _pool() -> list[dict[str, object]]:
    return list(itertools.islice(simulate(0, days=8), 1500))


def calls(
    count: int, *, start: int = START_MS, name: str = "c", changed_from: int | None = None
) -> list[dict[str, object]]:
    """Call records in order of time, some sent twice; from ``changed_from`` on half the segments have another model."""
    pool, source, made = _pool(), random.Random(1), []
    for number in range(count):
        app = source.randrange(APPS)
        call = {
            **source.choice(pool),
            "call_id": f"{name}{number}",
            "app": f"app{app}",
            "event_time": start + number * STEP_MS - source.choice((0, 0, 0, 40_000)),
        }
        if changed_from is not None and number >= changed_from and app % 2 and "output" in call:
            call["output"] = f"Certainly! {call['output']} Let me know if I can help with anything else today!"
            call["served_model"] = "atlas-3"
        made.append(call)
        if source.random() < 0.01:
            made.append(call)
    return made


def lines(count: int) -> list[bytes]:
    """The calls as they are sent, with some that are late and some that are no call records."""
    made = [msgspec.json.encode(call) for call in calls(count, changed_from=count // 2)]
    for place in range(500, len(made), 997):
        made[place:place] = [b"not a call"]
    late = msgspec.json.encode({"call_id": "late", "app": "app1", "event_time": START_MS, "input": "late"})
    return [*made, late]


def baselines(store: Path) -> dict[str, str]:
    """Baselines of the segments, tagged prod; ids by segment."""
    place, found = Store(str(store)), {}
    for app in range(APPS):
        found[f"app{app}/answer"] = baseline(place, f"app{app}")
        place.tag(f"app{app}/answer", "prod", found[f"app{app}/answer"])
    return found


def baseline(store: Store, app: str, count: int = 6000) -> str:
    """Id of a baseline of an app's own part of so many calls of all."""
    before = calls(count, start=START_MS - 86_400_000, name="b")
    own = [decode(msgspec.json.encode(call), now_ms=NOW_MS) for call in before if call["app"] == app]
    return store.put_baseline(build_baseline(meter(), own, force=True, calibrated=False))


def halves(count: int = CALLS, share: float = 2 / 3) -> tuple[list[bytes], list[bytes]]:
    """The calls before and from the start of a tick on: between them everything sent is judged, as at a file's end."""
    every = lines(count)
    middle = START_MS + int(count * share) * STEP_MS
    at = [json.loads(line)["event_time"] if line.startswith(b"{") else 0 for line in every[:-1]]
    first = [line for line, when in zip(every, at, strict=False) if when < middle - middle % 10_000]
    rest = [line for line, when in zip(every, at, strict=False) if when >= middle - middle % 10_000]
    return first, [*rest, every[-1]]
