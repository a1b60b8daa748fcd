"""``driftline watch`` from the outside: exit statuses and what is said."""

import gzip
import os
import random
import re
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import pytest
import zstandard

from drift import baseline as baselines
from streams.alerts import Alert
from streams.store import Store
from tests.streams import traffic

COMMAND = Path(sys.executable).with_name("driftline")
DEADLINE_S = 60


def good(last=1150, changed_from=None):
    return traffic.lines(traffic.calls(1000, last, changed_from=changed_from))


def drifting():
    return good(1600, 1300)


def test_drift_is_told_and_ends_with_0_or_where_asked_with_1(driftline, normal, write):
    path = write(drifting())
    for flags, status in (([], 0), (["--fail-on", "drift"], 1)):
        ran = driftline("watch", path, "--baseline", normal, *flags)
        assert ran.status == status
        assert ran.out == b""
        assert "the served model went from atlas-2-0301 to atlas-3" in ran.err
        assert "600 calls judged in 1 segment;" in ran.err
        evidence = re.findall(r"(?<!no) drift (\d+\.\d) of (\d+\.\d)", ran.err)
        assert evidence
        assert all(float(raised) >= float(threshold) for raised, threshold in evidence)


def test_without_drift_fail_on_drift_ends_with_0(driftline, normal, write):
    ran = driftline("watch", write(good(1400)), "--baseline", normal, "--fail-on", "drift")
    assert ran.status == 0
    assert "400 calls judged in 1 segment; no alarms" in ran.err


def repeating():
    return traffic.lines(traffic.calls(0, 900, input="Hello there", output="Hi"))


@pytest.mark.parametrize(
    ("lines", "given", "why"),
    [
        (traffic.lines(traffic.calls(0, 50)), False, "support-bot/answer (no baseline could be made of its calls)"),
        (repeating(), False, "support-bot/answer (no baseline could be made of its calls)"),
        (good(1050), True, "support-bot/answer (not enough data)"),
        (traffic.lines(traffic.calls(0, 50, app="other")), True, "support-bot/answer (no calls)"),
    ],
    ids=["too few for a baseline", "refused", "too few to judge", "absent"],
)
def test_fail_on_drift_ends_with_3_where_a_segment_could_not_be_judged(driftline, normal, write, lines, given, why):
    path, baseline = write(lines), ["--baseline", normal] if given else []
    ran = driftline("watch", path, *baseline, "--fail-on", "drift")
    assert ran.status == 3
    assert f"--fail-on drift: no drift was found, but not judged were {why}" in ran.err
    assert driftline("watch", path, *baseline).status == 0


def test_fail_on_drift_ends_with_1_for_drift_even_where_another_segment_could_not_be_judged(
    driftline, normal, write, tmp_path
):
    store = Store(str(tmp_path / "store"))
    store.tag("other/answer", "prod", store.put_baseline(traffic.baseline()))
    baselines = ("--baseline", normal, "--baseline", "other/answer@prod")
    assert driftline("watch", write(drifting()), *baselines, "--fail-on", "drift").status == 1


def test_provisional_alarms_are_told_apart_and_fail_nothing(driftline, write, tmp_path):
    calls = [*traffic.calls(0, 200), *traffic.calls(200, 390, latency_ms=20_000)]
    summary = tmp_path / "summary.jsonl"
    ran = driftline("watch", write(traffic.lines(calls)), "--json", "--fail-on", "drift", "--summary", summary)
    assert ran.status == 3
    (alert,) = [msgspec.json.decode(line, type=Alert) for line in ran.out.splitlines()]
    assert (alert.detector, alert.provisional) == ("provisional_latency", True)
    assert "operational: Provisional: since" in ran.err
    assert "no alarms;" in ran.err
    assert "1 provisional alarm before there was a baseline, counted apart" in ran.err
    verdict = msgspec.json.decode(summary.read_bytes())
    assert verdict["answer"] == "not_enough_data"
    assert verdict["provisional"][0]["detector"] == "provisional_latency"


