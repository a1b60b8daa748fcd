"""Replays on a real broker: the live service's bytes for its panes, and clear words for what cannot be."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from click.testing import CliRunner

from drift.errors import BrokenOffError, DriftError
from streams import replay_jobs as engine
from streams import wire
from streams.building import build_baseline
from streams.cli.main import cli
from streams.evidence import instant
from streams.kafka.client import connection
from streams.kafka.stretch import Stretch, Stretches
from streams.records import decode
from streams.settings import Kafka
from streams.store import Store
from tests.integration import live, topics, traffic
from tests.integration.live import Worker, sent_and_judged
from tests.streams.traffic import NOW_MS, meter

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SEGMENTS = [f"app{app}/answer" for app in range(traffic.APPS)]


class Ran(NamedTuple):
    """A service that has judged all calls, and ended."""

    config: object
    kafka: Kafka
    store: Store
    published: dict[str, bytes]

    @property
    def segment(self) -> str:
        """One that alarmed."""
        return f"{min(json.loads(line)['segment']['app'] for line in self.published.values())}/answer"

    @property
    def ticks(self) -> list[int]:
        """Ticks that have panes."""
        messages = [wire.decode(one.value) for one in asyncio.run(live.records(self.kafka, "panes"))]
        return sorted({one.tick for one in messages if isinstance(one, wire.Sent)})


@pytest.fixture(scope="module")
def ran(broker, store, tmp_path_factory) -> Iterator[Ran]:
    name = f"t{uuid.uuid4().hex[:10]}."
    kafka = Kafka(brokers=broker, prefix=name, group=name + "group", client_id="test")
    config = live.configured(tmp_path_factory.mktemp("replay"), kafka, panes=3, live=live.QUICK, store=str(store[0]))
    yield Ran(config, kafka, Store(str(store[0])), judged_live(config, kafka))


def judged_live(config, kafka):
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, traffic.lines(traffic.CALLS))
        assert worker.end(signal.SIGTERM) == 0
    return asyncio.run(live.alerts(kafka))


def replayed(config, *arguments, status=0):
    """Lines of standard output, and standard error, of a replay."""
    done = CliRunner().invoke(cli, ["replay", "--workers", "1", *arguments], env={"DRIFTLINE_CONFIG": str(config)})
    if isinstance(done.exception, DriftError):
        assert status == (3 if isinstance(done.exception, BrokenOffError) else 2), done.exception
        assert done.stdout == ""
        return [], str(done.exception)
    assert done.exit_code == status, (done.exception, done.stderr)
    return done.stdout_bytes.splitlines(), done.stderr


def by_id(found):
    return {json.loads(line)["record_id"]: line for line in found}


def bare(line):
    """A record as the service published it, of one that says first which trial's it is."""
    return b"{" + line.partition(b'",')[2]


def one_of(ran):
    return ["--baseline", f"{ran.segment}@prod"]


def everything(kafka):
    """What the groups have committed, which groups there are, and the ends of every topic."""

    async def look():
        admin = AIOKafkaAdminClient(**connection(kafka, "test"))
        await admin.start()
        try:
            groups = [kafka.consumers(stage) for stage in ("observe", "judge")]
            commits = [await admin.list_consumer_group_offsets(one) for one in groups]
            listed = sorted(name for name, *_ in await admin.list_consumer_groups() if name.startswith(kafka.prefix))
        finally:
            await admin.close()
        ends = {}
        async with live.consumer(kafka) as one:
            for topic in ("calls", "panes", "alerts", "baselines", "deadletter"):
                ends |= await one.end_offsets(await live.partitions_of(one, kafka.topic(topic)))
        return commits, listed, ends

    return asyncio.run(look())


def _another(ran, *, changed):
    """Id of a baseline of a segment: through the same lens of its changed calls, or through a lens of its own."""
    before = traffic.calls(6000, start=traffic.START_MS - 86_400_000, name="b", changed_from=0 if changed else None)
    own = [
        decode(msgspec.json.encode(call), now_ms=NOW_MS) for call in before if f"{call['app']}/answer" == ran.segment
    ]
    lens = ran.store.baseline(f"{ran.segment}@prod").lens if changed else None
    return ran.store.put_baseline(build_baseline(meter(), own[:700], lens=lens, force=True, calibrated=False))


