"""Bytes to call records, and to the reasons why not."""

import calendar
import json
from datetime import datetime, timedelta, timezone

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from streams import records
from streams.aliases import epoch_ms
from streams.records import FIELDS, Limits, Reason, Record, Rejected, decode

NOW = 1_800_000_000_000
CALL = {"call_id": "c1", "event_time": "2026-01-31T12:00:00Z", "app": "bot", "output": "Paris."}
JANUARY = 1_769_860_800_000  # the call's event_time
CAREFUL = {"nowhere": "not.there"}  # a field map keeps a line off the fast path

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["", "1", "live", "\x00"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
names = st.sampled_from([*sorted(FIELDS), "gen_ai.request.model", "gen_ai.prompt", "tier"])
numbers = ("latency_ms", "ttft_ms", "input_tokens", "output_tokens", "cached_input_tokens", "cost_usd")
sane = dict.fromkeys(sorted(FIELDS), st.none() | st.text(max_size=5))
sane |= dict.fromkeys(numbers, st.none() | st.integers(-1, 200_000) | st.floats(-1, 2e5))
sane |= {
    "event_time": st.sampled_from([CALL["event_time"], JANUARY, JANUARY / 1000, str(JANUARY), 5, "soon"]),
    "call_id": st.sampled_from(["c1", "", 7]),
    "app": st.sampled_from(["bot", "é" * 256, "é" * 257]),
    "scores": st.dictionaries(st.text(max_size=3), st.floats(-1e10, 1e10) | st.integers(-5, 5), max_size=33),
    "context": st.none() | st.lists(st.text(max_size=3), max_size=3),
    "attributes": st.dictionaries(st.text(max_size=3), values, max_size=66),
    "feedback": st.sampled_from([None, -1, 0, 1, 2, 1.0]),
}


def line(**changes):
    return json.dumps(CALL | changes).encode()


def read(**changes):
    record = decode(line(**changes), now_ms=NOW)
    assert isinstance(record, Record), record
    return record


def refused(data, **options):
    rejected = decode(data, now_ms=NOW, **options)
    assert isinstance(rejected, Rejected), rejected
    assert rejected.detail
    return rejected


def test_a_minimal_call_becomes_a_record_with_empty_fields_for_what_is_absent():
    data = line()
    assert decode(data, now_ms=NOW) == Record(
        call_id="c1", event_time=JANUARY, app="bot", output="Paris.", content=xxhash.xxh3_64_intdigest(data)
    )


def test_every_field_of_the_contract_arrives():
    full = dict.fromkeys(FIELDS, "x") | {
        "call_id": "c1",
        "event_time": JANUARY,
        "latency_ms": 812.5,
        "ttft_ms": 120,
        "input_tokens": 11,
        "output_tokens": 7,
        "cached_input_tokens": 0,
        "cost_usd": 0.01,
        "scores": {"helpful": 1},
        "feedback": -1,
        "context": ["a", "b"],
        "attributes": {"tier": "gold"},
    }
    record = decode(json.dumps(full).encode(), now_ms=NOW)
    assert isinstance(record, Record)
    assert {name: getattr(record, name) for name in FIELDS} == full | {"context": ("a", "b")}


@given(st.binary())
def test_no_bytes_whatever_raise(data):
    assert isinstance(decode(data, now_ms=NOW), Record | Rejected)
    assert isinstance(decode(data, now_ms=NOW, field_map={"input": "a.b", "app": "0"}), Record | Rejected)


@given(
    st.dictionaries(names, values),
    st.dictionaries(names, st.sampled_from(["attributes.x", "scores", "context.0", "tier"])),
)
def test_no_json_object_whatever_raises(document, field_map):
    data = json.dumps(CALL | document).encode()
    outcome = decode(data, now_ms=NOW, field_map=field_map, fallback_id="f")
    assert isinstance(outcome, Record | Rejected)
    if isinstance(outcome, Rejected):
        assert len(outcome.detail) < 400


@given(st.fixed_dictionaries({}, optional=sane))
def test_the_fast_path_and_the_careful_path_agree(document):
    data = json.dumps(CALL | document).encode()
    assert decode(data, now_ms=NOW) == decode(data, now_ms=NOW, field_map=CAREFUL)


def test_the_names_of_the_contract_take_the_fast_path(monkeypatch):
    monkeypatch.delattr(records, "_decode_any_names")
    assert (
        read(input=None, latency_ms=3, scores={"a": 1}, attributes={"tier": {"a": [1]}}, context=["x"]).latency_ms == 3
    )


def test_nulls_count_as_absent():
    record = read(input=None, variant=None, latency_ms=None, scores=None, context=None, attributes=None, tier=None)
    assert (record.input, record.variant, record.latency_ms) == ("", "live", None)
    assert (record.scores, record.context, record.attributes) == ({}, (), {})
    assert read(scores={"a": None, "b": 1}, context=[None, "x"]).scores == {"b": 1.0}


def test_null_characters_inside_texts_are_kept():
    assert read(output="a\x00b").output == "a\x00b"


def test_the_last_of_two_equal_keys_counts():
    assert decode(line()[:-1] + b', "output": "Rome."}', now_ms=NOW).output == "Rome."


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    half = (
        rb'{"call_id":"c1","event_time":1769860800,"app":"bot","output":"cut \ud83d, whole \ud83d\ude00, text \\ud83d"}'
    )
    assert decode(half, now_ms=NOW).output == "cut \ufffd, whole \U0001f600, text \\ud83d"


def test_whole_numbers_as_labels_are_taken_as_their_digits():
    record = read(call_id=17, prompt_version=3)
    assert (record.call_id, record.prompt_version) == ("17", "3")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"call_id,app", Reason.NOT_JSON),
        (b'{"output": "\xff"}', Reason.NOT_JSON),
        (b'{"latency_ms": NaN}', Reason.NOT_JSON),
        (b'{"latency_ms": -Infinity}', Reason.NOT_JSON),
        (line() + line(), Reason.NOT_JSON),
        (b'{"output": "cut', Reason.NOT_JSON),
        (b"[1, 2]", Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b'{"latency_ms": 1e999}', Reason.NOT_FINITE),
        (b'{"tier": ' + b"9" * 5_000 + b"}", Reason.NOT_FINITE),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"attributes": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, Reason.TOO_DEEP),
        (b'{"output": "' + b"a" * 10_000_000 + b'"}', Reason.TOO_LARGE),
    ],
)
def test_a_line_that_is_no_record_is_refused_as_a_whole(data, reason):
    rejected = refused(data)
    assert (rejected.reason, rejected.field) == (reason, "")


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"call_id": None}, Reason.MISSING_FIELD, "call_id"),
        ({"call_id": {"id": 1}}, Reason.WRONG_TYPE, "call_id"),
        ({"app": ""}, Reason.MISSING_FIELD, "app"),
        ({"app": None}, Reason.MISSING_FIELD, "app"),
        ({"app": ["bot"]}, Reason.WRONG_TYPE, "app"),
        ({"app": "b" * 257}, Reason.TOO_LONG, "app"),
        ({"app": True}, Reason.WRONG_TYPE, "app"),
        ({"prompt_version": 1.2}, Reason.WRONG_TYPE, "prompt_version"),
        ({"event_time": None}, Reason.MISSING_FIELD, "event_time"),
        ({"event_time": "yesterday"}, Reason.BAD_TIME, "event_time"),
        ({"event_time": "2026-01-31"}, Reason.BAD_TIME, "event_time"),
        ({"event_time": True}, Reason.BAD_TIME, "event_time"),
        ({"event_time": 10**30}, Reason.BAD_TIME, "event_time"),
        ({"event_time": "1970-01-21T00:00:00Z"}, Reason.TOO_OLD, "event_time"),
        ({"event_time": 1_700_000}, Reason.TOO_OLD, "event_time"),
        ({"event_time": -5}, Reason.TOO_OLD, "event_time"),
        ({"event_time": "2100-01-01T00:00:00Z"}, Reason.IN_FUTURE, "event_time"),
        ({"event_time": NOW + 300_001}, Reason.IN_FUTURE, "event_time"),
        ({"output": 5}, Reason.WRONG_TYPE, "output"),
        ({"output": ["a", "b"]}, Reason.WRONG_TYPE, "output"),
        ({"output": "x" * (2**18 + 1)}, Reason.TOO_LONG, "output"),
        ({"input": [{"role": "user", "content": 5}]}, Reason.WRONG_TYPE, "input"),
        ({"output": None}, Reason.NOTHING_TO_JUDGE, "output"),
        ({"latency_ms": "12"}, Reason.WRONG_TYPE, "latency_ms"),
        ({"latency_ms": True}, Reason.WRONG_TYPE, "latency_ms"),
        ({"latency_ms": -0.5}, Reason.NEGATIVE, "latency_ms"),
        ({"ttft_ms": 10_000_001}, Reason.TOO_LARGE, "ttft_ms"),
        ({"input_tokens": -1}, Reason.NEGATIVE, "input_tokens"),
        ({"output_tokens": 10**9}, Reason.TOO_LARGE, "output_tokens"),
        ({"cost_usd": 1e6}, Reason.TOO_LARGE, "cost_usd"),
        ({"cost_usd": 10**400}, Reason.TOO_LARGE, "cost_usd"),
        ({"scores": [1]}, Reason.WRONG_TYPE, "scores"),
        ({"scores": {"a": "1"}}, Reason.WRONG_TYPE, "scores"),
        ({"scores": {"a": False}}, Reason.WRONG_TYPE, "scores"),
        ({"scores": {"a": 1e300}}, Reason.TOO_LARGE, "scores"),
        ({"scores": {str(i): 1 for i in range(33)}}, Reason.TOO_LARGE, "scores"),
        ({"scores": {"a" * 257: 1}}, Reason.TOO_LONG, "scores"),
        ({"feedback": 2}, Reason.NOT_ALLOWED, "feedback"),
        ({"feedback": "up"}, Reason.WRONG_TYPE, "feedback"),
        ({"context": "text"}, Reason.WRONG_TYPE, "context"),
        ({"context": [{"text": "a"}]}, Reason.WRONG_TYPE, "context"),
        ({"attributes": [1]}, Reason.WRONG_TYPE, "attributes"),
        ({"attributes": {"a": json.loads("[" * 32 + "]" * 32)}}, Reason.TOO_DEEP, "attributes"),
    ],
)
def test_a_bad_value_is_refused_by_reason_and_field(changes, reason, field):
    rejected = refused(line(**changes))
    assert (rejected.reason, rejected.field) == (reason, field)
    assert rejected.detail.startswith(f"{field} is ")


