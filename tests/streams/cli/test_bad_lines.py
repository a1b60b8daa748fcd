"""Lines that are no call record, or come twice or too late: counted, kept, and never in the way of the others."""

from pathlib import Path

import msgspec
import pytest

from tests.streams import traffic


def good():
    return traffic.lines(traffic.calls(1000, 1150))


def call(**fields):
    (made,) = traffic.lines(traffic.calls(1100, 1101, **fields))
    return made


def letters(path):
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


BAD = [
    (b"not JSON at all", "not_json", "", "send one object per line"),
    (b'{"call_id": "x"', "not_json", "", "send one object per line"),
    (b"\x00" * 40, "not_json", "", "send one object per line"),
    (b"[1, 2]", "not_an_object", "", "jq"),
    (call(latency_ms="fast"), "wrong_type", "latency_ms", "send a number"),
    (call(output=7), "wrong_type", "output", "send text"),
    (call(app=None), "missing_field", "app", "--map app=path.to.it"),
    (call(input=None, output=None), "nothing_to_judge", "output", "--map output=path.to.it"),
    (call(input="a" * 10_000_000), "too_large", "", "shorten its texts"),
    (call(event_time="1970-01-01T00:00:00Z"), "too_old", "event_time", "Check the unit"),
    (call(event_time="2100-01-01T00:00:00Z"), "in_future", "event_time", "check the sender's clock"),
    (call(event_time="yesterday"), "bad_time", "event_time", "RFC 3339"),
    (call(latency_ms=-1), "negative", "latency_ms", "send zero or more"),
]


@pytest.mark.parametrize(
    ("line", "reason", "field", "remedy"), BAD, ids=[f"{b[1]}-{b[2]}-{n}" for n, b in enumerate(BAD)]
)
def test_a_bad_line_is_counted_and_kept_and_its_neighbours_are_judged(
    driftline, normal, write, tmp_path, line, reason, field, remedy
):
    lines = good()
    path, dead = write([*lines[:70], line, *lines[70:]]), tmp_path / "dead.jsonl"
    ran = driftline("watch", path, "--baseline", normal, "--dead-letters", dead)
    assert ran.status == 0
    assert "150 calls judged" in ran.err
    assert f"rejected lines: 1 ({reason} 1)" in ran.err
    (letter,) = letters(dead)
    assert (letter["line"], letter["reason"], letter["field"]) == (71, reason, field)
    assert remedy in letter["detail"]
    assert letter["detail"].split()[-1] in ran.err


def test_missing_call_ids_are_made_up_and_that_is_said_once(driftline, normal, write):
    made = [{k: v for k, v in each.items() if k != "call_id"} for each in traffic.calls(1000, 1150)]
    ran = driftline("watch", write(traffic.lines(made)), "--baseline", normal)
    assert "150 calls judged" in ran.err
    assert ran.err.count("records without call_id: 150") == 1


def test_a_log_of_another_shape_shows_its_fields_and_is_judged_once_they_are_mapped(driftline, normal, write):
    made = [
        {"service": one["app"], "prompt": one["prompt_name"], "time": one["event_time"], "llm": {"said": one["output"]}}
        for one in traffic.calls(1000, 1150)
        if "output" in one
    ]
    path = write(traffic.lines(made))
    ran = driftline("watch", path, "--baseline", normal)
    assert ran.status == 2
    assert f"{path}: none of its {len(made)} lines is a call record" in ran.err
    assert "Its fields are service, prompt, time, llm.said." in ran.err
    assert "--map" in ran.err
    fields = ("app=service", "prompt_name=prompt", "event_time=time", "output=llm.said")
    mapped = driftline("watch", path, "--baseline", normal, *(part for each in fields for part in ("--map", each)))
    assert mapped.status == 0
    assert f"{len(made)} calls judged" in mapped.err


@pytest.mark.parametrize("value", ["app", "app=", "=x", "nonsense=x"])
def test_a_map_that_names_no_field_and_path_is_refused(driftline, write, value):
    ran = driftline("watch", write(good()), "--map", value)
    assert ran.status == 2
    assert f"--map wants FIELD=PATH, got '{value}'" in ran.err


def test_repeated_calls_are_counted_once(driftline, normal, write):
    ran = driftline("watch", write(good() + good()[-10:]), "--baseline", normal)
    assert "150 calls judged" in ran.err
    assert "repeated call_ids inside a tick, counted once: 10" in ran.err


def test_calls_that_come_too_late_are_counted_and_kept_with_the_remedy(driftline, normal, write, tmp_path):
    lines, dead = good(), tmp_path / "dead.jsonl"
    path = write(lines[2:] + lines[:2])
    ran = driftline("watch", path, "--baseline", normal, "--lateness", "30", "--dead-letters", dead)
    assert ran.status == 0
    assert "148 calls judged" in ran.err
    assert "calls that came too late and were left out: 2; raise --lateness" in ran.err
    assert [(one["line"], one["reason"], one["field"]) for one in letters(dead)] == [
        (149, "late", "event_time"),
        (150, "late", "event_time"),
    ]


def test_rejected_lines_are_never_written_into_the_file_that_is_read(driftline, write):
    path = write([b"bad", *good()])
    before = path.read_bytes()
    ran = driftline("watch", path, "--dead-letters", path)
    assert ran.status == 2
    assert "name another one" in ran.err
    assert path.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_for_dead_letters_stops_nothing(driftline, normal, write):
    path = write([b"bad", b"worse", *good()])
    ran = driftline("watch", path, "--baseline", normal, "--dead-letters", "/dev/full")
    assert ran.status == 0
    assert ran.err.count("rejected lines cannot be kept in /dev/full: No space left") == 1
    assert "rejected lines: 2" in ran.err
    assert "150 calls judged" in ran.err


def test_names_of_fields_in_a_rejected_line_are_no_markup(driftline, normal, write):
    ran = driftline("watch", write([b'{"[/red]": 1, "[bold]": 2}', *good()]), "--baseline", normal)
    assert ran.status == 0
    assert "the record has [/red], [bold]" in ran.err


OTHER_FORMATS = [
    (b"call_id,event_time,app,input", "looks like CSV"),
    (b'"call_id"\t"event_time"\t"app"', "looks like CSV"),
    (b"call_id;event_time;app", "looks like CSV"),
    (b'[{"call_id": "1"},', "looks like a JSON array: jq -c '.[]' FILE > lines.jsonl"),
    (b"[", "looks like a JSON array"),
    (b"{", "looks like JSON over several lines: jq -c . FILE > lines.jsonl"),
    (b"PK\x03\x04\x14\x00", "looks like a zip archive or a spreadsheet"),
]


@pytest.mark.parametrize(("first", "words"), OTHER_FORMATS)
def test_a_file_of_another_format_is_named_with_the_remedy(driftline, write, first, words):
    ran = driftline("watch", write([first, b"more of it"]))
    assert ran.status == 2
    assert f"none of its 2 lines is a call record. It {words}" in ran.err
    assert "--map" not in ran.err


@pytest.mark.parametrize("first", [b"[2026-01-05 10:00:00] GET /, 200, ok", b'{"call_id": "1", "app": "x", "y', b"GET"])
def test_lines_that_look_like_nothing_known_keep_their_reason(driftline, write, first):
    ran = driftline("watch", write([first]))
    assert ran.status == 2
    assert "is a call record. the line is not JSON" in ran.err
    assert "send one object per line" in ran.err