def test_fail_on_drift_asks_nothing_of_segments_without_a_baseline(driftline, normal, write):
    lines = good(1400) + traffic.lines(traffic.calls(1400, 1450, app="other"))
    assert driftline("watch", write(lines), "--baseline", normal, "--fail-on", "drift").status == 0


def test_calls_without_a_baseline_beside_given_ones_are_told_and_not_judged(driftline, normal, write):
    lines = good(1400) + traffic.lines(
        one for app in ("b", "c", "d", "e", "f", "g", "h") for one in traffic.calls(1400, 1402 + (app == "h"), app=app)
    )
    ran = driftline("watch", write(lines), "--baseline", normal)
    assert "400 calls judged in 1 segment;" in ran.err
    remedy = "calls not judged; add --baseline, or --first N to let it take its own"
    assert f"no baseline was given for segment h/answer: 3 {remedy}" in ran.err
    assert ran.err.count(remedy) == 5
    assert "nor for 2 more segments: 4 calls not judged" in ran.err


def test_first_on_the_command_line_lets_segments_without_a_baseline_take_their_own(
    driftline, normal, write, monkeypatch
):
    monkeypatch.setattr("streams.building.baselines.build", partial(baselines.build, runs=4))
    lines = drifting() + traffic.lines(traffic.calls(1600, 2500, app="other"))
    ran = driftline("watch", write(lines), "--baseline", normal, "--first", "400", "--json")
    assert "other/answer: the first 4" in ran.err
    assert "no baseline" not in ran.err
    assert b"--first 400" in ran.out


