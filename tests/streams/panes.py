"""Closed ticks for tests of archives: calls of several segments that came through several partitions."""

from functools import cache

from drift import pane as panes
from streams.ledger import Closed
from streams.measure import segment_of
from streams.observe import Observer, Sight
from streams.wire import Sent
from tests.streams import traffic


def closed(records, sight, sources=1, sample=64):
    """Closed ticks of these calls, in order of time, then segment."""
    found = {}
    for source in range(sources):
        observer = Observer(traffic.meter(), lambda segment, tick: sight, sample=sample)
        observer.add(records[source::sources])
        for pane in observer.finish():
            message = Sent(source, pane.segment, pane.tick, pane.end, pane.n, pane.lens, panes.encode(pane))
            found.setdefault((pane.tick, pane.segment), []).append(message)
    return [Closed(*name, sent, number) for number, (name, sent) in enumerate(sorted(found.items()))]


@cache
def drifted(sources=2):
    """Ticks of 600 calls seen as a baseline's, another model from the 200th on, which is some minutes."""
    records = traffic.records(traffic.calls(1000, 1600, changed_from=1200))
    return closed(records, Sight.of(traffic.baseline()), sources)


@cache
def plain(last=1000, sources=2):
    """Ticks of the first calls, through the default lens, of two segments."""
    records = traffic.records(traffic.calls(0, last))
    records += traffic.records(traffic.calls(0, last // 4, app="other", prompt_name=""))
    assert {segment_of(one) for one in records} == {traffic.SEGMENT, "other"}
    records.sort(key=lambda one: one.event_time)
    return closed(records, Sight(traffic.meter().default_lens()), sources)
