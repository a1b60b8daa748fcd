"""Verdicts in words: dates no sharper than the evidence, figures without noise, topics without words."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from drift.effects import Effect
from drift.explain import ChangePoint
from streams.wording import (
    between,
    change,
    figure,
    lasting,
    moment,
    since_when,
    span,
    spelled_out,
    what_drifted,
    what_edits_did,
    what_moved,
    what_preceded,
)

MINUTE = 60_000


def at(day, hour, minute, year=2026):
    return int(datetime(year, 1, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def point(low, high):
    return ChangePoint(0, low, low, high, 0, 0, 0)


def topic(z, before, now, **words):
    return {"z": z, "share_before": before, "share_now": now, **words}


def test_a_moment_says_utc_once():
    assert moment(at(17, 11, 53)) == "11:53 UTC on 17 January 2026"


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (at(5, 0, 48), at(5, 1, 23), "00:48 and 01:23 on 5 January 2026 (UTC)"),
        (at(4, 22, 10), at(5, 1, 23), "22:10 on 4 January and 01:23 on 5 January 2026 (UTC)"),
        (at(5, 0, 48, 2025), at(5, 1, 23), "00:48 on 5 January 2025 and 01:23 on 5 January 2026 (UTC)"),
    ],
)
def test_a_span_repeats_of_a_date_only_what_differs(low, high, said):
    assert span(low, high, "and") == said


def test_a_change_is_dated_by_its_interval_only_where_that_is_long_in_itself_and_beside_the_time_until_noticed():
    low = at(5, 0, 48)
    wide = since_when(point(low, low + 35 * MINUTE), low + 60 * MINUTE)
    assert wide == ("Since some time between 00:48 and 01:23 on 5 January 2026 (UTC)", True)
    sharp = ("Since 00:48 UTC on 5 January 2026", False)
    assert since_when(point(low, low + 35 * MINUTE), low + 140 * MINUTE) == sharp
    assert since_when(point(low, low + 10 * MINUTE), low + 11 * MINUTE) == sharp


def test_no_marker_is_denied_for_an_instant_only_where_there_is_one():
    assert what_preceded(None, vague=False) == "no marker moved at that time"
    assert what_preceded(None, vague=True) == "no marker moved meanwhile"


def test_topics_with_words_are_told_by_them():
    told = what_moved(
        [topic(9, 0.003, 0.2, words="refund, tomatoes", label="refund"), topic(-4, 0.3, 0.1, label="log")]
    )
    assert told == "more about “refund, tomatoes” (0.3 % → 20 %), less about “log” (30 % → 10 %)"


def test_topics_without_words_are_told_by_their_number_and_shares_alone():
    grown = [topic(9, 0.003, 0.009), topic(5, 0.1, 0.2), topic(4, 0.2, 0.3)]
    assert what_moved(grown) == "3 topics without known words grew (0.3 % → 0.9 %; 10 % → 20 %; …)"
    assert what_moved([topic(-5, 0.2, 0.1, words="")]) == "1 topic without known words shrank (20 % → 10 %)"
    assert what_moved([topic(1, 0.2, 0.21)]) == ""


def test_of_topics_with_and_without_words_those_with_words_are_told():
    assert what_moved([topic(9, 0.1, 0.2), topic(5, 0.1, 0.3, label="log")]) == "more about “log” (10 % → 30 %)"


def test_zero_has_no_sign():
    assert figure(-0.0) == figure(0.0) == "0"


def test_names_of_measures_are_spelled_out():
    assert spelled_out("typical ttft") == "typical time to first token"


def test_far_questions_are_told_with_a_bound_on_what_was_before():
    found = Effect("share of calls: off topic", 0.05, 0.05, 0.03, 0.07, "points", 3000, 900, 0.01, 0.1, 0.15)
    told = what_drifted("shop", "off_topic", found)
    assert told == "15 % of questions to shop are far from every topic of the baseline (10 % at most before)"


def test_a_silent_change_says_which_model_was_asked_for_all_along():
    marker = {"field": "served_model", "before": "atlas-1", "after": "atlas-2", "at_ms": at(17, 11, 53)}
    assert what_preceded(marker, vague=False, asked_for="atlas").endswith(", while atlas was asked for all along")
    assert "asked for" not in what_preceded({**marker, "field": "region"}, vague=False, asked_for="atlas")
    assert what_preceded(None, vague=False, asked_for="atlas") == (
        "no marker moved at that time: atlas was asked for all along"
    )


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0.375, "9 hours"),
        (1.5, "36 hours"),
        (3.2, "3 days"),
        (0.05, "72 minutes"),
        (1e-5, "1 minute"),
        (2000, "2,000 days"),
    ],
)
def test_how_long_something_lasts_is_said_in_a_unit_of_which_there_are_a_few(days, said):
    assert lasting(days) == said


def test_calls_without_a_prompt_version_are_called_that():
    nothing = SimpleNamespace(step=SimpleNamespace(size=1.0, low=0.9), total=SimpleNamespace(given_inputs=True))
    link = SimpleNamespace(version=SimpleNamespace(name="v2", length=0.34), **vars(nothing))
    found = SimpleNamespace(size=1.2, low=0.9, high=1.4)
    alarm = SimpleNamespace(effect=found, anchor=("", 0), links=[link], version="v2")
    said = what_edits_did("bot", alarm, 0.25)
    assert said.startswith("prompt version v2 of bot answers like questions differently from calls without one: by 1.2")
    assert said.endswith("34 % longer than theirs")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((0.151309, "points", "share of calls: error"), "+15 points"),
        ((-0.688452, "tokens", "typical output length"), "−69 %"),
        ((0.45, "log tokens", "spread of output length"), "+45 %"),
        ((2.168, "residual standard deviations", "shift of answers"), "2.17 residual standard deviations"),
        ((-0.4, "score", "score helpful"), "−0.4"),
        ((0.0, "points"), "0 points"),
        ((-0.12, "ratio"), "−12 %"),
    ],
)
def test_a_difference_is_said_in_its_unit_with_its_way(given, said):
    assert change(*given) == said


def test_an_interval_says_its_unit_once():
    assert between(-0.02, 0.218, "points") == "−2 to +22 points"
    assert between(0.36, 0.46, "ms", "typical latency") == "+36 to +46 %"
    assert between(1.86, 2.44, "sd") == "1.86 to 2.44 sd"
