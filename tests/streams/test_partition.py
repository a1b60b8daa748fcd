"""The laws of a source partition: whoever dies when, its panes, counts and letters are those of the log."""

from hypothesis import given
from hypothesis import strategies as st

from drift.pane import encode
from streams.partition import PENDING, Committed, Partition
from tests.streams import traffic
from tests.streams.logs import CLOCK, END, SEGMENTS, START, logs, panes_of, record, said, sight


class World:
    """A log, the commits of its group, what is published, and its present owner, who may die at any time."""

    def __init__(self, log):
        self.log = log
        self.commit = (0, "")
        self.panes = {}
        self.letters = {}
        self.cuts = []  # those that were committed
        self.owner = self.successor()

    def successor(self):
        """An owner that goes on from the commit."""
        return Partition(traffic.meter(), sight, CLOCK, Committed.read(*self.commit), segments=SEGMENTS)

    def crash(self):
        self.owner = self.successor()

    def publish(self, panes, reach=None):
        """Publish the first ``reach`` of the panes: the first of a name wins, and all are the same."""
        for pane in panes[:reach]:
            assert self.panes.setdefault((pane.segment, pane.tick), encode(pane)) == encode(pane)

    def take(self, count, reach=None, *, by=None):
        owner = by or self.owner
        batch = [one for one in self.log if one.offset >= owner.position][:count]
        taken = owner.take(batch)
        for letter in taken.letters:
            assert by or letter.incoming.offset >= Committed.read(*self.commit).done
            assert self.letters.setdefault(letter.incoming.offset, letter.reason) == letter.reason
        self.publish(taken.panes, reach)

    def cut(self, now_ms, reach=None, *, committed=True):
        """Let ticks close that no live call could reach; the cut is committed before its panes are published."""
        position = self.owner.position
        if not self.owner.cut(now_ms):
            return
        if not committed:
            self.crash()
            return
        self.cuts.append((position, self.owner.watermark))
        self.save()
        self.publish(self.owner.close(), reach)

    def save(self):
        before, owner = Committed.read(*self.commit), self.owner
        place = owner.committed
        assert place.offset >= before.offset
        assert (place.published, place.done) >= (before.published, before.done)
        assert len(place.metadata.encode()) < 4096
        assert Committed.read(place.offset, place.metadata) == place
        self.commit = place.offset, place.metadata
        so_far = said(self.log, self.cuts, before=place.done, published=place.published)
        assert {name: n for name, n in place.counts.items() if n} == so_far.counts

    def finish(self):
        """Read to the end and close all; nothing dies any more."""
        while self.owner.position < len(self.log):
            self.take(7)
        self.cut(END)
        self.save()
        expected = said(self.log, self.cuts)
        assert self.panes == panes_of(expected.calls)
        assert self.letters == expected.letters
        assert Committed.read(*self.commit).offset == len(self.log)


reaches = st.one_of(st.none(), st.integers(0, 3))
takes = st.tuples(st.just("take"), st.integers(1, 8))
cuts = st.tuples(st.just("cut"), st.integers(START, START + 250), reaches, st.booleans())


def _play(world, steps):
    for name, *details in steps:
        if name == "take":
            world.take(*details)
        elif name == "die":  # between publishing and the commit
            world.take(*details)
            world.crash()
        elif name == "cut":
            *how, committed = details
            world.cut(*how, committed=committed)
            if how[-1] is not None:
                world.crash()
        else:
            getattr(world, name)()


deaths = st.tuples(st.just("die"), st.integers(1, 8), st.integers(0, 3))
saves, crashes = st.just(("save",)), st.just(("crash",))


@given(logs, st.lists(st.one_of(takes, takes, saves, saves, crashes, deaths), max_size=20))
def test_panes_counts_and_letters_are_those_of_the_log_whoever_dies_when(log, steps):
    world = World(log)
    _play(world, steps)
    world.finish()


@given(logs, st.lists(st.one_of(takes, takes, saves, crashes, deaths, cuts, cuts), max_size=20))
def test_with_idle_cuts_they_are_those_of_the_log_and_the_committed_cuts(log, steps):
    world = World(log)
    _play(world, steps)
    world.finish()


def test_a_partition_that_is_never_without_an_open_tick_is_cut_for_ever():
    """One call in two is of a tick ahead, which is still open when the other one's is cut."""
    ats = [at for i in range(2 * PENDING) for at in (100 + 10 * i, 50 + 10 * i)]
    world = World([record(offset, at, f"c{offset}") for offset, at in enumerate(ats)])
    for i in range(2 * PENDING):
        world.take(2)
        world.cut(START + 60 + 10 * i + CLOCK.lateness_ms)
    assert len(world.cuts) == 2 * PENDING
    world.finish()


def test_cuts_that_wait_behind_one_open_tick_fit_into_a_commit_and_are_refused_beyond():
    ats = [9_000, *(10 * i for i in range(2 * PENDING))]
    world = World([record(offset, at, f"c{offset}") for offset, at in enumerate(ats)])
    world.take(1)
    for i in range(2 * PENDING):
        world.take(1)
        world.cut(START + 10 + 10 * i + CLOCK.lateness_ms)
    assert len(world.cuts) == PENDING
    world.crash()
    world.take(len(world.log))
    world.save()