def test_a_replay_of_three_partitions_says_byte_for_byte_what_the_service_said(ran):
    before = everything(ran.kafka)
    assert len(ran.published) >= 3
    every = [part for segment in SEGMENTS for part in ("--baseline", f"{segment}@prod")]
    assert by_id(replayed(ran.config, "--as-it-was", "--json")[0]) == ran.published
    in_processes = live.driftline(ran.config, "replay", *every, "--json", "--workers", "2")
    assert in_processes.returncode == 0, in_processes.stderr
    assert by_id(map(bare, in_processes.stdout.splitlines())) == ran.published
    assert replayed(ran.config, *every, "--json", "--workers", "1")[0] == in_processes.stdout.splitlines()
    only, told = replayed(ran.config, *one_of(ran), "--json")
    app = ran.segment.partition("/")[0]
    assert set(only) == {line for line in ran.published.values() if json.loads(line)["segment"]["app"] == app}
    assert all(json.loads(line)["sentence"] in told for line in only)
    assert everything(ran.kafka) == before, "nothing was committed, written or published"


def test_a_replay_of_one_partition_says_byte_for_byte_what_the_service_said(tmp_path, kafka, store):
    config = live.configured(tmp_path, kafka, panes=1, live=live.QUICK, store=str(store[0]))
    assert by_id(replayed(config, "--as-it-was", "--json", status=2)[0]) == {}
    published = judged_live(config, kafka)
    assert len(published) >= 3
    assert by_id(replayed(config, "--as-it-was", "--json")[0]) == published


def test_moved_tags_and_acknowledgements_are_obeyed_as_it_was_with_eight_partitions(tmp_path, kafka):
    config = live.configured(tmp_path, kafka, panes=8, live=live.QUICK)
    traffic.baselines(tmp_path / "store")
    first, rest = traffic.halves(5000, 5 / 6)
    with Worker(config) as worker:
        worker.until_ready()
        sent_and_judged(config, kafka, first)
        firing = [one for one in map(json.loads, asyncio.run(live.alerts(kafka)).values()) if one["state"] == "firing"]
        moving, *others = sorted({one["segment"]["app"] for one in firing})
        acknowledged = next(one["alert_id"] for one in firing if one["segment"]["app"] == others[0])
        assert live.driftline(config, "alerts", "ack", acknowledged, "--why", "known").returncode == 0
        other = traffic.baseline(Store(str(tmp_path / "store")), moving, count=5000)
        at = instant(json.loads(rest[0])["event_time"] + 60_000)
        moved = live.driftline(config, "baseline", "tag", other, f"{moving}/answer@prod", "--at", at)
        assert moved.returncode == 0, moved.stderr
        sent_and_judged(config, kafka, rest)
    published = asyncio.run(live.alerts(kafka))
    assert any(f"was moved to baseline {other}" in json.loads(one)["sentence"] for one in published.values())
    assert by_id(replayed(config, "--as-it-was", "--json")[0]) == published


