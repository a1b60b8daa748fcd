"""What a source that holds no call record looks like, with the remedy."""

from __future__ import annotations

import json
import re

from streams.checks import Reason
from streams.records import Rejected


def no_call(count: int, what: str, example: Rejected, sample: bytes) -> str:
    """A sentence on why nothing of a source could be read.

    Parameters
    ----------
    count, what
        How many there were of what: lines or records.
    example, sample
        Why the first was rejected, and its beginning.
    """
    if example.reason in (Reason.NOT_JSON, Reason.NOT_AN_OBJECT):
        detail = (_other_format(sample) if what == "lines" else "") or example.detail
    else:
        remedy = "Say where the fields are, such as --map app=service --map output=response.text"
        detail = f"{example.detail}. {_fields(sample)}{remedy}"
    return f"none of its {count:,} {what} is a call record. {detail}"


def _other_format(sample: bytes) -> str:
    """What a file that is no log of JSON lines looks like by its first line, with the remedy; empty if like nothing."""
    if sample.startswith(b"PK"):
        return "It looks like a zip archive or a spreadsheet: export it as JSON lines, one object for each call"
    if re.match(rb"\[\s*(\{|\[|$)", sample):
        return "It looks like a JSON array: jq -c '.[]' FILE > lines.jsonl makes a line of each call"
    if sample.strip() == b"{":
        return "It looks like JSON over several lines: jq -c . FILE > lines.jsonl makes a line of each call"
    if not sample.startswith((b"{", b"[")) and max(map(sample.count, (b",", b"\t", b";"))) >= 2:
        return "It looks like CSV: export it as JSON lines, one object for each call"
    return ""


def _fields(sample: bytes) -> str:
    """The fields of a line, for whoever must map them."""
    try:
        record = json.loads(sample)
    except ValueError:
        return ""
    if not isinstance(record, dict):
        return ""
    named = [f"{k}.{inner}" for k, v in record.items() if isinstance(v, dict) for inner in v]
    flat = [k for k, v in record.items() if not isinstance(v, dict)]
    return f"Its fields are {', '.join(map(str, (flat + named)[:20]))}. "
