"""Logs of one source partition for tests, and what they say, call by call, without a batch or a commit."""

from collections import Counter
from dataclasses import dataclass
from functools import cache

import msgspec
from hypothesis import strategies as st

from drift.pane import encode
from streams.measure import segment_of
from streams.observe import Clock, Observer, Sight
from streams.partition import Incoming
from streams.records import Record, decode
from tests.streams import traffic

START = traffic.START_MS
END = START + 1_000_000
"""Behind all ticks."""

CLOCK = Clock(10, 30)
SEGMENTS = 2
"""Segments of a tick that are measured."""

BROKEN = (b"{", b'{"app": "a"}')


@dataclass(frozen=True)
class Said:
    """What a log says when cuts hold: the calls of its panes, counts, and the reasons of letters by offset."""

    calls: list
    counts: Counter
    letters: dict


def record(offset, at_ms, call_id="c", app="a", output="yes"):
    """A record of the topic."""
    call = {"call_id": call_id, "event_time": START + at_ms, "app": app, "input": "why", "output": output}
    return Incoming(offset, START, msgspec.json.encode(call))


_times = st.one_of(st.integers(0, 150), st.integers(0, 150), st.sampled_from([5_000, 9_999]))
_calls = st.tuples(_times, st.sampled_from("uvwxyz"), st.sampled_from("aabc"), st.sampled_from(["yes", "no"]))
_entries = st.one_of(_calls, _calls, _calls, _calls, st.sampled_from(BROKEN))
logs = st.lists(_entries, min_size=1, max_size=30).map(
    lambda entries: [
        Incoming(offset, START, entry) if isinstance(entry, bytes) else record(offset, *entry)
        for offset, entry in enumerate(entries)
    ]
)
"""Logs of calls that are late, out of order, repeated, of a wrong clock, of too many segments, or broken."""


def sight(segment, tick):
    """How the calls of all segments are seen."""
    return _sight()


@cache
def _sight():
    return Sight(traffic.meter().default_lens())


def said(log, cuts=(), *, before=None, published=None):
    """What a log says.

    Parameters
    ----------
    cuts
        Offset and event time: from there on calls of ticks that end by then are late.
    before
        Records before this offset are counted, all if not given.
    published
        Ticks that end by then give their duplicates to the counts, all if not given.
    """
    counts, letters, segments, kept = Counter(), {}, {}, []
    newest = last = 0
    for one in log:
        counted = before is None or one.offset < before
        found = decode(one.value, now_ms=one.timestamp)
        if not isinstance(found, Record):
            letters[one.offset] = str(found.reason)
            counts.update({"rejected": counted, f"rejected_{found.reason}": counted})
            continue
        counts["calls"] += counted
        tick = CLOCK.tick(found.event_time)
        bound = max([newest - CLOCK.lateness_ms, *(until for offset, until in cuts if offset <= one.offset)])
        newest, last = max(newest, min(last, found.event_time)), found.event_time
        if tick + CLOCK.tick_ms <= bound:
            letters[one.offset] = "late"
            counts["late"] += counted
            continue
        known = segments.setdefault(tick, set())
        if segment_of(found) not in known and len(known) == SEGMENTS:
            counts["beyond_segments"] += counted
            continue
        known.add(segment_of(found))
        kept.append(found)
    ids = Counter((segment_of(one), CLOCK.tick(one.event_time), one.call_id) for one in kept)
    ended = END if published is None else published
    counts["duplicates"] = sum(n - 1 for (_, tick, _), n in ids.items() if tick + CLOCK.tick_ms <= ended)
    return Said(kept, +counts, letters)


def panes_of(calls):
    """Bytes of the panes of calls that are in time, by segment and tick."""
    observer = Observer(traffic.meter(), sight, CLOCK)
    observer.add(calls)
    return {(pane.segment, pane.tick): encode(pane) for pane in observer.finish()}
