"""Names of segments."""

from __future__ import annotations

import pytest

from streams.measure import app_and_prompt, segment_of
from streams.records import Record


def record(app: str, prompt: str = "", variant: str = "live") -> Record:
    return Record(call_id="1", event_time=0, app=app, prompt_name=prompt, variant=variant)


@pytest.mark.parametrize(
    ("app", "prompt"), [("bot", ""), ("bot", "answer"), ("a/b", "c"), ("a", "b/c"), ("100 %2F", "x"), ("a/b", "")]
)
def test_app_and_prompt_of_a_segment_are_those_of_its_calls(app: str, prompt: str) -> None:
    assert app_and_prompt(segment_of(record(app, prompt))) == (app, prompt)


def test_an_app_with_a_slash_is_not_another_app_with_a_prompt() -> None:
    assert segment_of(record("a/b")) != segment_of(record("a", "b"))


def test_shadow_calls_are_a_segment_of_their_own() -> None:
    assert segment_of(record("bot", "answer", "shadow")) == "bot/answer#shadow"
    assert segment_of(record("bot", "answer", "canary")) == segment_of(record("bot", "answer"))