def test_first_in_the_settings_alone_gives_no_baseline_beside_given_ones(driftline, normal, write, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_FIRST", "400")
    lines = drifting() + traffic.lines(traffic.calls(1600, 2200, app="other"))
    ran = driftline("watch", write(lines), "--baseline", normal, "--json")
    assert "no baseline was given for segment other/answer: 600 calls not judged" in ran.err
    assert ran.out
    assert b"--first" not in ran.out


def test_json_prints_alert_records_and_nothing_else(driftline, normal, write):
    path = write(drifting())
    ran = driftline("watch", path, "--baseline", normal, "--json")
    alerts = [msgspec.json.decode(line, type=Alert) for line in ran.out.splitlines()]
    assert {one.kind for one in alerts} >= {"model", "output_length"}
    assert {one.baseline for one in alerts} == {traffic.baseline().id}
    assert all(one.replay.startswith(f"driftline watch {path} --baseline {normal} ") for one in alerts)


def test_a_tag_of_another_segment_is_its_baseline(driftline, write, tmp_path):
    store = Store(str(tmp_path / "store"))
    store.tag("other/answer", "prod", store.put_baseline(traffic.baseline()))
    path = write(traffic.lines(traffic.calls(1000, 1600, changed_from=1300, app="other")))
    ran = driftline("watch", path, "--baseline", "other/answer@prod", "--json")
    alerts = [msgspec.json.decode(line, type=Alert) for line in ran.out.splitlines()]
    assert alerts
    assert {(one.segment["app"], one.baseline) for one in alerts} == {("other", traffic.baseline().id)}
    assert all("--baseline other/answer@prod " in one.replay for one in alerts)


def test_alerts_are_told_once_and_counted(driftline, normal, write):
    ran = driftline("watch", write(drifting()), "--baseline", normal, "--json")
    for line in ran.out.splitlines():
        assert ran.err.count(" ".join(msgspec.json.decode(line)["sentence"].split())) == 1
    raised = sum(msgspec.json.decode(line)["state"] == "firing" for line in ran.out.splitlines())
    assert f"; {raised} alarms;" in ran.err


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_standard_input_is_judged_like_a_file_packed_or_not(driftline, normal, write, pack):
    expected = driftline("watch", write(drifting()), "--baseline", normal, "--json").out.count(b"\n")
    piped = pack(b"\n".join(drifting()))
    assert driftline("watch", "-", "--baseline", normal, "--json", stdin=piped).out.count(b"\n") == expected > 0
    packed = driftline("watch", write(drifting(), pack), "--baseline", normal, "--json")
    assert packed.out.count(b"\n") == expected


def test_calls_out_of_order_by_minutes_give_the_same_alerts(driftline, normal, write):
    lines = drifting()
    expected = driftline("watch", write(lines), "--baseline", normal, "--json")
    draw = random.Random(1)
    order = sorted(range(len(lines)), key=lambda n: n * traffic.STEP_MS + draw.choice((0, 240_000)))
    ran = driftline("watch", write([lines[n] for n in order]), "--baseline", normal, "--json")
    assert ran.out == expected.out
    assert "too late" not in ran.err


def test_an_empty_file_is_refused(driftline, normal, write):
    ran = driftline("watch", write([]), "--baseline", normal)
    assert ran.status == 2
    assert "holds no lines: one JSON object for each call is wanted" in ran.err


def test_a_cut_gzip_is_judged_as_far_as_it_goes_and_ends_with_3(driftline, normal, write):
    path = write(drifting(), gzip.compress)
    path.write_bytes(path.read_bytes()[:-20_000])
    ran = driftline("watch", path, "--baseline", normal)
    assert ran.status == 3
    read = int(ran.err.partition("cut off or damaged: ")[2].split()[0])
    assert 100 < read < 600
    judged, left = re.search(r"(\d+) calls judged in 1 segment \(the last (\d+) are too few", ran.err).groups()
    assert int(judged) + int(left) == read
    assert ran.err.count("cut off or damaged") == 1
    assert "write or fetch it again" in ran.err


@pytest.mark.parametrize(("name", "words"), [("none.jsonl", "does not exist"), ("", "is a folder")])
def test_what_is_no_file_is_named_with_a_remedy(driftline, normal, tmp_path, name, words):
    ran = driftline("watch", tmp_path / name, "--baseline", normal)
    assert ran.status == 2
    assert ran.err.startswith(f"driftline: {tmp_path / name} {words}")
    assert driftline("watch", tmp_path / name).err.startswith("driftline:")  # nothing is promised before


def test_what_happens_without_a_baseline_is_said_once(driftline, write):
    ran = driftline("watch", write(good(1001)))
    assert ran.err.count("no baseline given: each segment takes its first 3,000 calls as its own") == 1


def test_a_baseline_of_another_embedder_is_refused(driftline, write, tmp_path):
    other = replace(traffic.baseline(), lens=replace(traffic.baseline().lens, embedder="other/1"))
    path = tmp_path / "other.safetensors"
    path.write_bytes(baselines.encode(other))
    ran = driftline("watch", write(good()), "--baseline", path)
    assert ran.status == 2
    assert "was made with 'other/1'" in ran.err
    assert "give --embedder as it was, or make it again with this one" in ran.err


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: b"", lambda data: b"{}" * 50])
def test_a_damaged_baseline_is_refused(driftline, normal, write, tmp_path, damage):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damage(normal.read_bytes()))
    ran = driftline("watch", write(good()), "--baseline", path)
    assert ran.status == 2
    assert "again" in ran.err


def test_a_baseline_that_is_not_there_is_refused(driftline, write):
    ran = driftline("watch", write(good()), "--baseline", "nobody@prod")
    assert ran.status == 2
    assert "driftline baseline build" in ran.err


def test_two_baselines_of_one_segment_are_refused(driftline, normal, write):
    ran = driftline("watch", write(good()), "--baseline", normal, "--baseline", normal)
    assert ran.status == 2
    assert "is of segment support-bot/answer, like one before it" in ran.err


