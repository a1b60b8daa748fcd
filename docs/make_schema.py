"""Writes docs/call-record.schema.json from the contract in the code: ``python docs/make_schema.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from streams.aliases import spellings
from streams.checks import NUMBERS, Limits
from streams.records import DEFAULT_LIMITS, FIELDS, LABELS

PAGE = Path(__file__).with_name("call-record.schema.json")

ABOUT = (
    "One call to a model and its answer, as Driftline reads it from a topic or a line of a file. Absent and null are "
    "the same; fields that are not named here are kept as attributes. OpenTelemetry GenAI names, at top level or in "
    "attributes, are taken for the fields whose descriptions list them; this schema requires the names of its own. A "
    "record, as JSON in UTF-8, has at most {limit} bytes."
)

WORDS = {
    "call_id": "Names the call; the key of its record in the topic. Send it again with every retry of the same call.",
    "event_time": "When the call was made: RFC 3339 (without an offset: UTC), or epoch seconds or milliseconds.",
    "app": "The application; with prompt_name it makes the segment whose calls are judged together.",
    "prompt_name": "The task or template.",
    "prompt_version": "Calls of one version are compared with a baseline of the same version.",
    "prompt_hash": "Tells templates apart that bear one version. [default: of the system's message, if any]",
    "variant": "live (the default), shadow, canary or any other; each is judged by itself.",
    "pair_id": "Joins a shadow call to the live one.",
    "input": "What was asked: text, or messages, of which all but the system's text is taken.",
    "output": "What the model answered.",
    "model": "The model that was asked for.",
    "served_model": "The model that answered, as the provider names it.",
    "fingerprint": "The provider's name of the deployment that answered.",
    "scores": "Results of evaluations by name.",
    "feedback": "Thumbs down, none, up.",
    "context": "Retrieved texts.",
    "attributes": "Whatever else is known; may be declared as slices.",
    "error_type": "timeout, rate_limit, context_length or any other; a call that failed needs no output.",
    "latency_ms": "Milliseconds until the whole answer.",
    "ttft_ms": "Milliseconds until the first token.",
    "cost_usd": "What the call cost.",
    "finish_reason": "Why the answer ended: stop, length and so on.",
}
"""What a name does not say by itself."""


def page() -> str:
    """The whole schema."""
    return json.dumps(schema(DEFAULT_LIMITS), indent=2) + "\n"


def schema(limits: Limits) -> dict[str, Any]:
    """JSON Schema of a call record inside these limits."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Driftline call record",
        "description": ABOUT.format(limit=limits.line_bytes),
        "type": "object",
        "required": ["call_id", "event_time", "app"],
        "anyOf": [{"required": [name], "properties": {name: FILLED}} for name in ("input", "output", "error_type")],
        "properties": {name: _described(name, limits) for name in _ordered()},
        "additionalProperties": True,
    }


FILLED = {"not": {"enum": ["", None]}}


def _ordered() -> list[str]:
    """Fields with words first, in their order, then the others by name."""
    return [*WORDS, *sorted(FIELDS - WORDS.keys())]


def _described(name: str, limits: Limits) -> dict[str, Any]:
    words = WORDS.get(name, "")
    if aliases := spellings().get(name):
        words = f"{words} Also: {', '.join(aliases)}.".strip()
    return ({"description": words} if words else {}) | _values(name, limits)


def _values(name: str, limits: Limits) -> dict[str, Any]:
    text = {"type": ["string", "null"], "maxLength": limits.text_chars}
    if name in ("call_id", "app"):
        return {"type": ["string", "integer"], "minLength": 1, "maxLength": limits.label_chars}
    if name in LABELS:
        return {"type": ["string", "integer", "null"], "maxLength": limits.label_chars}
    if name in NUMBERS:
        return {"type": ["number", "null"], "minimum": 0, "maximum": getattr(limits, NUMBERS[name])}
    return {
        "event_time": {"type": ["string", "number"]},
        "input": {"anyOf": [text, MESSAGES]},
        "output": {"anyOf": [text, MESSAGES]},
        "scores": {
            "type": ["object", "null"],
            "maxProperties": limits.scores,
            "propertyNames": {"maxLength": limits.label_chars},
            "additionalProperties": {"type": ["number", "null"], "minimum": -limits.score, "maximum": limits.score},
        },
        "feedback": {"enum": [-1, 0, 1, None]},
        "context": {"type": ["array", "null"], "items": text},
        "attributes": {"type": ["object", "null"]},
    }[name]


MESSAGES = {
    "type": "array",
    "items": {"type": "object", "properties": {"role": {"type": "string"}, "content": {"type": ["string", "array"]}}},
}


if __name__ == "__main__":
    PAGE.write_text(page())
