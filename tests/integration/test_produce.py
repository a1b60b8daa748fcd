"""``driftline produce`` and a real broker: what a file holds arrives, at a pace, and is waited for until judged."""

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from streams.cli.common import Reader, Reading, console
from streams.kafka.judged import positions
from streams.kafka.producer import Producer
from streams.records import decode
from tests.integration.brokers import ROOT
from tests.integration.calls import commit, make, read, wait_until
from tests.streams import traffic
from tests.streams.cli.conftest import run

pytestmark = pytest.mark.kafka

LINES = traffic.lines(traffic.calls(0, 300))


def named(kafka):
    """These settings, as a variable holds them."""
    return f"{{brokers: '{kafka.brokers}', prefix: {kafka.prefix}, group: {kafka.group}}}"


@pytest.fixture
def produce(kafka, monkeypatch, capfdbinary):
    """The command, with the topic of calls in place."""
    make(kafka, "calls")
    monkeypatch.delenv("DRIFTLINE_CONFIG", raising=False)
    monkeypatch.setenv("DRIFTLINE_KAFKA", named(kafka))

    def produce(*args, stdin=b""):
        return run(monkeypatch, capfdbinary, "produce", *args, stdin=stdin)

    return produce


@pytest.fixture
def write(tmp_path):
    def write(lines, pack=bytes):
        path = tmp_path / "calls.jsonl"
        path.write_bytes(pack(b"".join(line + b"\n" for line in lines)))
        return path

    return write


def values(kafka):
    return [one.value for part in read(kafka).values() for one in part]


def test_lines_travel_as_they_are_in_the_order_of_the_log(kafka, produce, write):
    ran = produce(write(LINES, gzip.compress))
    assert ran.status == 0
    assert f"300 calls sent to {kafka.topic('calls')} at {kafka.brokers}" in ran.err
    found = read(kafka)
    assert len(found) > 1
    for records in found.values():
        numbers = [LINES.index(one.value) for one in records]
        assert numbers == sorted(numbers)
        assert all(one.key.decode() == msgspec.json.decode(one.value)["call_id"] for one in records)
    assert sorted(values(kafka)) == sorted(LINES)


def test_standard_input_is_sent_too(kafka, produce):
    assert produce("-", stdin=b"\n".join(LINES)).status == 0
    assert sorted(values(kafka)) == sorted(LINES)


def test_lines_without_a_call_id_get_the_one_that_watch_gives_them(kafka, produce, write):
    made = [{name: value for name, value in one.items() if name != "call_id"} for one in traffic.calls(0, 20)]
    lines = [*traffic.lines(made[:10]), *(msgspec.json.encode({"call_id": None, **one}) + b" " for one in made[10:])]
    path = write(lines)
    watched = [entry.record for entry in Reader(str(path), Reading({}, None), console()).entries()]
    ran = produce(path)
    assert "records without call_id: 20" in ran.err
    found = {one.call_id: one for one in (decode(value, now_ms=traffic.NOW_MS) for value in values(kafka))}
    assert len(found) == 20
    for record in watched:
        sent = found[record.call_id]
        assert msgspec.structs.replace(sent, content=record.content) == record


def test_fields_that_lie_elsewhere_are_sent_under_their_own_names(kafka, produce, write):
    lines = [
        msgspec.json.encode({"id": f"c{number}", "at": traffic.START_MS, "service": "bot", "llm": {"said": "yes"}})
        for number in range(10)
    ]
    fields = ("call_id=id", "event_time=at", "app=service", "output=llm.said")
    ran = produce(write(lines), *(part for each in fields for part in ("--map", each)))
    assert ran.status == 0
    found = [decode(value, now_ms=traffic.NOW_MS) for value in values(kafka)]
    assert sorted(one.call_id for one in found) == sorted(f"c{number}" for number in range(10))
    assert {(one.app, one.output, one.event_time) for one in found} == {("bot", "yes", traffic.START_MS)}


def test_lines_that_are_no_calls_are_told_and_kept_and_never_sent(kafka, produce, write, tmp_path):
    dead = tmp_path / "dead.jsonl"
    ran = produce(write([*LINES[:5], b"nonsense", b'{"app": 1}', *LINES[5:10]]), "--dead-letters", dead)
    assert ran.status == 0
    assert "rejected lines: 2 (not_json 1, missing_field 1)" in ran.err
    assert [msgspec.json.decode(line)["line"] for line in dead.read_bytes().splitlines()] == [6, 7]
    assert sorted(values(kafka)) == sorted(LINES[:10])


@pytest.mark.parametrize(("pace", "seconds"), [(("--rate", "100"), 0.99), (("--speed", "60"), 0.99)])
def test_calls_may_be_sent_at_a_pace(kafka, produce, write, pace, seconds):
    started = time.monotonic()
    assert produce(write(LINES[:100]), *pace).status == 0  # a minute of calls
    assert seconds <= time.monotonic() - started < seconds + 10
    assert len(values(kafka)) == 100