def test_calls_measured_again_are_judged_as_their_panes_were(ran, tmp_path):
    """The calls are the same, the embedder is exact, and all ticks of both are complete."""
    wanted = replayed(ran.config, *one_of(ran), "--json")[0]
    assert replayed(ran.config, *one_of(ran), "--json", "--observe")[0] == wanted
    file = tmp_path / "calls.jsonl"
    file.write_bytes(b"\n".join(traffic.lines(traffic.CALLS)))
    assert replayed(ran.config, *one_of(ran), "--json", "--observe", str(file))[0] == wanted
    late = instant(ran.ticks[len(ran.ticks) // 2])
    assert (
        replayed(ran.config, *one_of(ran), "--json", "--from", late, "--observe")[0]
        == (replayed(ran.config, *one_of(ran), "--json", "--from", late)[0])
    )


def test_verdict_files_hold_the_rows_of_a_watch_whether_panes_or_calls_are_read(ran, tmp_path):
    calls, own = tmp_path / "calls.jsonl", tmp_path / "watch.jsonl"
    calls.write_bytes(b"\n".join(traffic.lines(traffic.CALLS)))
    watched = live.driftline(
        ran.config, *("watch", str(calls), "--baseline", f"{ran.segment}@prod", "--verdicts", str(own))
    )
    assert watched.returncode == 0, watched.stderr
    wanted = rows(own, ran.segment)
    assert wanted["score"] and wanted["alert"] and wanted["summary"]
    every = [part for segment in SEGMENTS for part in ("--baseline", f"{segment}@prod")]
    paths = []
    for name, given in (
        ("one", [*every, "--workers", "1"]),
        ("two", [*every, "--workers", "2"]),
        ("measured", [*one_of(ran), "--observe"]),
        ("was", ["--as-it-was"]),
    ):
        (tmp_path / name).mkdir()
        kept = live.driftline(ran.config, "replay", *given, "--verdicts", str(tmp_path / name / "v.jsonl"))
        assert kept.returncode == 0, kept.stderr
        paths.append(sorted((tmp_path / name).iterdir()))
    one, two, (measured,), (was,) = paths
    assert [path.name for path in one] == [f"v-app{app}-answer-prod.jsonl" for app in range(traffic.APPS)]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    own_file = next(path for path in one if ran.segment.replace("/", "-") in path.name)
    for path in (own_file, measured, was):
        assert rows(path, ran.segment) == wanted


def rows(path, segment):
    """Lines of a verdict file that are of a segment, by kind of row; a watch's alerts hold its command, others none."""
    found: dict[str, list[object]] = {}
    for line in map(json.loads, path.read_bytes().splitlines()):
        own = segment_name(**line["alert"]["segment"]) if line["row"] == "alert" else line.get("segment")
        if own == segment:
            line.get("alert", {}).pop("replay", None)
            found.setdefault(line["row"], []).append(line)
    return found


def segment_name(app, prompt_name):
    """As segments are called."""
    return f"{app}/{prompt_name}"


def test_a_range_is_given_by_event_times_or_by_offsets(ran):
    whole, middle = replayed(ran.config, *one_of(ran), "--json")[0], instant(ran.ticks[len(ran.ticks) // 2])
    assert replayed(ran.config, *one_of(ran), "--json", "--from", instant(ran.ticks[0]))[0] == whole
    assert "no alarm" in replayed(ran.config, *one_of(ran), "--to", middle, "--fail-on", "drift")[1]
    replayed(ran.config, *one_of(ran), "--fail-on", "drift", status=1)
    few = instant(ran.ticks[2])
    assert "were" in replayed(ran.config, *one_of(ran), "--to", few, "--fail-on", "drift", status=3)[1]
    offsets = [part for number in range(3) for part in ("--offsets", f"{number}:0-")]
    assert replayed(ran.config, *one_of(ran), "--json", *offsets)[0] == whole


def test_two_baselines_give_two_verdicts_and_what_differs_is_explained(ran):
    other = _another(ran, changed=True)
    both, told = replayed(ran.config, *one_of(ran), "--baseline", other, "--json")
    for name in (f"{ran.segment}@prod", other):
        alone = replayed(ran.config, "--baseline", name, "--json")[0]
        assert [bare(line) for line in both if json.loads(line)["judged_by"] == name] == alone
        assert name in told
    assert len({json.loads(line)["baseline"] for line in both}) == 2
    assert f"{ran.segment}, model: " in told
    assert "What they compare with: " in told


def test_what_is_interrupted_goes_on_and_says_the_same(ran, tmp_path, monkeypatch):
    asked, file = [*one_of(ran), "--json", "--resume", str(tmp_path / "so-far")], tmp_path / "so-far"
    wanted = replayed(ran.config, *one_of(ran), "--json")[0]
    monkeypatch.setattr(engine, "REPORT_S", 0.0)
    monkeypatch.setattr(engine, "SAVE_S", 0.0)
    looked = []

    def press_twice(self):
        looked.append(1)
        self._told |= len(looked) in (900, 1800)  # messages, of which a service that was slow wrote the more
        return self._told

    def run():
        return CliRunner().invoke(cli, ["replay", "--workers", "1", *asked], env={"DRIFTLINE_CONFIG": str(ran.config)})

    monkeypatch.setattr(engine._Interrupted, "__call__", press_twice)
    for times in (1, 2):
        done = run()
        assert len(looked) in (times * 900, times * 900 + 1)  # where a partition was left, it is asked once more
        assert done.stdout == "" and "goes on with" in done.stderr and file.exists()
        assert "another replay: its range" in replayed(ran.config, *asked, "--to", "2027-01-01", status=2)[1]
        assert "its baselines" in replayed(ran.config, *asked, "--baseline", f"{SEGMENTS[0]}@prod", status=2)[1]
    assert run().stdout_bytes.splitlines() == wanted
    assert not file.exists()
    file.write_bytes(b"something else")
    assert "holds no replay" in replayed(ran.config, *asked, status=2)[1]


def test_what_cannot_be_is_said_in_words(ran):
    ticks = ran.ticks
    for arguments, words in (
        (["--from", instant(ticks[-1]), "--to", instant(ticks[0])], "is not before --to"),
        (["--from", "2020-01-01", "--to", "2020-01-02"], "no panes of complete ticks in the range"),
        (["--segment", "nobody/answer"], "no --baseline is of it"),
        (["--offsets", "7:0-9"], "has no partition 7"),
        (["--offsets", "0:5-3"], "5 is not before 3"),
        (["--offsets", "0:0-99999999"], "holds 0-"),
        (["--offsets", "zero"], "PARTITION:FROM-TO"),
        (["--publish", ran.kafka.topic("alerts")], "never writes to"),
        (["--publish", "no.such.topic"], "there is no topic"),
        (["--baseline", "no-such-thing"], "no-such-thing"),
        (["--baseline", f"{ran.segment}@prod"], "are the same baseline"),
        (["--observe", "--resume", "x"], "--resume goes with panes"),
    ):
        assert words in replayed(ran.config, *one_of(ran), *arguments, status=2)[1]
    assert "nothing to judge by" in replayed(ran.config, status=2)[1]
    assert "no panes of nobody/answer" in replayed(ran.config, "--as-it-was", "--segment", "nobody/answer", status=2)[1]


def test_panes_of_another_lens_are_not_judged_but_their_calls_can_be(ran):
    strange = _another(ran, changed=False)
    told = replayed(ran.config, "--baseline", strange, status=2)[1]
    assert "--observe" in told and ran.store.baseline(strange).lens.id in told
    assert "calls in" in replayed(ran.config, "--baseline", strange, "--observe")[1]


def test_alerts_are_published_only_where_that_is_wanted(ran):
    topic = asyncio.run(topics.create(ran.kafka, "replayed", 1))
    wanted = replayed(ran.config, *one_of(ran), "--json", "--publish", topic)[0]

    async def sent():
        async with live.consumer(ran.kafka) as one:
            one.assign(await live.partitions_of(one, topic))
            return [(r.value, r.key, r.headers) for part in (await one.getmany(timeout_ms=9000)).values() for r in part]

    found = asyncio.run(sent())
    assert [value for value, *_ in found] == wanted
    assert {(key.decode(), name.decode()) for _, key, ((_, name),) in found} == {(ran.segment, f"{ran.segment}@prod")}


def test_a_baseline_that_is_deleted_while_it_is_replayed_does_not_matter_if_it_was_named(ran, tmp_path, monkeypatch):
    wanted, replay = replayed(ran.config, *one_of(ran), "--json")[0], engine.replay

    def without_store(job, *given):
        gone = msgspec.structs.replace(job.settings, store=str(tmp_path / "gone"))
        return replay(dataclasses.replace(job, settings=gone), *given)

    monkeypatch.setattr(engine, "replay", without_store)
    assert replayed(ran.config, *one_of(ran), "--json")[0] == wanted
    assert "there is nothing at" in replayed(ran.config, "--as-it-was", status=2)[1]


def test_a_cluster_that_goes_away_breaks_a_replay_off(own_broker):
    with own_broker() as broker:
        kafka = Kafka(brokers=broker.address)
        topic = asyncio.run(topics.create(kafka, "panes", 1))
        asyncio.run(topics.send(kafka, topic, [(0, None, b"x" * 100_000)] * 200))
        batches = Stretches(kafka, topic, {0: Stretch(0, 200)}, patience_s=3).batches()
        assert next(batches).records
        broker.kill()
        with pytest.raises(BrokenOffError, match=f"topic {topic} is cut off: .* for 3 s"):
            list(batches)