def test_a_baseline_whose_segment_never_comes_is_said(driftline, normal, write):
    ran = driftline("watch", write(traffic.lines(traffic.calls(0, 10, app="other"))), "--baseline", normal)
    assert f"baseline {traffic.baseline().id}: there are no calls of support-bot/answer" in ran.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--one-false-alarm-every", "often"], "must be like '30d', '12h' or '200000 calls', got 'often'"),
        (["--tick", "nan"], "tick_s is nan"),
        (["--tick", "0"], "tick_s is 0.0"),
        (["--lateness", "inf"], "lateness_s is inf"),
        (["--texts", "some"], "texts is 'some'"),
        (["--embedder", "nonsense"], "embedder"),
        (["--config", "/nowhere.yaml"], "settings file /nowhere.yaml cannot be read"),
        (["--first", "5"], "first is 5"),
        (["--fail-on", "rain"], "--fail-on"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_options_end_with_2_before_anything_is_read(driftline, write, flags, words):
    ran = driftline("watch", write(good()), *flags)
    assert ran.status == 2
    assert words in ran.err
    assert "judged" not in ran.err


def test_a_settings_file_and_its_environment_are_obeyed(driftline, normal, write, tmp_path, monkeypatch):
    config = tmp_path / "driftline.yaml"
    config.write_text("one_false_alarm_every: 30d\nlateness_s: 5")
    path = write(good())
    ran = driftline("watch", path, "--baseline", normal, "--config", config)
    assert "one false alarm every 30 days" in ran.err
    monkeypatch.setenv("DRIFTLINE_ONE_FALSE_ALARM_EVERY", "40d")
    ran = driftline("watch", path, "--baseline", normal, "--config", config)
    assert "one false alarm every 40 days" in ran.err
    ran = driftline("watch", path, "--baseline", normal, "--config", config, "--one-false-alarm-every", "50d")
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
    assert app[:8].replace("/", "%2F").replace("\x1b", "\ufffd").replace("\u202e", "\ufffd") in ran.err


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback(normal, write):
    path = write(drifting())
    read, write_end = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [COMMAND, "watch", path, "--baseline", normal, "--json"], stdout=write_end, stderr=subprocess.PIPE
    ) as process:
        os.close(write_end)
        _, err = process.communicate()
    assert process.returncode == 3
    assert b"Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_for_alerts_ends_the_command_with_3(normal, write):
    path = write(drifting())
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [COMMAND, "watch", path, "--baseline", normal, "--json"], stdout=full, stderr=subprocess.PIPE
        )
    assert ran.returncode == 3
    assert b"No space left" in ran.stderr
    assert b"Traceback" not in ran.stderr


@contextmanager
def piped(normal, lines):
    """The command at work on an open pipe that these lines were written to, once it has told its first alert."""
    with subprocess.Popen(
        [COMMAND, "watch", "-", "--baseline", normal, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"".join(line + b"\n" for line in lines))
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
        try:
            assert ready, "no alert came while the pipe was open"
            yield process, msgspec.json.decode(process.stdout.readline(), type=Alert)
        finally:
            process.kill()


def accounted(said):
    """Calls that a summary speaks of: judged, and too few at the end to judge."""
    judged, left = re.search(r"([\d,]+) calls judged in 1 segment(?: \(the last (\d+) are too few)?", said).groups()
    return int(judged.replace(",", "")) + int(left or 0)


def test_an_open_pipe_is_judged_though_it_falls_silent_before_a_thousand_lines(normal):
    with piped(normal, good(1950, 1300)) as (process, alert):
        assert alert.state == "firing"
        _, err = process.communicate()  # closes the pipe
    assert process.returncode == 0
    assert accounted(err.decode()) == 950


def test_an_interrupt_judges_all_that_was_read_and_ends_with_3(normal):
    with piped(normal, good(1950, 1300)) as (process, _):
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()  # the pipe stays open
        process.wait()
    assert process.returncode == 3
    assert accounted(err) == 950
    assert err.strip().endswith("stopped")
    assert "Traceback" not in err
