"""Names of segments."""

from __future__ import annotations

import pytest

from streams.measure import parts_of, segment_of
from streams.records import Record


def record(app: str, prompt: str = "", variant: str = "live") -> Record:
    return Record(call_id="1", event_time=0, app=app, prompt_name=prompt, variant=variant)


@pytest.mark.parametrize("variant", ["", "shadow"])
@pytest.mark.parametrize(
    ("app", "prompt"),
    [("bot", ""), ("bot", "answer"), ("a/b", "c"), ("a", "b/c"), ("100 %2F", "x%23"), ("a/b", ""), ("c#", "f#/%")],
)
def test_parts_of_a_segment_are_those_of_its_calls(app: str, prompt: str, variant: str) -> None:
    assert parts_of(segment_of(record(app, prompt, variant or "live"))) == (app, prompt, variant)


def test_a_name_that_ends_in_shadow_is_not_the_shadow_of_another() -> None:
    assert segment_of(record("bot#shadow")) != segment_of(record("bot", "", "shadow"))
    assert segment_of(record("bot", "answer#shadow")) != segment_of(record("bot", "answer", "shadow"))


def test_an_app_with_a_slash_is_not_another_app_with_a_prompt() -> None:
    assert segment_of(record("a/b")) != segment_of(record("a", "b"))


def test_shadow_calls_are_a_segment_of_their_own() -> None:
    assert segment_of(record("bot", "answer", "shadow")) == "bot/answer#shadow"
    assert segment_of(record("bot", "answer", "canary")) == segment_of(record("bot", "answer"))
