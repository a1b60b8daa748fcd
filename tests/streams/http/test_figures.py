"""Numbers and times of records in words."""

import pytest

from streams.http.figures import level, long, when
from streams.http.texts import shown


def test_a_side_is_said_in_its_unit():
    assert [level(0.25, "points"), level(68.63, "tokens"), level(3.5, "score")] == ["25 %", "68.6 tokens", "3.5"]


def test_times_are_for_people_and_programs():
    wanted = '<time datetime="2026-01-05T10:00:00.000Z">10:00 UTC on 5 January 2026</time>'
    assert when("2026-01-05T10:00:00.000Z") == wanted


@pytest.mark.parametrize("text", ["<script>", "9999999-01-01T00:00:00Z", "soon", "9999-12-31T23:59:59-12:00", ""])
def test_what_is_no_time_is_shown_as_it_is(text):
    assert when(text) == shown(text)


def test_how_long_something_took_is_said_in_the_largest_unit():
    assert [long(30), long(7200), long(3 * 86_400), long(-5)] == ["1 minute", "2 hours", "3 days", "1 minute"]
