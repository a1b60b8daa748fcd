"""The outbox: bounds, order, and a fate for everything that was offered."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.outbox import Message, Outbox

messages = st.builds(Message, st.binary(max_size=4), st.binary(min_size=1, max_size=30))


def made(number, size=10):
    return Message(b"%d" % number, b"x" * size)


@given(st.lists(messages, max_size=30), st.integers(1, 10), st.integers(1, 200))
def test_what_was_accepted_stays_within_the_bounds_and_comes_out_in_order(offered, most, most_bytes):
    outbox = Outbox(most, most_bytes)
    accepted = [one for one in offered if outbox.offer(one) is None]
    taken = outbox.take(1 << 30)
    assert taken == accepted
    assert len(taken) <= most
    assert len(taken) == 1 or sum(len(key) + len(value) for key, value in taken) <= most_bytes
    assert outbox.counts.reasons["buffer_full"] == len(offered) - len(accepted)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), messages),
        st.tuples(st.sampled_from(["take", "sent", "lost", "back", "refuse", "close", "abandon"]), st.integers(1, 60)),
    ),
    max_size=60,
)


@given(steps)
def test_offered_is_always_sent_and_buffered_and_dropped_together(steps):
    outbox, under_way, offered = Outbox(5, 100), [], 0
    for step, value in steps:
        if step == "offer":
            outbox.offer(value)
            offered += 1
        elif step == "refuse":
            outbox.refuse()
            offered += 1
        elif step == "take":
            under_way += outbox.take(value)
        elif step in ("close", "abandon"):
            getattr(outbox, step)()
        else:
            settled, under_way = under_way[:value], under_way[value:]
            if step == "sent":
                outbox.sent(settled)
            elif step == "lost":
                outbox.lost(settled, "delivery_failed")
            else:
                outbox.put_back(settled)
        counts = outbox.counts
        assert counts.offered == offered == counts.sent + counts.buffered + counts.dropped
        assert counts.buffered == outbox.waiting + len(under_way) <= 5


def test_a_message_larger_than_the_bound_is_accepted_only_where_nothing_else_is():
    outbox = Outbox(5, 100)
    assert outbox.offer(made(1, 500)) is None
    assert outbox.offer(made(2)) == "buffer_full"


def test_the_call_that_does_not_fit_is_the_one_that_is_dropped():
    outbox = Outbox(3, 1000)
    told = [outbox.offer(made(number)) for number in range(5)]
    assert told == [None, None, None, "buffer_full", "buffer_full"]
    assert outbox.take(1000) == [made(0), made(1), made(2)]


def test_what_is_under_way_counts_against_the_bound_until_its_fate_is_told():
    outbox = Outbox(1, 1000)
    outbox.offer(made(1))
    taken = outbox.take(1000)
    assert outbox.offer(made(2)) == "buffer_full"
    outbox.sent(taken)
    assert outbox.offer(made(2)) is None


def test_a_share_holds_no_more_than_its_bytes_but_one_message_at_least():
    outbox = Outbox(10, 1000)
    for number in range(4):
        outbox.offer(made(number, 30))
    assert [len(outbox.take(most)) for most in (1, 31, 1000, 1000)] == [1, 2, 1, 0]


def test_what_is_put_back_comes_out_first_and_in_order():
    outbox = Outbox(10, 1000)
    for number in range(5):
        outbox.offer(made(number))
    outbox.put_back(outbox.take(25))
    assert outbox.take(1000) == [made(number) for number in range(5)]


def test_after_the_end_nothing_is_accepted_and_what_waits_is_dropped():
    outbox = Outbox(10, 1000)
    outbox.offer(made(1))
    assert outbox.close() == 0
    assert outbox.offer(made(2)) == "closed"
    assert outbox.waiting == 1
    assert outbox.abandon() == 1
    assert outbox.counts.reasons["closed"] == 2


@pytest.mark.parametrize("threads", [4])
def test_threads_lose_nothing_between_them(threads):
    outbox = Outbox(50, 10_000)

    def offer():
        for number in range(2000):
            outbox.offer(made(number))
            outbox.sent(outbox.take(20))

    running = [threading.Thread(target=offer) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    outbox.sent(outbox.take(10_000))
    counts = outbox.counts
    assert counts.offered == 2000 * threads == counts.sent + counts.dropped
    assert outbox.offer(made(0, 9_999)) is None  # no bytes were forgotten
