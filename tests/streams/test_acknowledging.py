"""Which alarms may be acknowledged, and what is said of the others."""

import pytest

from drift.errors import SettingsError, SourceError
from streams.acknowledging import acknowledgement
from streams.alert_book import AlertBook
from streams.moves import Timetable, decode, encode
from tests.streams.test_alert_book import record

NOW = 1_767_600_000_000


def acknowledge(book, number=1):
    return acknowledgement(book, f"{number:016x}", by="ann", why="known", now_ms=NOW)


def book_of(*records, timetable=None):
    book = AlertBook(timetable)
    for one in records:
        book.add(one)
    return book


def test_an_alarm_that_stands_is_acknowledged_from_now_on():
    done = acknowledge(book_of(record(1)))
    assert (done.alert_id, done.segment, done.effective, done.by, done.why) == (
        f"{1:016x}",
        "bot/answer",
        NOW,
        "ann",
        "known",
    )
    assert done.acknowledged_at == "2026-01-05T08:00:00.000Z"
    assert decode(encode(done)) == done


@pytest.mark.parametrize(
    ("records", "error", "said"),
    [
        ([], SourceError, "there is no alarm"),
        ([record(1), record(1, "resolved")], SettingsError, "ended at"),
        ([record(1, provisional=True)], SettingsError, "is provisional"),
    ],
)
def test_others_are_refused_with_the_reason(records, error, said):
    with pytest.raises(error, match=said):
        acknowledge(book_of(*records))


def test_nobody_acknowledges_what_somebody_has():
    table = Timetable("prod")
    book = book_of(record(1), record(2), timetable=table)
    table.learn(acknowledge(book))
    with pytest.raises(SettingsError, match=r"was acknowledged at .* by ann"):
        acknowledge(book)
    assert [one.state for one in book.alarms()] == ["firing", "acknowledged"]
    assert [one.alert_id for one in book.alarms(state="acknowledged")] == [f"{1:016x}"]
    book.add(record(1, "resolved"))
    assert book.get(f"{1:016x}").state == "resolved"


def test_what_is_on_record_as_acknowledged_stays_so():
    with pytest.raises(SettingsError, match="was acknowledged before"):
        acknowledge(book_of(record(1), record(1, "acknowledged")))