def test_a_file_that_breaks_off_is_sent_up_to_there(kafka, produce, write):
    path = write(LINES, gzip.compress)
    path.write_bytes(path.read_bytes()[:-2000])
    ran = produce(path)
    assert ran.status == 3
    assert "is cut off or damaged" in ran.err
    found = values(kafka)
    assert 0 < len(found) < 300
    assert f"{len(found)} calls sent" in ran.err


def test_ctrl_c_sends_what_was_read_and_tells_how_many_arrived(kafka, produce, write):
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "produce", "-", "--rate", "50"]
    running = subprocess.Popen(command, cwd=ROOT, stdin=-1, stderr=-1, text=True, process_group=0)
    running.stdin.write("".join(line.decode() + "\n" for line in LINES))
    running.stdin.flush()
    wait_until(lambda: len(values(kafka)) > 20)
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 3
    found = values(kafka)
    assert 20 < len(found) < 300
    assert f"{len(found)} calls sent" in said
    assert said.endswith("stopped\n")


def test_calls_that_the_broker_refuses_end_with_3(kafka, produce, write, monkeypatch):
    narrow = msgspec.structs.replace(kafka, prefix=kafka.prefix + "narrow.")
    make(narrow, "calls", **{"max.message.bytes": "2000"})
    monkeypatch.setenv("DRIFTLINE_KAFKA", named(narrow))
    long = traffic.lines(traffic.calls(300, 301, input=os.urandom(3000).hex()))
    ran = produce(write([*long, *LINES[:10]]), "--rate", "20")
    assert ran.status == 3
    assert "10 calls sent" in ran.err
    assert "the brokers refused 1 calls: [Error 10] MessageSizeTooLargeError" in ran.err


def test_a_topic_that_does_not_exist_is_wrong_use(kafka, produce, write, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA", f"{{brokers: '{kafka.brokers}', prefix: nowhere.}}")
    ran = produce(write(LINES))
    assert ran.status == 2
    assert f"there is no topic nowhere.calls at {kafka.brokers}: driftline topics create makes it" in ran.err


def test_two_paces_are_wrong_use(produce, write):
    ran = produce(write(LINES), "--rate", "1", "--speed", "2")
    assert ran.status == 2
    assert "give one of them" in ran.err


def test_brokers_that_are_not_there_end_with_3(write, produce, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_KAFKA", "{brokers: '127.0.0.1:1'}")
    ran = produce(write(LINES))
    assert ran.status == 3
    assert "Kafka at 127.0.0.1:1 cannot be asked" in ran.err


def ends(kafka, name):
    return {part: len(records) for part, records in read(kafka, name).items()}


def test_it_waits_until_both_groups_have_committed_everything(kafka, produce, write):
    make(kafka, "panes", partitions=1)
    panes = Producer(kafka, topic=kafka.topic("panes"))
    assert panes.send(traffic.calls(0, 1)[0])  # its content is not asked about
    assert panes.close(30)
    committed, ended = [], []

    def service():  # what observers and the judge commit, late
        wait_until(lambda: len(values(kafka)) == 300)
        for group, name in (("-observe", "calls"), ("-judge", "panes")):
            time.sleep(0.5)
            committed.append(time.monotonic())
            commit(kafka, group, name, ends(kafka, name))
            if group == "-observe":
                assert not ended  # for the judge has not read the panes

    thread = threading.Thread(target=service)
    thread.start()
    ran = produce(write(LINES), "--until-judged", "--timeout", "60")
    ended.append(time.monotonic())
    thread.join()
    assert ran.status == 0
    assert "judged, " in ran.err
    assert len(committed) == 2
    assert ended[0] > committed[1]


def test_after_the_timeout_it_says_what_is_missing(kafka, produce, write):
    make(kafka, "panes")
    assert produce(write(LINES)).status == 0
    done = ends(kafka, "calls")
    commit(kafka, "-observe", "calls", done | {0: done[0] - 7})
    ran = produce(write(LINES[:1]), "--until-judged", "--timeout", "2")
    behind = {0: 7}
    (part,) = [part for part, count in ends(kafka, "calls").items() if count > done.get(part, 0)]
    behind[part] = behind.get(part, 0) + 1
    assert ran.status == 3
    assert f"not judged after 2 s: group {kafka.group}-observe is 8 records behind the end" in ran.err
    assert "), was 8 behind " in ran.err
    assert all(f"partition {part} by {count}" in ran.err for part, count in behind.items())
    assert "is driftline run running?" in ran.err


def test_the_lag_of_a_group_that_has_never_committed_is_all_that_there_is(kafka, produce, write):
    async def lag():
        async with positions(kafka) as look:
            return await look.lag(f"{kafka.group}-observe", kafka.topic("calls"))

    assert produce(write(LINES)).status == 0
    found = asyncio.run(lag())
    assert {part: count for part, count in found.items() if count} == ends(kafka, "calls")
    commit(kafka, "-observe", "calls", {0: found[0]})
    assert asyncio.run(lag()) == found | {0: 0}
