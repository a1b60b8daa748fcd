"""Real brokers for tests: where their software is found, started, killed and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

ROOT = Path(__file__).parents[2]
VARIABLE = "DRIFTLINE_TEST_KAFKA"
IMAGE = "apache/kafka:4.1.0"
NO_BROKER = (
    f"no Kafka broker: set {VARIABLE}=host:port, or KAFKA_HOME to the folder of a Kafka 4 (with Java 17), "
    "or start a Docker engine"
)
PATIENCE_S = 90

BESIDE = {
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.retention.check.interval.ms": "5000",
    "log.cleaner.backoff.ms": "1000",
}
"""Settings of a broker that stands alone; topics are not made by being written to, as in production."""


def home() -> Path | None:
    """The folder of a Kafka distribution: ``KAFKA_HOME``, else ``../shared/kafka`` of the checkout, else None."""
    given = os.environ.get("KAFKA_HOME")
    beside = (ROOT.parent, ROOT / "..")  # they differ where the checkout is reached by a link
    places = [Path(given)] if given else [folder / "shared" / "kafka" for folder in beside]
    return next((place.resolve() for place in places if (place / "bin" / "kafka-server-start.sh").exists()), None)


def has_docker() -> bool:
    """Whether a Docker engine answers; a client without one does not count."""
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def properties(port: int, controller: int, data: str, given: Mapping[str, str]) -> dict[str, str]:
    """Settings of a broker on a port that is its own controller; those given come last."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "log.dirs": data,
        **BESIDE,
        **given,
    }


class Broker:
    """A broker that a test owns: a process of a Kafka distribution, on one port and one folder for good.

    Parameters
    ----------
    home
        Folder of the distribution.
    folder
        Where its data and what it says are kept; what lies there is resumed.
    ports
        Of the broker and of its controller; free ones if not given.
    given
        Settings of the broker beside or instead of the usual ones.
    formatting
        More arguments of the formatting of new data, such as ``--add-scram``.
    client
        How aiokafka reaches it, where that takes more than an address.
    """

    def __init__(
        self,
        home: Path,
        folder: Path,
        ports: tuple[int, int] | None = None,
        given: Mapping[str, str] | None = None,
        formatting: Sequence[str] = (),
        client: Mapping[str, Any] | None = None,
    ) -> None:
        self.home, self.folder = home, folder
        self.port, self._controller = ports or free_ports()
        self.address = f"127.0.0.1:{self.port}"
        self._given, self._formatting, self._client = given or {}, formatting, client or {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, the first time or again, and return once clients are served."""
        config = self._configured()
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [self.home / "bin" / "kafka-server-start.sh", config],
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        try:
            wait_until_served({"bootstrap_servers": self.address, **self._client}, self._alive)
        except BaseException as error:
            self.kill()
            error.add_note((self.folder / "said").read_text(errors="replace")[-4000:])
            raise

    def kill(self) -> None:
        """Kill it as a crash would; its data stay."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, as an operator would; its data stay."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, how)
        self._process.wait(PATIENCE_S)
        self._process = None

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def _environment(self) -> dict[str, str]:
        return {"KAFKA_HEAP_OPTS": "-Xmx512m -Xms128m", **os.environ, "LOG_DIR": str(self.folder)}

    def _configured(self) -> Path:
        """The settings file, and the data folder formatted if it is new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config, data = self.folder / "server.properties", self.folder / "log"
        values = properties(self.port, self._controller, str(data), self._given)
        config.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        if not (data / "meta.properties").exists():
            tool = self.home / "bin" / "kafka-storage.sh"
            command = [tool, "format", "--standalone", "--config", config, "--cluster-id", "RHJpZnRsaW5lVGVzdDEyMw"]
            done = subprocess.run([*command, *self._formatting], capture_output=True, env=self._environment)
            if done.returncode:
                raise RuntimeError(f"kafka-storage.sh: {(done.stdout + done.stderr).decode()[-2000:]}")
        return config


class DockerBroker:
    """The same in a container, for machines that have a Docker engine and no Kafka distribution."""

    def __init__(self) -> None:
        self.port, controller = free_ports()
        self.address = f"127.0.0.1:{self.port}"
        self._name = f"driftline-test-{uuid.uuid4().hex[:12]}"
        listening = {"listeners": f"PLAINTEXT://:{self.port},CONTROLLER://:{controller}"}
        self._settings = properties(self.port, controller, "/tmp/kraft-combined-logs", listening)
        del self._settings["controller.quorum.bootstrap.servers"]
        self._settings["controller.quorum.voters"] = f"1@localhost:{controller}"

    def __enter__(self) -> DockerBroker:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        _docker("rm", "--force", self._name)

    def start(self) -> None:
        """Start, the first time or again, and return once clients are served."""
        if _docker("container", "inspect", self._name, check=False):
            _docker("start", self._name)
        else:
            named = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in self._settings.items()}
            variables = [part for name, value in named.items() for part in ("--env", f"{name}={value}")]
            published = f"127.0.0.1:{self.port}:{self.port}"
            _docker("run", "--detach", "--name", self._name, "--publish", published, *variables, IMAGE)
        wait_until_served({"bootstrap_servers": self.address}, lambda: True)

    def kill(self) -> None:
        """Kill it as a crash would; its data stay."""
        _docker("kill", self._name)

    def stop(self) -> None:
        """Ask it to stop, as an operator would; its data stay."""
        _docker("stop", self._name)


def _docker(*arguments: str, check: bool = True) -> bool:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.returncode == 0


def wait_until_served(client: Mapping[str, Any], alive: Any) -> None:
    """Return once a client is told of a broker; in a thread, so that a running loop of events does not matter."""
    found: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: found.append(_waited(client, alive)))
    thread.start()
    thread.join()
    if found[0] is not None:
        raise found[0]


def _waited(client: Mapping[str, Any], alive: Any) -> BaseException | None:
    deadline = time.monotonic() + PATIENCE_S
    host, _, port = str(client["bootstrap_servers"]).partition(":")
    while time.monotonic() < deadline:
        if not alive():
            return RuntimeError(f"the broker on {host}:{port} ended while it started")
        try:
            with socket.create_connection((host, int(port)), 1):
                pass
            if asyncio.run(_served(client)):
                return None
        except Exception as error:  # not yet
            last = error
        time.sleep(0.2)
    return TimeoutError(f"no broker on {host}:{port} within {PATIENCE_S} s: {last}")


async def _served(client: Mapping[str, Any]) -> bool:
    admin = AIOKafkaAdminClient(**client, request_timeout_ms=5000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    finally:
        await admin.close()


@contextmanager
def at_hand(folder: Path) -> Iterator[str]:
    """Address of the broker that this machine has: one that is named, or one that is started meanwhile."""
    if address := os.environ.get(VARIABLE):
        yield address
    elif found := home():
        with Broker(found, folder / "kafka") as broker:
            yield broker.address
    elif has_docker():
        with DockerBroker() as container:
            yield container.address
    else:
        sys.exit(NO_BROKER)