def test_what_arrived_is_shown_cut_and_containers_by_size_only():
    assert len(refused(line(latency_ms="secret " * 500)).detail) < 200
    assert "an object (size 1)" in refused(line(app={"secret": 1})).detail


def test_a_missing_field_shows_what_the_record_has_and_how_to_name_it():
    rejected = refused(b'{"id": "c1", "question": "Why?"}', fallback_id="f1")
    assert rejected.reason == Reason.MISSING_FIELD
    assert "id, question" in rejected.detail
    assert "--map event_time=path.to.it" in rejected.detail


def test_a_fallback_id_serves_only_a_record_without_one():
    assert decode(line(call_id=None), now_ms=NOW, fallback_id="7-ab").call_id == "7-ab"
    assert decode(line(call_id=""), now_ms=NOW, fallback_id="7-ab").call_id == "7-ab"
    assert decode(line(), now_ms=NOW, fallback_id="7-ab").call_id == "c1"


def test_limits_may_be_tightened():
    assert refused(line(), limits=Limits(line_bytes=20)).reason == Reason.TOO_LARGE
    assert refused(line(), limits=Limits(text_chars=5)).reason == Reason.TOO_LONG


def test_an_error_without_texts_can_be_judged():
    assert read(output=None, error_type="timeout").error_type == "timeout"


