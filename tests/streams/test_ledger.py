"""The laws of the panes topic's ledger: what closes, and when, is a function of the log alone."""

from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import OVERTAKEN, REPUBLISHED, Ledger, Place
from streams.wire import Mark, Sent

TICK = 10
SOURCES = 3


def pane(source, tick, segment="a", *, lens="l", calls=1):
    """A pane of a tick, counted from 0."""
    return Sent(source, segment, tick * TICK, (tick + 1) * TICK, calls, lens, f"{source} {tick}".encode())


def mark(source, ticks, *, idle=0, sources=SOURCES):
    """A mark after so many ticks."""
    return Mark(source, sources, ticks * TICK, 0, idle * TICK)


def read(ledger, log):
    """What a ledger closes of the log from its position on."""
    return [closed for offset in range(ledger.position, len(log)) for closed in ledger.add(offset, log[offset])]


def named(closed):
    return [(one.tick // TICK, one.segment, [sent.source for sent in one.panes]) for one in closed]


@st.composite
def _source(draw, source):
    """Messages of a source partition: each pane before the mark that passes it; owners that die publish again."""
    messages, passed, published = [], 0, []
    for _ in range(draw(st.integers(0, 5))):
        upto = passed + draw(st.integers(0, 2))
        fresh = [
            pane(source, tick, segment, calls=draw(st.integers(1, 3)))
            for tick in range(passed, upto)
            for segment in draw(st.sets(st.sampled_from("ab")))
        ]
        messages += fresh
        published += fresh
        if published and draw(st.booleans()):
            messages += draw(st.lists(st.sampled_from(published), max_size=3))
        if draw(st.booleans()) or not fresh:
            messages.append(mark(source, upto, idle=draw(st.sampled_from([0, 0, 2, 5, 20]))))
            if published and draw(st.booleans()):  # a zombie, or an owner that started at an older commit
                messages += [draw(st.sampled_from(published)), mark(source, draw(st.integers(0, upto)))]
        else:
            messages.append(mark(source, upto))
        passed = upto
    return messages


@st.composite
def _logs(draw):
    """The messages of all sources, the order within each kept."""
    waiting = [draw(_source(source)) for source in range(SOURCES)]
    log = []
    while any(waiting):
        chosen = draw(st.sampled_from([one for one in waiting if one]))
        log.append(chosen.pop(0))
    return log


logs = _logs()


def told(log):
    """What the log closes, by the rules; and the names of panes that came after their tick had closed."""
    seen, marks, reach, closed, answer, names, left_out = {}, {}, {}, 0, [], set(), set()
    for offset, one in enumerate(log):
        if isinstance(one, Sent):
            name = one.source, one.segment, one.tick
            if name not in names and one.end <= closed:
                left_out.add(name)
            elif name not in names:
                seen.setdefault((one.tick, one.segment), {})[one.source] = one
            names.add(name)
            continue
        marks[one.source] = max(marks.get(one.source, 0), one.watermark)
        reach[one.source] = max(marks[one.source], min(one.idle, max(marks.values())))
        if len(reach) == SOURCES:
            closed = max(closed, min(reach.values()))
            for tick, segment in sorted(place for place in seen if place[0] + TICK <= closed):
                panes = seen.pop((tick, segment))
                answer.append((tick, segment, [panes[source] for source in sorted(panes)], offset))
    return answer, closed, left_out


def as_told(closed):
    return [(one.tick, one.segment, list(one.panes), one.offset) for one in closed]


@given(logs)
def test_ticks_close_in_order_once_every_source_has_passed_and_nothing_that_is_held_is_lost(log):
    ledger = Ledger(Place())
    closed = as_told(read(ledger, log))
    expected, reached, _ = told(log)
    assert closed == expected
    assert ledger.closed == reached
    keys = [(tick, segment) for tick, segment, *_ in closed]
    assert keys == sorted(set(keys))


@given(logs)
def test_every_pane_is_closed_held_or_counted(log):
    ledger = Ledger(Place())
    closed = read(ledger, log)
    names = {(one.source, one.segment, one.tick) for one in log if isinstance(one, Sent)}
    left_out = told(log)[2]
    assert sum(len(one.panes) for one in closed) + ledger.held + len(left_out) == len(names)


def test_an_overtaken_pane_that_is_published_again_is_counted_once():
    ledger = Ledger(Place())
    read(ledger, [mark(0, 0), mark(1, 5), mark(0, 0, idle=9), mark(2, 0, idle=9), pane(0, 0), pane(0, 0)])
    assert ledger.counts == {OVERTAKEN: 1, REPUBLISHED: 1}


def test_a_closed_pane_that_is_published_again_before_its_source_marks_it_is_not_counted_as_overtaken():
    ledger = Ledger(Place())
    log = [mark(0, 0), mark(2, 9), mark(1, 0), mark(0, 0, idle=9), pane(0, 3), mark(1, 9), pane(0, 3)]
    assert named(read(ledger, log)) == [(3, "a", [0])]
    assert ledger.counts == {REPUBLISHED: 1}


@given(logs, st.lists(st.integers(0, 60), max_size=4))
def test_from_any_place_what_is_read_again_closes_the_same(log, stops):
    whole = Ledger(Place())
    expected = as_told(read(whole, log))
    ledger = Ledger(Place())
    for stop in sorted(stops):
        for offset in range(ledger.position, min(stop, len(log))):
            ledger.add(offset, log[offset])
        reached, ledger = ledger.position, Ledger(ledger.place)
        assert ledger.position <= reached
        again = Ledger(ledger.place)
        assert [one for one in as_told(read(again, log)) if one[-1] >= reached] == [
            one for one in expected if one[-1] >= reached
        ]
        assert (again.closed, again.held, again.place.offset) == (whole.closed, whole.held, whole.place.offset)


def test_a_source_that_never_speaks_blocks_and_is_named():
    ledger = Ledger(Place())
    assert read(ledger, [pane(0, 0), mark(0, 9), mark(2, 9)]) == []
    assert ledger.waiting_for == [1]


def test_a_partition_that_is_added_holds_ticks_back_until_it_speaks():
    ledger = Ledger(Place())
    log = [pane(0, 0), mark(0, 1, sources=1), pane(0, 1), mark(0, 2, sources=2), mark(1, 2, sources=2)]
    assert [(one.tick // TICK, one.offset) for one in read(ledger, log)] == [(0, 1), (1, 4)]


def test_partitions_that_are_all_idle_close_everything():
    ledger = Ledger(Place())
    log = [pane(0, 2), mark(0, 3), mark(1, 0, idle=99), mark(2, 0, idle=99)]
    assert named(read(ledger, log)) == [(2, "a", [0])]
    assert ledger.place == Place(4, SOURCES, {0: 30, 1: 0, 2: 0}, {0: 30, 1: 30, 2: 30}, 30, {})
