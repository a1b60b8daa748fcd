"""Small traffic for tests: a simulated assistant, later a wordier model, and a baseline that takes seconds."""

import itertools
from functools import cache

import msgspec

from drift import baseline as baselines
from drift.block import sizes
from models.base import load_embedder
from streams.building import measured_panes
from streams.measure import Meter
from streams.observe import Clock
from streams.records import decode
from streams.simulate import simulate

NOW_MS = 1_800_000_000_000
START_MS = 1_767_600_000_000
STEP_MS = 600
"""Between two calls: 16 or 17 fall into a tick."""

SEGMENT = "support-bot/answer"


@cache
def _pool():
    """Calls of a week in which nothing changes."""
    return tuple(itertools.islice(simulate(0, days=8), 4000))


def calls(first, last, *, changed_from=None, **fields):
    """Call records ``first`` to ``last`` of one stream; from ``changed_from`` on another model answers, at length."""
    made = []
    for number in range(first, last):
        call = {**_pool()[number % len(_pool())], "call_id": f"c{number}", "event_time": START_MS + number * STEP_MS}
        if changed_from is not None and number >= changed_from and "output" in call:
            call["output"] = f"Certainly! {call['output']} Let me know if I can help with anything else today!"
            call["output_tokens"] += 30
            call["served_model"] = "atlas-3"
        made.append({**call, **fields})
    return made


def lines(made):
    """Lines of a file."""
    return [msgspec.json.encode(call) for call in made]


def records(made):
    """Decoded records."""
    return [decode(line, now_ms=NOW_MS) for line in lines(made)]


@cache
def meter():
    """The default embedder, ready to measure."""
    return Meter(load_embedder("wordllama"))


@cache
def baseline():
    """Baseline of the first 1,000 calls, calibrated by few runs."""
    first = records(calls(0, 1000))
    lens = meter().fit_lens(first)
    panes = measured_panes(meter(), lens, first, Clock(), baselines.REFERENCE)
    return baselines.build(lens, panes, sizes(panes), runs=20, facts={"source": "tests"})
