from __future__ import annotations

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.building import first_ticks
from streams.extent import Extent, Wanted
from streams.observe import Clock, Observer
from streams.records import Record

CLOCK = Clock(tick_ms=10, lateness_ms=30)

times = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(("a", "b"))), max_size=40)
logs = st.lists(times, min_size=1, max_size=3)


@dataclass
class Log:
    """Partitions whose event times mostly grow, and how much of them was read."""

    partitions: list[list[Record]]
    read: int = 0

    @classmethod
    def of(cls, parts: list[list[tuple[int, str]]]) -> Log:
        made = []
        for number, part in enumerate(parts):
            found = enumerate(part)
            made.append([Record(f"{number}-{i}", i * 8 + jump * 3, app) for i, (jump, app) in found])
        return cls(made)

    def wanted(self, wanted: Wanted, random, *, whole: bool = False) -> tuple[list[Record], Extent]:
        """What is taken when partitions are read in turns of any order, by batches of up to five."""
        extent, taken, at = Extent(wanted, CLOCK), [], [0] * len(self.partitions)
        extent.begin(range(len(at)))
        while True:
            left = [n for n, records in enumerate(self.partitions) if at[n] < len(records) and not extent.beyond(n)]
            for number in set(range(len(at))) - set(left):
                extent.end(number)
            if not left or (extent.enough and not whole):
                return taken, extent
            number = random.choice(left)
            for record in self.partitions[number][at[number] :][: random.randint(1, 5)]:
                if not extent.beyond(number):
                    at[number] += 1
                    self.read += 1
                    taken += [record] if extent.take(number, record) else []


def _first(records: list[Record], app: str, wanted: int) -> set[str] | None:
    """Ids of the calls that a baseline of the first ones is made of, None where there are too few."""
    found = [record for record in records if record.app == app]
    end = first_ticks(found, wanted, CLOCK)
    return None if end is None else {record.call_id for record in found if record.event_time < end}


@given(logs, st.integers(0, 300), st.integers(0, 300), st.randoms(), st.randoms())
def test_what_is_taken_of_a_range_does_not_depend_on_how_partitions_come(parts, start, end, one, other):
    taken = [{r.call_id for r in Log.of(parts).wanted(Wanted(start, end), turn)[0]} for turn in (one, other)]
    assert taken[0] == taken[1]


@given(logs, st.integers(0, 300), st.randoms())
def test_of_a_range_only_what_comes_late_is_left_out(parts, end, random):
    log = Log.of(parts)
    taken = {record.call_id for record in log.wanted(Wanted(end=end), random)[0]}
    for records in log.partitions:
        observer = Observer(None, None, CLOCK)
        in_time = observer.admit(records)
        missed = [ok for ok, r in zip(in_time, records, strict=True) if r.event_time < end and r.call_id not in taken]
        assert not any(missed)


@given(logs, st.integers(1, 12), st.sampled_from((("a",), ("b",), ("a", "b"))), st.randoms(), st.randoms())
def test_the_first_calls_are_those_of_all_that_came_in_time_however_soon_reading_stops(
    parts, first, segments, one, other
):
    log = Log.of(parts)
    taken, _ = log.wanted(Wanted(first=first, segments=segments), one)
    in_time = []
    for records in log.partitions:
        in_time += [r for ok, r in zip(Observer(None, None, CLOCK).admit(records), records, strict=True) if ok]
    for segment in segments:
        assert _first(taken, segment, first) == _first(in_time, segment, first)


@given(logs, st.integers(1, 12), st.randoms())
def test_late_calls_are_counted_where_the_first_are_wanted(parts, first, random):
    log = Log.of(parts)
    _, extent = log.wanted(Wanted(first=first), random)
    late = sum(Observer(None, None, CLOCK).admit(records).count(False) for records in log.partitions)
    assert extent.late == late


def test_reading_stops_soon_after_the_first_calls_of_the_named_segments():
    class InTurn:
        turn = -1

        def choice(self, left):
            self.turn += 1
            return left[self.turn % len(left)]

        def randint(self, low, high):
            return high

    log = Log.of([[(0, "a")] * 1000, [(0, "a")] * 1000])
    log.wanted(Wanted(first=20, segments=("a",)), InTurn())
    assert 20 <= log.read <= 50
    log = Log.of([[(0, "a")] * 1000, [(0, "a")] * 1000])
    log.wanted(Wanted(first=20), InTurn())
    assert log.read == 2000


@pytest.mark.parametrize("end, most", [(100, 30), (None, 1000)])
def test_a_partition_is_read_no_further_than_the_range_may_reach(end, most):
    log = Log.of([[(0, "a")] * 1000])
    log.wanted(Wanted(end=end), Random(1))
    assert log.read <= most and (end or log.read == 1000)
