"""Phrases that came and went."""

from __future__ import annotations

from drift.phrases import became, phrases

OLD = [f"({letter}) {word}." for letter in "ABCD" for word in ("Yes", "No", "Perhaps", "Never", "Always")]


def test_equal_answers_have_no_phrase_that_moved():
    assert phrases(OLD, OLD) == ()


def test_how_answers_begin_is_named_first_and_whole():
    found = phrases(OLD, [f"Certainly! {text}" for text in OLD])
    assert found[0].opening and found[0].text.startswith("Certainly!")
    assert (found[0].before, found[0].now) == (0.0, 1.0)


def test_a_mark_that_vanished_is_told_with_its_shares():
    found = phrases(OLD * 2, [text.rstrip(".") for text in OLD * 2])
    assert [(one.text, one.before, one.now) for one in found] == [(".", 1.0, 0.0)]


def test_a_phrase_that_is_part_of_another_is_not_told_twice():
    found = phrases(OLD * 2, [f"As an AI model, {text}" for text in OLD * 2])
    texts = [one.text for one in found]
    assert not any(a != b and a in b for a in texts for b in texts)


def test_a_handful_of_answers_says_nothing():
    assert phrases(OLD[:9], OLD) == ()


def test_a_phrase_that_took_the_place_of_another_is_told_as_a_pair():
    before = [f"({letter}) {word}" for letter in "A" for word in ("Yes", "No", "Perhaps", "Never", "Always")] * 8
    now = [text.replace(")", ").") for text in before]
    gone, come = became(phrases(before, now))
    assert (gone.text.strip(), come.text.strip()) == ("(A)", "(A).")
    assert gone.opening and come.opening
    assert (gone.before, gone.now, come.before, come.now) == (1.0, 0.0, 0.0, 1.0)


def test_phrases_that_only_came_are_no_pair():
    assert became(phrases(OLD, [f"Certainly! {text}" for text in OLD])) is None
    assert became(()) is None
