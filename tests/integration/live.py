"""The live service under test: workers as processes of their own, traffic, and what the topics hold in the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from streams import wire
from streams.kafka import judged
from streams.kafka.client import connection
from streams.kafka.hearing import hear
from streams.partition import Committed
from streams.settings import load
from tests.integration.brokers import ROOT, free_port

PATIENCE_S = 120
QUICK = {"session_s": 6, "idle_s": 2, "save_s": 2}
"""Settings of a service that a test does not want to wait for."""


class Worker:
    """One ``driftline run``, started again under the same settings as often as a test likes."""

    def __init__(self, config: Path, role: str = "all", flags: tuple[str, ...] = (), **environment: str) -> None:
        self._flags = flags
        self.role, self._config, self._environment = role, config, environment
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.said = config.with_name(f"{role}-{self.port}.log")

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.tell(signal.SIGCONT)
        self.end(signal.SIGKILL)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.driftline", "run", "--role", self.role, *self._flags],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DRIFTLINE_CONFIG": str(self._config),
                    "DRIFTLINE_LIVE_LISTEN": f"127.0.0.1:{self.port}",
                    **self._environment,
                },
                stdout=said,
                stderr=said,
            )

    def tell(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Send a signal that ends it, and wait for the exit status."""
        if self._process is None:
            return None
        self.tell(number)
        return self.wait()

    def wait(self, seconds: float = PATIENCE_S) -> int:
        assert self._process is not None
        return self._process.wait(seconds)

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Status and fields of an answer; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())
        except OSError:
            return 0, {}

    def metrics(self, accept: str = "") -> list[Sample]:
        """Every sample that the worker exposes."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": accept}), timeout=5) as answer:
            parse = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
            return [one for family in parse(answer.read().decode()) for one in family.samples]

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that bear these labels."""
        found = [one for one in self.metrics() if one.name == name and labels.items() <= one.labels.items()]
        return sum(one.value for one in found)

    def until_answering(self) -> None:
        self._until("/live", (200, 503))

    def until_ready(self) -> None:
        self._until("/ready", (200,))

    def until_shown(self, alarms: set[str]) -> bool:
        """Whether its pages show these alarms, and no others, before patience ends."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if {one["alert_id"] for one in self.get("/alerts?format=json")[1]["alerts"]} == alarms:
                return True
            time.sleep(0.2)
        return False

    def _until(self, path: str, wanted: tuple[int, ...]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.get(path)[0] not in wanted:
            assert self.alive, self.said.read_text()
            assert time.monotonic() < deadline, (self.get("/health"), self.said.read_text())
            time.sleep(0.2)


def configured(folder: Path, kafka: object, *, calls: int = 6, panes: int = 3, **given: object) -> Path:
    """A settings file of a service on this cluster, whose topics are made."""
    cluster = {name: getattr(kafka, name) for name in ("brokers", "prefix", "group", "client_id")}
    partitions = {"calls": calls, "panes": panes}
    cluster["topics"] = {name: {"partitions": count} for name, count in partitions.items()}
    values = {"kafka": cluster, "store": str(folder / "store"), **given}
    file = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    file.write_text(yaml.safe_dump(values))
    said = driftline(file, "topics", "create")
    assert said.returncode == 0, said.stderr
    return file


def driftline(config: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.driftline", *arguments],
        cwd=ROOT,
        env={**os.environ, "DRIFTLINE_CONFIG": str(config)},
        input=given,
        capture_output=True,
    )


async def send(kafka: object, lines: list[bytes], *, rate: float = 0.0, topic: str = "calls") -> None:
    """Send call records as an app would, none lost and none twice, whatever becomes of the broker meanwhile."""
    hear(lambda trouble: None)  # while a broker is away aiokafka logs thirty lines a second
    producer = AIOKafkaProducer(
        **connection(kafka, "test"), acks="all", enable_idempotence=True, linger_ms=10, request_timeout_ms=300_000
    )
    await producer.start()
    begun = time.monotonic()
    waiting = []
    for number, line in enumerate(lines):
        key = json.loads(line)["call_id"].encode() if line.startswith(b"{") else None
        waiting.append(await producer.send(kafka.topic(topic), line, key=key))
        ahead = number / rate - (time.monotonic() - begun) if rate else 0.0
        if ahead > 0.05:
            await asyncio.sleep(ahead)
    await asyncio.gather(*waiting)
    await producer.stop()


@asynccontextmanager
async def consumer(kafka: object):
    one = AIOKafkaConsumer(**connection(kafka, "test"), enable_auto_commit=False, auto_offset_reset="earliest")
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


async def partitions_of(one: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    cluster = await one._client.fetch_all_metadata()
    return [TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())]


async def records(kafka: object, topic: str) -> list[object]:
    """All records of a topic, partition by partition."""
    found = []
    async with consumer(kafka) as one:
        tps = await partitions_of(one, kafka.topic(topic))
        one.assign(tps)
        ends = await one.end_offsets(tps)
        while any([await one.position(tp) < ends[tp] for tp in tps]):
            found += list(itertools.chain(*(await one.getmany(timeout_ms=200)).values()))
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def commits(kafka: object) -> dict[int, Committed]:
    """What the observers have committed, by partition."""
    admin = AIOKafkaAdminClient(**connection(kafka, "test"))
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(kafka.consumers("observe"))
    finally:
        await admin.close()
    return {tp.partition: Committed.read(at.offset, at.metadata) for tp, at in found.items()}


async def until_judged(config: Path) -> None:
    """Wait until every call that was sent is in a judged tick."""
    settings = load(str(config), {}, {})
    await judged.until_judged(settings.kafka, PATIENCE_S, lambda what, left: None, settle_s=settings.live.idle_s)


async def panes(kafka: object) -> dict[tuple[str, int, int], bytes]:
    """The panes of the topic by name: of several of one name the first."""
    found: dict[tuple[str, int, int], bytes] = {}
    for record in await records(kafka, "panes"):
        message = wire.decode(record.value)
        if isinstance(message, wire.Sent):
            found.setdefault((message.segment, message.tick, message.source), message.pane)
    return found


async def alerts(kafka: object) -> dict[str, bytes]:
    """Alert records by id; one that came twice must be the same."""
    found: dict[str, bytes] = {}
    for record in await records(kafka, "alerts"):
        name = json.loads(record.value)["record_id"]
        assert found.setdefault(name, record.value) == record.value, (found[name], record.value)
    return found


async def counts(kafka: object) -> dict[str, int]:
    """What became of all calls, by the observers' commits."""
    total: dict[str, int] = {}
    for one in (await commits(kafka)).values():
        for name, n in one.counts.items():
            total[name] = total.get(name, 0) + n
    return {name: n for name, n in total.items() if n}


def sent_and_judged(config: Path, kafka: object, lines: list[bytes]) -> None:
    """Send calls, and wait until the service has judged them all."""

    async def both():
        await send(kafka, lines)
        await until_judged(config)

    asyncio.run(both())


def judged_calls(kafka: object) -> int:
    """Calls of the panes of the topic; of several panes of one name the first counts."""
    found: dict[tuple[str, int, int], int] = {}
    for record in asyncio.run(records(kafka, "panes")):
        message = wire.decode(record.value)
        if isinstance(message, wire.Sent):
            found.setdefault((message.segment, message.tick, message.source), message.calls)
    return sum(found.values())
