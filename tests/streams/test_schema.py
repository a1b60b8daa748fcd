"""The JSON Schema of call records in docs/: what the code says, field by field."""

import json
import runpy
from pathlib import Path

import pytest

from streams.records import FIELDS, Record, decode
from tests.streams import traffic

MADE = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_schema.py"))
SCHEMA = json.loads(MADE["PAGE"].read_text())
PROPERTIES = SCHEMA["properties"]
CALL = {"call_id": "a", "event_time": traffic.START_MS, "app": "bot", "output": "yes"}


def taken(**fields):
    return isinstance(decode(json.dumps(CALL | fields).encode(), now_ms=traffic.NOW_MS), Record)


def test_the_documented_schema_is_what_the_code_says():
    assert MADE["PAGE"].read_text() == MADE["page"](), "run: python docs/make_schema.py"


def test_it_has_every_field_and_no_other():
    assert PROPERTIES.keys() == FIELDS


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if "maximum" in PROPERTIES[name]))
def test_numbers_are_taken_up_to_their_bounds_and_not_beyond(name):
    bounds = PROPERTIES[name]
    assert taken(**{name: bounds["minimum"]})
    assert taken(**{name: bounds["maximum"]})
    assert not taken(**{name: bounds["minimum"] - 1})
    assert not taken(**{name: bounds["maximum"] + 1})


@pytest.mark.parametrize("name", sorted(name for name in FIELDS if "maxLength" in PROPERTIES[name]))
def test_labels_are_taken_up_to_their_length_and_as_whole_numbers(name):
    longest = PROPERTIES[name]["maxLength"]
    assert taken(**{name: "x" * longest})
    assert not taken(**{name: "x" * (longest + 1)})
    assert taken(**{name: 7})
    assert not taken(**{name: True})


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_null_is_taken_where_the_schema_says_so_and_only_there(name):
    kinds = PROPERTIES[name].get("type") or PROPERTIES[name].get("enum") or PROPERTIES[name]["anyOf"][0]["type"]
    nullable = "null" in kinds or None in kinds
    assert taken(**({name: None} | ({"input": "what?"} if name == "output" else {}))) == nullable


@pytest.mark.parametrize("name", SCHEMA["required"])
def test_what_is_required_is_required(name):
    assert not taken(**{name: None})
    assert not taken(**{name: ""})


@pytest.mark.parametrize("name", [one["required"][0] for one in SCHEMA["anyOf"]])
def test_any_one_of_these_is_enough_to_judge(name):
    assert taken(**({"output": None} | {name: "timeout"}))
    assert not taken(**({"output": None} | {name: ""}))
