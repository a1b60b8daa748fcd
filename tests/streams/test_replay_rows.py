"""Rows of a replay: those of a watch over the same calls, whoever judged them, whole or not at all."""

import errno
import os
import resource
import signal
from collections import Counter

import msgspec
import pytest

from drift.budget import parse
from drift.errors import BrokenOffError, SettingsError, SourceError
from streams import replay_rows
from streams.embedded import Options, Watch
from streams.replay_rows import ReplayRows, folder_beside, join, names
from streams.replaying import Library, Replaying, Span, Trial
from streams.report.read import read
from streams.settings import Settings
from streams.store import Store
from streams.verdict_columns import Begin, End, Row, Told
from streams.verdict_rows import VerdictRows
from tests.streams import panes as ticks
from tests.streams import traffic

_row = msgspec.json.Decoder(Row)
BUDGET = "200000 calls"


def replayed(path, sources=2, command="replay --baseline prod"):
    """The verdict file of a replay of panes that came through so many partitions of calls."""
    with folder_beside([str(path)]) as folder:
        rows = ReplayRows(folder, 0)
        library = Library(Store("memory://rows"), Settings(one_false_alarm_every=BUDGET), [traffic.baseline()])
        trial = Trial.of("prod", traffic.baseline())
        replaying = Replaying(Settings(one_false_alarm_every=BUDGET), library, [trial], Span(), rows=[rows])
        for closed in ticks.drifted(sources):
            replaying.apply(closed)
        replaying.finish()
        join(str(path), folder, 0, [traffic.SEGMENT], replaying.counts[0], command)
    return path


def watched(path):
    """The verdict file of a watch over the calls that the panes were made of."""
    with VerdictRows(str(path), "watch calls.jsonl") as rows:
        watch = Watch(
            traffic.meter(), Options(parse(BUDGET), first=None), {traffic.SEGMENT: traffic.baseline()}, seen=rows.seen
        )
        alerts = watch.feed(traffic.records(traffic.calls(1000, 1600, changed_from=1200)))[0]
        rows.alerts([*alerts, *watch.finish()])
        rows.finish(watch.segments.values(), watch.counts)
    return path


def told(path):
    """The first row, alerts, all other rows, and the last."""
    first, *rows, last = [_row.decode(line) for line in path.read_bytes().splitlines()]
    assert isinstance(first, Begin) and isinstance(last, End)
    assert last.rows == len(rows) + 1
    alerts = [bytes(one.alert) for one in rows if isinstance(one, Told)]
    return first, alerts, [one for one in rows if not isinstance(one, Told)], last


def test_the_rows_of_a_replay_of_panes_are_those_of_a_watch_over_the_same_calls(tmp_path):
    first, alerts, rows, last = told(replayed(tmp_path / "replay.jsonl"))
    _, wanted_alerts, wanted, _ = told(watched(tmp_path / "watch.jsonl"))
    assert wanted_alerts
    assert (alerts, rows) == (wanted_alerts, wanted)
    assert first.command == "replay --baseline prod"
    assert last.counts == {"judged_calls": 600}


def test_equal_replays_give_equal_bytes_and_leave_nothing_beside_the_file(tmp_path):
    files = [replayed(tmp_path / f"{sources}.jsonl", sources).read_bytes() for sources in (1, 2)]
    files.append(replayed(tmp_path / "again.jsonl").read_bytes())
    assert files[0] == files[1] == files[2]
    assert len(list(tmp_path.iterdir())) == 3


def test_segments_stand_in_the_order_of_their_names_whichever_partition_and_piece_they_came_by(tmp_path, monkeypatch):
    monkeypatch.setattr(replay_rows, "HELD", 7)  # bytes: every row is written, and joined in pieces
    known = told(replayed(tmp_path / "known.jsonl"))[2]
    made = []
    for order in ((0, 1), (1, 0)):
        with folder_beside([str(tmp_path / "v.jsonl")]) as folder:
            writers = [ReplayRows(folder, 0, partition) for partition in (0, 1)]
            for partition in order:
                writers[partition]._add(("b", "a")[partition], known[:2])
                writers[partition]._add("both", known[2:4])
                writers[partition].finish([])
            counts = [Counter(x=1, y=2), Counter(y=2, x=1)][order[0]]
            join(str(tmp_path / "v.jsonl"), folder, 0, {"b", "both", "a"}, counts)
        made.append((tmp_path / "v.jsonl").read_bytes())
    assert made[0] == made[1]
    assert told(tmp_path / "v.jsonl")[2] == [*known[:2], *known[:2], *known[2:4], *known[2:4]]


def test_each_baseline_has_a_file_whose_name_holds_its_own():
    assert names("v.jsonl", ["app/answer@prod"]) == ["v.jsonl"]
    assert names("a/v.jsonl.zst", ["app/answer@prod", "/x/new.safetensors", "as it was"]) == [
        "a/v-app-answer-prod.jsonl.zst",
        "a/v-new.jsonl.zst",
        "a/v-as-it-was.jsonl.zst",
    ]
    strange = ["a b", "a-b", "2-a-b", "A/B", "../..", "x" * 400, "x" * 401]
    made = names("v.jsonl", strange)
    assert len({one.casefold() for one in made}) == len(strange)
    assert all("/" not in one and len(one) < 100 for one in made)
    with pytest.raises(SettingsError, match=r"must end in \.jsonl or \.jsonl\.zst"):
        names("v.txt", ["a"])


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere/v.jsonl", "No such file"), ("folder.jsonl", "it is a folder"), (f"{'v' * 250}.jsonl", "too long")],
)
def test_a_place_that_cannot_hold_a_verdict_file_is_refused_before_anything_is_judged(tmp_path, name, why):
    (tmp_path / "folder.jsonl").mkdir()
    path = tmp_path / name
    with pytest.raises(SourceError, match=rf"--verdicts .* cannot be written: .*{why}") as refused:
        folder_beside([str(path.with_name("v.jsonl")), str(path)])
    assert not isinstance(refused.value, BrokenOffError)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.jsonl"]


@pytest.fixture
def full():
    """Lets no file of this process grow beyond so many bytes."""
    before, handled = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handled)


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst"])
@pytest.mark.parametrize("size", [100, 5000])
def test_a_disk_that_is_full_is_told_and_leaves_the_file_of_before(tmp_path, full, ending, size):
    path = tmp_path / f"v.{ending}"
    path.write_bytes(b"of before")
    with pytest.raises(BrokenOffError, match=f"cannot be written: {os.strerror(errno.EFBIG)}"):
        full(size)
        replayed(path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"of before"


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.zst"])
def test_a_disk_that_is_full_when_rows_are_joined_is_told_too(tmp_path, full, ending):
    path, rows = tmp_path / f"v.{ending}", told(replayed(tmp_path / "known.jsonl"))[2]
    with folder_beside([str(path)]) as folder:
        writer = ReplayRows(folder, 0)
        writer._add("a", rows)
        writer.finish([])
        with pytest.raises(BrokenOffError, match="cannot be written"):
            full(2000)
            join(str(path), folder, 0, ["a"], {})
    assert [one.name for one in tmp_path.iterdir()] == ["known.jsonl"]


def test_a_report_is_made_of_it(tmp_path):
    account = read(str(replayed(tmp_path / "v.jsonl.zst")))
    segment = account.segments[traffic.SEGMENT]
    assert account.command == "replay --baseline prod"
    assert segment.summary.verdict.answer == "drift"
    assert segment.calls == 600
