"""``driftline watch`` from the outside: exit statuses, what is said, and what bad input leaves unharmed."""

import gzip
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import zstandard

from drift import baseline as baselines
from streams.alerts import Alert
from tests.streams import traffic
from tests.streams.cli.running import driftline

__all__ = ["driftline"]

COMMAND = Path(sys.executable).with_name("driftline")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A file that holds the baseline."""
    path = tmp_path_factory.mktemp("baseline") / "normal.safetensors"
    path.write_bytes(baselines.encode(traffic.baseline()))
    return path


@pytest.fixture
def write(tmp_path):
    def write(lines, pack=bytes):
        path = tmp_path / "calls.jsonl"
        path.write_bytes(pack(b"".join(line + b"\n" for line in lines)))
        return path

    return write


def good(last=1150, changed_from=None):
    return traffic.lines(traffic.calls(1000, last, changed_from=changed_from))


def drifting():
    return good(1600, 1300)


def call(**fields):
    (made,) = traffic.lines(traffic.calls(1100, 1101, **fields))
    return made


def letters(path):
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def test_drift_is_told_and_ends_with_0_or_where_asked_with_1(driftline, baseline, write):
    path = write(drifting())
    for flags, status in (([], 0), (["--fail-on", "drift"], 1)):
        ran = driftline("watch", path, "--baseline", baseline, *flags)
        assert ran.status == status
        assert ran.out == b""
        assert "the served model went from atlas-2-0301 to atlas-3" in ran.err
        assert "600 calls judged in 1 segment" in ran.err


def test_without_drift_fail_on_drift_ends_with_0(driftline, baseline, write):
    ran = driftline("watch", write(good(1400)), "--baseline", baseline, "--fail-on", "drift")
    assert ran.status == 0
    assert "400 calls judged in 1 segment; no alarms" in ran.err


def test_json_prints_alert_records_and_nothing_else(driftline, baseline, write):
    path = write(drifting())
    ran = driftline("watch", path, "--baseline", baseline, "--json")
    alerts = [msgspec.json.decode(line, type=Alert) for line in ran.out.splitlines()]
    assert {one.kind for one in alerts} >= {"model", "output_length"}
    assert {one.baseline for one in alerts} == {traffic.baseline().id}
    assert {one.replay for one in alerts} == {f"driftline watch {path} --baseline {traffic.baseline().id}"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_standard_input_is_judged_like_a_file_packed_or_not(driftline, baseline, write, pack):
    expected = driftline("watch", write(drifting()), "--baseline", baseline, "--json").out.count(b"\n")
    piped = pack(b"\n".join(drifting()))
    assert driftline("watch", "-", "--baseline", baseline, "--json", stdin=piped).out.count(b"\n") == expected > 0
    packed = driftline("watch", write(drifting(), pack), "--baseline", baseline, "--json")
    assert packed.out.count(b"\n") == expected


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
    driftline, baseline, write, tmp_path, line, reason, field, remedy
):
    lines = good()
    path, dead = write([*lines[:70], line, *lines[70:]]), tmp_path / "dead.jsonl"
    ran = driftline("watch", path, "--baseline", baseline, "--dead-letters", dead)
    assert ran.status == 0
    assert "150 calls judged" in ran.err
    assert f"1 lines rejected ({reason} 1)" in ran.err
    (letter,) = letters(dead)
    assert (letter["line"], letter["reason"], letter["field"]) == (71, reason, field)
    assert remedy in letter["detail"]
    assert letter["detail"].split()[-1] in ran.err


def test_missing_call_ids_are_made_up_and_that_is_said_once(driftline, baseline, write):
    made = [{k: v for k, v in each.items() if k != "call_id"} for each in traffic.calls(1000, 1150)]
    ran = driftline("watch", write(traffic.lines(made)), "--baseline", baseline)
    assert "150 calls judged" in ran.err
    assert ran.err.count("150 records have no call_id") == 1


def test_a_log_of_another_shape_shows_its_fields_and_is_judged_once_they_are_mapped(driftline, baseline, write):
    made = [
        {"service": one["app"], "prompt": one["prompt_name"], "time": one["event_time"], "llm": {"said": one["output"]}}
        for one in traffic.calls(1000, 1150)
        if "output" in one
    ]
    path = write(traffic.lines(made))
    ran = driftline("watch", path, "--baseline", baseline)
    assert ran.status == 2
    assert f"{path}: none of its {len(made)} lines is a call record" in ran.err
    assert "Its fields are service, prompt, time, llm.said." in ran.err
    assert "--map" in ran.err
    fields = ("app=service", "prompt_name=prompt", "event_time=time", "output=llm.said")
    mapped = driftline("watch", path, "--baseline", baseline, *(part for each in fields for part in ("--map", each)))
    assert mapped.status == 0
    assert f"{len(made)} calls judged" in mapped.err


@pytest.mark.parametrize("value", ["app", "app=", "=x", "nonsense=x"])
def test_a_map_that_names_no_field_and_path_is_refused(driftline, write, value):
    ran = driftline("watch", write(good()), "--map", value)
    assert ran.status == 2
    assert f"--map wants FIELD=PATH, got '{value}'" in ran.err


def test_repeated_calls_are_counted_once(driftline, baseline, write):
    ran = driftline("watch", write(good() + good()[-10:]), "--baseline", baseline)
    assert "150 calls judged" in ran.err
    assert "10 repeated call_ids inside a tick were counted once" in ran.err


def test_calls_out_of_order_by_minutes_give_the_same_alerts(driftline, baseline, write):
    lines = drifting()
    expected = driftline("watch", write(lines), "--baseline", baseline, "--json")
    draw = random.Random(1)
    order = sorted(range(len(lines)), key=lambda n: n * traffic.STEP_MS + draw.choice((0, 240_000)))
    ran = driftline("watch", write([lines[n] for n in order]), "--baseline", baseline, "--json")
    assert ran.out == expected.out
    assert "too late" not in ran.err


def test_calls_that_come_too_late_are_counted_and_kept_with_the_remedy(driftline, baseline, write, tmp_path):
    lines, dead = good(), tmp_path / "dead.jsonl"
    path = write(lines[2:] + lines[:2])
    ran = driftline("watch", path, "--baseline", baseline, "--lateness", "30", "--dead-letters", dead)
    assert ran.status == 0
    assert "148 calls judged" in ran.err
    assert "2 calls came too late and were left out: raise --lateness" in ran.err
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


def test_an_empty_file_is_refused(driftline, baseline, write):
    ran = driftline("watch", write([]), "--baseline", baseline)
    assert ran.status == 2
    assert "holds no lines: one JSON object for each call is wanted" in ran.err


def test_a_cut_gzip_is_judged_as_far_as_it_goes_and_ends_with_3(driftline, baseline, write):
    path = write(drifting(), gzip.compress)
    path.write_bytes(path.read_bytes()[:-20_000])
    ran = driftline("watch", path, "--baseline", baseline)
    assert ran.status == 3
    read = int(ran.err.partition("cut off or damaged: ")[2].split()[0])
    assert 100 < read < 600
    assert f"{read} calls judged" in ran.err
    assert "write or fetch it again" in ran.err


@pytest.mark.parametrize(("name", "words"), [("none.jsonl", "does not exist"), ("", "is a folder")])
def test_what_is_no_file_is_named_with_a_remedy(driftline, baseline, tmp_path, name, words):
    ran = driftline("watch", tmp_path / name, "--baseline", baseline)
    assert ran.status == 2
    assert ran.err.startswith(f"driftline: {tmp_path / name} {words}")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_for_dead_letters_stops_nothing(driftline, baseline, write):
    path = write([b"bad", b"worse", *good()])
    ran = driftline("watch", path, "--baseline", baseline, "--dead-letters", "/dev/full")
    assert ran.status == 0
    assert ran.err.count("rejected lines cannot be kept in /dev/full: No space left") == 1
    assert "2 lines rejected" in ran.err
    assert "150 calls judged" in ran.err


def test_a_baseline_of_another_embedder_is_refused(driftline, write, tmp_path):
    other = replace(traffic.baseline(), lens=replace(traffic.baseline().lens, embedder="other/1"))
    path = tmp_path / "other.safetensors"
    path.write_bytes(baselines.encode(other))
    ran = driftline("watch", write(good()), "--baseline", path)
    assert ran.status == 2
    assert "was measured by 'other/1'" in ran.err
    assert "give --embedder as it was, or build a baseline with this one" in ran.err


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"{}" * 50])
def test_a_damaged_baseline_is_refused(driftline, baseline, write, tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damage(baseline.read_bytes()))
    ran = driftline("watch", write(good()), "--baseline", path)
    assert ran.status == 2
    assert "again" in ran.err


def test_a_baseline_that_is_not_there_is_refused(driftline, write):
    ran = driftline("watch", write(good()), "--baseline", "nobody@prod")
    assert ran.status == 2
    assert "driftline baseline build" in ran.err


def test_two_baselines_of_one_segment_are_refused(driftline, baseline, write):
    ran = driftline("watch", write(good()), "--baseline", baseline, "--baseline", baseline)
    assert ran.status == 2
    assert "is of segment support-bot/answer, like one before it" in ran.err


def test_a_baseline_whose_segment_never_comes_is_said(driftline, baseline, write):
    ran = driftline("watch", write(traffic.lines(traffic.calls(0, 10, app="other"))), "--baseline", baseline)
    assert f"baseline {traffic.baseline().id}: there are no calls of support-bot/answer" in ran.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--one-false-alarm-every", "often"], "must be like '30d', '12h' or '200000 calls', got 'often'"),
        (["--tick", "nan"], "tick_s is nan"),
        (["--tick", "0"], "tick_s is 0.0"),
        (["--lateness", "inf"], "lateness_s is inf"),
        (["--texts", "some"], "texts must be 'full' or 'none', got 'some'"),
        (["--embedder", "nonsense"], "embedder"),
        (["--config", "/nowhere.yaml"], "settings file /nowhere.yaml cannot be read"),
        (["--first", "5"], "--first"),
        (["--fail-on", "rain"], "--fail-on"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options_end_with_2_before_anything_is_read(driftline, write, flags, words):
    ran = driftline("watch", write(good()), *flags)
    assert ran.status == 2
    assert words in ran.err
    assert "judged" not in ran.err


def test_a_settings_file_and_its_environment_are_obeyed(driftline, baseline, write, tmp_path, monkeypatch):
    config = tmp_path / "driftline.yaml"
    config.write_text("one_false_alarm_every: 30d\nlateness_s: 5")
    path = write(good())
    ran = driftline("watch", path, "--baseline", baseline, "--config", config)
    assert "one false alarm every 30 days" in ran.err
    monkeypatch.setenv("DRIFTLINE_ONE_FALSE_ALARM_EVERY", "40d")
    ran = driftline("watch", path, "--baseline", baseline, "--config", config)
    assert "one false alarm every 40 days" in ran.err
    ran = driftline("watch", path, "--baseline", baseline, "--config", config, "--one-false-alarm-every", "50d")
    assert "one false alarm every 50 days" in ran.err
    config.write_text("tick: 5")
    ran = driftline("watch", path, "--config", config)
    assert ran.status == 2
    assert "unknown setting tick; settings are one_false_alarm_every" in ran.err


def test_a_record_without_a_baseline_is_no_answer(driftline, write):
    ran = driftline("watch", write(good(1001)))
    assert ran.status == 0
    assert "not enough data 1 call, too few to judge" in ran.err


@pytest.mark.parametrize("app", ["[red]x[/blue]", "מסע 🚀", "a\x1b[2Jb", "\u202eevil", "x" * 256])
def test_names_of_segments_are_shown_as_they_are_and_steer_nothing(driftline, write, app):
    ran = driftline("watch", write(traffic.lines(traffic.calls(0, 10, app=app, prompt_name=""))))
    assert ran.status == 0
    assert "\x1b" not in ran.err
    assert "\u202e" not in ran.err
    assert app[:8].replace("\x1b", "\ufffd").replace("\u202e", "\ufffd") in ran.err


def test_names_of_fields_in_a_rejected_line_are_no_markup(driftline, baseline, write):
    ran = driftline("watch", write([b'{"[/red]": 1, "[bold]": 2}', *good()]), "--baseline", baseline)
    assert ran.status == 0
    assert "the record has [/red], [bold]" in ran.err


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(baseline, write):
    path = write(drifting())
    read, write_end = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [COMMAND, "watch", path, "--baseline", baseline, "--json"], stdout=write_end, stderr=subprocess.PIPE
    ) as process:
        os.close(write_end)
        _, err = process.communicate()
    assert process.returncode == 3
    assert b"Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_for_alerts_ends_the_command_with_3(baseline, write):
    path = write(drifting())
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [COMMAND, "watch", path, "--baseline", baseline, "--json"], stdout=full, stderr=subprocess.PIPE
        )
    assert ran.returncode == 3
    assert b"No space left" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_an_interrupt_tells_what_was_judged_so_far_and_ends_with_3(baseline):
    with subprocess.Popen(
        [COMMAND, "watch", "-", "--baseline", baseline, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"".join(line + b"\n" for line in good(3000, 1300)))
        process.stdin.flush()
        assert process.stdout.readline()  # it has judged, and waits for more
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        err = process.stderr.read().decode()
    assert process.returncode == 3
    assert "calls judged in 1 segment" in err
    assert err.strip().endswith("stopped")
    assert "Traceback" not in err
