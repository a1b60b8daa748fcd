"""The book of alarms: whatever comes, in whatever order, and however much."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.alert_book import STATES, AlertBook


def record(number, state="firing", *, app="bot", kind="model", raised=None, **more):
    fields = {
        "record_id": f"{number:016x}-{state}",
        "alert_id": f"{number:016x}",
        "state": state,
        "segment": {"app": app, "prompt_name": "answer"},
        "kind": kind,
        "detector": "answers",
        "sentence": f"Alarm {number} is {state}.",
        "raised_at": f"2026-01-05T10:00:00.{number if raised is None else raised:03}Z",
        "since": "2026-01-05T09:00:00.000Z",
    }
    return json.dumps(fields | more).encode()


def book_of(records, **limits):
    book = AlertBook(**limits)
    for one in records:
        book.add(one)
    return book


def shown(book, **filters):
    return [(int(one.head.alert_id, 16), one.state) for one in book.alarms(**filters)]


def test_alarms_are_listed_the_newest_first_each_in_its_last_state():
    book = book_of([record(1), record(2), record(1, "acknowledged"), record(3), record(3, "resolved")])
    assert shown(book) == [(3, "resolved"), (2, "firing"), (1, "acknowledged")]


def test_alarms_are_chosen_by_app_kind_and_state():
    book = book_of(
        [
            *(record(1), record(2, app="shop"), record(3, kind="data")),
            *(record(4), record(4, "resolved"), record(5), record(5, "acknowledged")),
        ]
    )
    assert shown(book, app="shop") == [(2, "firing")]
    assert shown(book, kind="data") == [(3, "firing")]
    assert shown(book, state="resolved") == [(4, "resolved")]
    assert shown(book, state="acknowledged") == [(5, "acknowledged")]
    assert [number for number, _ in shown(book, state="standing")] == [5, 3, 2, 1]
    assert shown(book, app="shop", kind="data") == []


def test_records_are_kept_as_they_came():
    firing, resolved = record(1, topics=[{"words": "a"}]), record(1, "resolved")
    kept = book_of([firing, resolved]).get(f"{1:016x}")
    assert kept.records == {"firing": firing, "resolved": resolved}
    assert kept.head.sentence == "Alarm 1 is firing."


@given(st.permutations([record(n, state) for n in range(3) for state in STATES] * 2))
def test_neither_order_nor_repeats_matter(records):
    assert shown(book_of(records)) == [(2, "resolved"), (1, "resolved"), (0, "resolved")]
    assert [one.records for one in book_of(records).alarms()] == [
        {state: record(n, state) for state in STATES} for n in (2, 1, 0)
    ]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{}", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a":' * 100_000, record(1)[:-1]),
        *(record(1, "asleep"), record(1, alert_id="../x"), record(1, alert_id=""), record(1, segment="bot")),
        *(record(1, raised_at="soon"), record(1, kind="k" * 1000), record(1, segment={"app": "a" * 10_000})),
        record(1, more="?").replace(b"?", b"\xff"),
    ],
)
def test_what_cannot_be_read_is_counted_and_passed_over(data):
    book = book_of([data, record(2)])
    assert shown(book) == [(2, "firing")]
    assert book.counts == {"unreadable": 1}


def test_what_is_too_long_is_counted_and_passed_over():
    book = book_of([record(1, sentence="x" * 5000), record(2)], longest=4000)
    assert shown(book) == [(2, "firing")]
    assert book.counts == {"too_long": 1}


def test_of_too_many_alarms_those_that_ended_go_first_and_the_oldest_among_them():
    records = [record(n) for n in range(6)] + [record(n, "resolved") for n in (1, 4)]
    assert [n for n, _ in shown(book_of(records, alarms=5))] == [5, 4, 3, 2, 1]
    records = [record(n, state) for n in (1, 4) for state in ("firing", "resolved")] + [record(n) for n in (0, 2, 3, 5)]
    assert [n for n, _ in shown(book_of(records, alarms=5))] == [5, 4, 3, 2, 0]
    assert [n for n, _ in shown(book_of(records, alarms=4))] == [5, 3, 2, 0]
    assert [n for n, _ in shown(book_of(records, alarms=3))] == [5, 3, 2]
    assert book_of(records, alarms=3).counts == {"dropped": 3}


def test_an_alarm_that_ended_and_was_dropped_does_not_stand_again_when_its_first_record_is_repeated():
    book = book_of([record(1), record(1, "resolved"), record(2), record(3), record(1)], alarms=2)
    assert shown(book) == [(3, "firing"), (2, "firing")]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(STATES), st.integers(0, 5000)), max_size=60))
def test_memory_stays_within_its_bounds(records):
    book = AlertBook(alarms=5, size=80_000)
    for number, state, length in records:
        book.add(record(number, state, filler="x" * length))
        assert len(book.alarms()) <= 5
        assert sum(one.size for one in book.alarms()) == book._taken <= 80_000
