"""``driftline replay`` of an archive, run as a shell would: no cluster is needed for it."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drift import baseline as baselines
from streams import replay_jobs
from streams.alerts import encode
from streams.archive import Archive
from streams.archive_rows import Row
from streams.judging import Judging
from streams.moves import Announced, Timetable
from streams.observe import Sight
from streams.report.read import read
from streams.settings import Settings
from streams.shelf import Shelf
from streams.store import Store
from streams.verdict_columns import End, Told
from streams.verdict_rows import VerdictRows
from tests.streams import panes as ticks
from tests.streams import test_replaying, test_verdict_rows, traffic


def filled(address, found=None):
    made = Archive(str(address), create=True)
    made.add(Row.of(sent, one.offset % 3, one.offset) for one in found or ticks.drifted() for sent in one.panes)
    return made.address


@pytest.fixture
def address(tmp_path):
    return filled(tmp_path / "archive")


@pytest.fixture
def other(tmp_path):
    """A file that holds a baseline that knows the other model only."""
    path = tmp_path / "other.safetensors"
    path.write_bytes(baselines.encode(test_replaying.other()))
    return path


def live(seen=None):
    """What the live judge says of the ticks that the archive was made of."""
    store, table = Store("memory://archived"), Timetable("prod")
    known = traffic.baseline()
    store.put_baseline(known)
    table.add(Announced(traffic.SEGMENT, "prod", 1, known.id, known.pane.lens, 0, ""))
    judging = Judging(Settings(), Shelf(store, traffic.meter()), table, {}, **({"seen": seen} if seen else {}))
    told = [one for closed in ticks.drifted() for one in judging.apply(closed)]
    return judging, told


def test_a_replay_of_an_archive_says_what_the_live_judge_said_also_once_its_partitions_were_merged(
    driftline, address, normal
):
    wanted = [encode(one) for one in live()[1]]
    assert any(json.loads(one)["state"] == "firing" for one in wanted)
    for compacted in (False, True):
        if compacted:
            assert driftline("archive", "compact", address, "--older-than", "1s").status == 0
        ran = driftline("replay", "--archive", address, "--baseline", normal, "--json")
        assert ran.status == 0, ran.err
        assert ran.out.splitlines() == wanted
    part = driftline("replay", "--archive", address, "--baseline", normal, "--json", "--workers", "2")
    assert part.out.splitlines() == wanted


def test_several_processes_say_what_one_says(driftline, tmp_path, normal):
    """Two segments of two partitions."""
    closed = ticks.plain()
    place = {name: number for number, name in enumerate(sorted({one.segment for one in closed}))}
    made = Archive(str(tmp_path / "two"), create=True)
    made.add(Row.of(sent, place[one.segment], one.offset) for one in closed for sent in one.panes)
    built = driftline("baseline", "build", "--from-archive", made.address, "--segment", "other", "--force", "--json")
    first = driftline("baseline", "build", "--from-archive", made.address, "--segment", traffic.SEGMENT, "--force")
    assert (built.status, first.status) == (0, 0), (built.err, first.err)
    names = [one.id for one in Store(str(tmp_path / "store")).baselines()]
    assert len(names) == 2
    given = ["replay", "--archive", made.address, "--json", *itertools.chain(*(("--baseline", one) for one in names))]
    outs = {}
    for workers in ("1", "2"):
        path = tmp_path / f"v{workers}.jsonl"
        ran = driftline(*given, "--workers", workers, "--verdicts", path)
        assert ran.status == 0, ran.err
        files = sorted(path.parent.glob(f"v{workers}-*.jsonl"))
        assert len(files) == 2
        outs[workers] = ran.out, [one.read_bytes() for one in files]
    assert outs["1"] == outs["2"]


def test_a_verdict_file_of_a_replay_holds_the_rows_of_the_live_judge(driftline, address, normal, tmp_path):
    path, own = tmp_path / "v.jsonl", tmp_path / "live.jsonl"
    ran = driftline("replay", "--archive", address, "--baseline", normal, "--verdicts", path)
    assert ran.status == 0, ran.err
    assert "verdicts by" in ran.err and not list(tmp_path.glob("*.part"))
    with VerdictRows(str(own), "run") as rows:
        judging, told = live(rows.seen)
        rows.alerts(told)
        rows.finish(judging.judged, judging.counts)

    def rest(file):
        found = [test_verdict_rows._row.decode(line) for line in file.read_bytes().splitlines()]
        assert isinstance(found[-1], End) and found[-1].rows == len(found) - 1
        alerts = [one.alert for one in found if isinstance(one, Told)]
        return alerts, [one for one in found[1:-1] if not isinstance(one, Told)]

    assert rest(path) == rest(own)
    assert read(str(path)).segments[traffic.SEGMENT].alerts


def test_two_baselines_give_two_different_verdicts_each_explained_in_words_and_in_a_report(
    address, normal, other, tmp_path, monkeypatch
):
    """Real commands: the words of the replay, the table, and what each report says of its own baseline."""
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "v.jsonl.zst"
    given = ("--archive", address, "--baseline", normal, "--baseline", other, "--verdicts", path)
    err = commanded("replay", *given, store=tmp_path / "store").stderr
    files = [tmp_path / "v-normal.jsonl.zst", tmp_path / "v-other.jsonl.zst"]
    assert all(f"verdicts by {name}: {file}" in err for name, file in zip((normal, other), files, strict=True))
    assert "output length: alarms by all: " in err and "68.7 → 106" in err and "100 → 71.3" in err
    assert "What they compare with" in err
    words = ("54 % longer", "29 % shorter")
    for file, name, said, unsaid in zip(files, (normal, other), words, reversed(words), strict=True):
        told = commanded("report", file, "--format", "md").stdout
        assert "drift" in told and said in told and unsaid not in told
        page = tmp_path / f"{file.stem}.html"
        commanded("report", file, "-o", page)
        html = page.read_text()
        assert said in html and unsaid not in html
        assert f'driftline <bdi dir="auto" lang="">replay --baseline {name}</bdi>' in html
        assert baselines.decode(Path(name).read_bytes()).id in html


def test_over_the_same_calls_one_baseline_alarms_and_the_other_does_not(driftline, tmp_path, normal, other):
    """Calls of the other model only: drift from the one that knows the first, none from the one that knows it."""
    records = traffic.records(traffic.calls(1000, 1400, changed_from=0))
    made = filled(tmp_path / "changed", ticks.closed(records, Sight.of(traffic.baseline())))
    path = tmp_path / "v.jsonl"
    ran = driftline("replay", "--archive", made, "--baseline", normal, "--baseline", other, "--verdicts", path)
    assert ran.status == 0, ran.err
    words = " ".join(ran.err.split())
    assert re.search(rf"{traffic.SEGMENT}, output length: an alarm by \S+ since .*; none by \S+ \(no drift: ", words)
    answers = []
    for name in ("normal", "other"):
        told = driftline("report", tmp_path / f"v-{name}.jsonl", "--format", "json")
        (segment,) = json.loads(told.out)["segments"]
        answers.append({one["kind"]: one["answer"] for one in segment["kinds"]}["output_length"])
        assert "output length drift since" in segment["sentence"] or "no drift in" in segment["sentence"]
    assert answers == ["drift", "no_drift"]


def test_a_disk_that_is_full_ends_a_replay_with_3_and_its_sentence(address, normal, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    ran = commanded(
        *("replay", "--archive", address, "--baseline", normal, "--verdicts", place / "v.jsonl"), status=3, limit=8192
    )
    assert "--verdicts: " in ran.stderr and "cannot be written: File too large" in ran.stderr
    assert "Traceback" not in ran.stderr and list(place.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_that_is_stopped_leaves_no_verdict_file_and_the_one_of_before(
    driftline, address, normal, tmp_path, monkeypatch, workers
):
    place = tmp_path / "place"
    place.mkdir()
    (place / "v.jsonl").write_text("of before")
    monkeypatch.setattr(replay_jobs, "REPORT_S", 0.0)
    presses = itertools.count()
    monkeypatch.setattr(replay_jobs._Interrupted, "__call__", lambda self: next(presses) > 5)
    given = ("--archive", address, "--baseline", normal, "--verdicts", place / "v.jsonl", "--workers", workers)
    ran = driftline("replay", *given)
    assert ran.status == 3, ran.err
    assert [(one.name, one.read_text()) for one in place.iterdir()] == [("v.jsonl", "of before")]


def commanded(*given, status=0, store=None, limit=None):
    """The real command, in a process of its own; none of its files may grow beyond the limit."""
    run = "import resource, signal, sys; from streams.cli.main import main; "
    if limit:
        run += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        run += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2); "
    environment = os.environ | ({"DRIFTLINE_STORE": str(store)} if store else {})
    command = [sys.executable, "-c", f"{run}sys.exit(main())", *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == status, done.stderr
    return done


def test_larger_ticks_are_another_resolution_and_say_so(driftline, address, normal):
    assert driftline("archive", "compact", address, "--older-than", "1s", "--into", "1m").status == 0
    given = ("replay", "--archive", address, "--baseline", normal, "--json")
    ran = driftline(*given)
    assert ran.status == 2 and "their verdicts are not those that the live service gave" in ran.err
    assert ran.out == b""
    ran = driftline(*given, "--mixed")
    assert ran.status == 0, ran.err
    assert "another resolution" in ran.err
    lines = ran.out.splitlines()
    assert lines and all(json.loads(line)["resolution"] == "60 s (judged live: 10 s)" for line in lines)
    assert not set(lines) & {encode(one) for one in live()[1]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--from", "2026-02-01", "--to", "2026-01-01"), "exchange them"),
        (("--from", "2027-01-01"), "holds no panes of support-bot/answer between --from and --to; they reach from"),
        (("--offsets", "0:1-2"), "--offsets are of the topic"),
        (("--observe", "calls.jsonl"), "leave the value of --observe out"),
        (("--resume", "r", "--verdicts", "v.jsonl"), "leave --resume out"),
        (("--mixed", "--publish", "topic"), "never published"),
        (("--verdicts", "v.csv"), "must end in .jsonl or .jsonl.zst"),
        (("--verdicts", "nowhere/v.jsonl"), "cannot be written"),
        (("--segment", "nobody"), "no --baseline is of it"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(driftline, address, normal, given, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ran = driftline("replay", "--archive", address, "--baseline", normal, "--json", *given)
    assert (ran.status, ran.out) == (2, b""), ran.err
    assert said in ran.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_lens_that_is_another_is_named(driftline, tmp_path, normal):
    made = filled(tmp_path / "plain", ticks.plain())
    ran = driftline("replay", "--archive", made, "--baseline", normal)
    assert ran.status == 2
    assert "were seen through lens" in ran.err and "--observe" in ran.err


def test_an_archive_that_is_cut_off_ends_with_3_and_leaves_no_verdict_file(driftline, address, normal, tmp_path):
    (path,) = Path(address).rglob("*.parquet")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ran = driftline("replay", "--archive", address, "--baseline", normal, "--verdicts", tmp_path / "v.jsonl")
    assert ran.status == 3
    assert path.name in ran.err
    assert not list(tmp_path.glob("v*"))


def test_what_is_resumed_must_be_of_the_same_archive(driftline, address, normal, tmp_path, monkeypatch):
    given = ("replay", "--baseline", normal, "--json", "--resume", tmp_path / "so-far", "--archive")
    whole = driftline("replay", "--archive", address, "--baseline", normal, "--json").out
    monkeypatch.setattr(replay_jobs, "REPORT_S", 0.0)
    with monkeypatch.context() as patched:
        presses = itertools.count()
        patched.setattr(replay_jobs._Interrupted, "__call__", lambda self: next(presses) > 20)
        assert driftline(*given, address).status == 3
    assert (tmp_path / "so-far").exists()
    ran = driftline(*given, filled(tmp_path / "another"))
    assert ran.status == 2 and "is of another replay: its archive is" in ran.err
    ran = driftline(*given, address)
    assert ran.status == 0 and "going on with" in ran.err
    assert ran.out == whole
    assert not (tmp_path / "so-far").exists()