@pytest.mark.parametrize(
    "spelling",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31 12:00:00.000999",
        "2026-01-31T14:00:00+02:00",
        JANUARY // 1000,
        JANUARY / 1000,
        JANUARY,
        float(JANUARY),
        JANUARY * 1000 + 999,
        JANUARY * 1_000_000,
        str(JANUARY),
        f"{JANUARY // 1000}.000",
        str(JANUARY * 1_000_000),
    ],
)
def test_an_instant_may_be_spelt_in_many_ways(spelling):
    assert read(event_time=spelling).event_time == JANUARY


@given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)), st.integers(-1439, 1439))
def test_rfc_3339_agrees_with_the_calendar(when, minutes):
    aware = when.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = calendar.timegm(aware.utctimetuple()) * 1000 + when.microsecond // 1000
    assert epoch_ms(aware.isoformat()) == expected
    assert epoch_ms(expected) == expected


def test_messages_become_text_and_the_system_text_names_the_prompt():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "user", "content": [{"type": "text", "text": "This one."}, {"type": "image_url", "image_url": {}}]},
    ]
    record = read(input=messages)
    assert record.input == "Where is it?\n\nThis one."
    assert record.prompt_hash == xxhash.xxh3_64_hexdigest(b"Be brief.")
    assert read(input=messages, prompt_hash="mine").prompt_hash == "mine"


def test_unknown_fields_become_attributes_and_the_excess_is_counted():
    assert read(tier="gold", attributes={"plan": 1}, nothing=None).attributes == {"tier": "gold", "plan": 1}
    attributes = read(**{f"k{i:03}": i for i in range(70)}).attributes
    assert len(attributes) == 65
    assert attributes["k063"] == 63
    assert attributes["_dropped"] == 6


SPAN = {
    "gen_ai.response.id": "chatcmpl-1",
    "service.name": "bot",
    "service.version": "1.4",
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Weather?"}]}]),
    "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}]}],
    "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
    "gen_ai.request.model": "gpt-4",
    "gen_ai.response.model": "gpt-4-0613",
    "gen_ai.provider.name": "openai",
    "gen_ai.conversation.id": "s1",
    "gen_ai.response.time_to_first_chunk": 0.5,
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 2,
    "gen_ai.response.finish_reasons": ["stop", "length"],
    "error.type": "",
}
OLD_SPAN = {
    "gen_ai.response.id": "chatcmpl-1",
    "service.name": "bot",
    "gen_ai.prompt": "Weather?",
    "gen_ai.completion": "Rain.",
    "gen_ai.system": "openai",
    "gen_ai.usage.prompt_tokens": 10,
    "gen_ai.usage.completion_tokens": 5,
    "gen_ai.response.finish_reasons": [],
}


@pytest.mark.parametrize("wrap", [lambda span: span, lambda span: {"attributes": span}])
def test_opentelemetry_names_are_understood_at_top_level_and_among_attributes(wrap):
    record = decode(json.dumps({"event_time": JANUARY} | wrap(SPAN | {"tier": 1})).encode(), now_ms=NOW)
    assert record == Record(
        call_id="chatcmpl-1",
        event_time=JANUARY,
        app="bot",
        app_version="1.4",
        input="Weather?",
        output="Rain.",
        prompt_hash=xxhash.xxh3_64_hexdigest(b"Be brief."),
        model="gpt-4",
        served_model="gpt-4-0613",
        provider="openai",
        session_id="s1",
        ttft_ms=500.0,
        input_tokens=10,
        output_tokens=5,
        cached_input_tokens=2,
        finish_reason="stop",
        attributes={"tier": 1},
        content=record.content,
    )


def test_previous_opentelemetry_names_are_understood_and_yield_to_current_ones():
    record = decode(json.dumps({"event_time": JANUARY} | OLD_SPAN).encode(), now_ms=NOW)
    assert (record.input, record.output, record.provider) == ("Weather?", "Rain.", "openai")
    assert (record.input_tokens, record.output_tokens, record.finish_reason) == (10, 5, "")
    assert read(**{"gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2}).input_tokens == 2


def test_the_plain_name_wins_over_an_alias_and_top_level_over_attributes():
    assert read(model="plain", **{"gen_ai.request.model": "alias"}).model == "plain"
    assert read(model=None, **{"gen_ai.request.model": "alias"}).model == "alias"
    nested = {"gen_ai.request.model": "nested"}
    assert read(attributes=nested, **{"gen_ai.request.model": "top"}).model == "top"
    assert read(attributes=nested, model="plain").attributes == {}


def test_a_bad_alias_is_named_as_it_came():
    rejected = refused(line(**{"gen_ai.usage.input_tokens": "many"}))
    assert (rejected.field, rejected.reason) == ("input_tokens", Reason.WRONG_TYPE)
    assert "gen_ai.usage.input_tokens" in rejected.detail


def test_a_field_map_reaches_into_objects_and_lists_and_comes_first():
    data = line(
        output="plain", choices=[{"message": {"content": "nested"}}], **{"meta.tenant": {"id": "t1"}}, ts=JANUARY + 1
    )
    field_map = {
        "output": "choices.-1.message.content",
        "user_id": "meta.tenant.id",
        "event_time": "ts",
        "model": "choices.9.model",
        "tier": "choices.0.message.content",
    }
    record = decode(data, now_ms=NOW, field_map=field_map)
    assert (record.output, record.user_id, record.event_time, record.model) == ("nested", "t1", JANUARY + 1, "")
    assert record.attributes["tier"] == "nested"
    assert "ts" not in record.attributes
