"""A real broker for every test that wants one; without any, those tests are skipped and say why.

The broker is looked for where a stranger's machine has one: ``DRIFTLINE_TEST_KAFKA=host:port``, else ``KAFKA_HOME``,
else ``../shared/kafka`` beside the checkout, else a Docker engine. All processes of a test session share it, so every
test names its topics and groups by a ``prefix`` of its own; what has to be killed, a test starts by ``own_broker``.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from streams.settings import Kafka
from tests.integration import live, traffic
from tests.integration.brokers import NO_BROKER, PATIENCE_S, ROOT, VARIABLE, Broker, DockerBroker, has_docker, home


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a broker that tests share: it is never stopped nor killed by any of them."""
    base = tmp_path_factory.getbasetemp()
    with ExitStack() as stack:
        if address := os.environ.get(VARIABLE):
            yield address
        elif found := home():
            yield stack.enter_context(shared(found, base.parent if "PYTEST_XDIST_WORKER" in os.environ else base))
        elif has_docker():
            yield stack.enter_context(DockerBroker()).address
        else:
            pytest.skip(NO_BROKER)


@contextmanager
def shared(found: Path, base: Path) -> Iterator[str]:
    """The address of the one broker that all test processes with this folder use."""
    folder = base / "kafka"
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("wb") as users, (folder / "starting").open("wb") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)  # one after the other
        fcntl.flock(users, fcntl.LOCK_SH)  # once a keeper that is just ending has ended
        address = folder / "address"
        if not address.exists():
            _start_keeper(found, folder)
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield address.read_text()


def _start_keeper(found: Path, folder: Path) -> None:
    """Start what runs the broker; it outlives this process while others use it."""
    command = [sys.executable, "-m", "tests.integration.keeper", found, folder]
    with (folder / "keeper").open("ab") as said:
        keeper = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, start_new_session=True)
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "address").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the broker did not start: {(folder / 'keeper').read_text()[-4000:]}")
        time.sleep(0.1)
    keeper.returncode = 0  # nobody waits for it: it ends after the last of its users


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Callable[..., Broker | DockerBroker]]:
    """Makes brokers, not yet started, that a test may kill and start again; all are gone after the test."""
    found, brokers = home(), ExitStack()
    if not found and not has_docker():
        pytest.skip(NO_BROKER)

    def own(**given: object) -> Broker | DockerBroker:
        if found:
            one: Broker | DockerBroker = Broker(found, tmp_path / f"kafka-{uuid.uuid4().hex[:6]}", **given)
        elif given:
            pytest.skip(f"a broker with settings of its own takes a Kafka distribution; {NO_BROKER}")
        else:
            one = DockerBroker()
        brokers.push(one.__exit__)
        return one

    with brokers:
        yield own


@pytest.fixture
def prefix() -> str:
    """Begins the names of a test's topics and groups, so that tests may share a broker."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def kafka(broker: str, prefix: str) -> Kafka:
    """Settings of the shared broker, with topics and groups of the test's own."""
    return Kafka(brokers=broker, prefix=prefix, group=prefix + "group", client_id="test")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    return folder / "store", traffic.baselines(folder / "store")


@pytest.fixture
def config(tmp_path, kafka, store):
    return live.configured(tmp_path, kafka, live=live.QUICK, store=str(store[0]))


@pytest.fixture(scope="module")
def watched(store):
    """The alerts of ``driftline watch`` on the same calls with the same baselines."""
    folder = store[0].parent
    file = folder / "watch.yaml"
    file.write_text(f"store: {store[0]}\n")
    names = [part for segment in store[1] for part in ("--baseline", f"{segment}@prod")]
    said = live.driftline(file, "watch", "-", "--json", *names, given=b"\n".join(traffic.lines(traffic.CALLS)))
    assert said.returncode == 0, said.stderr
    return {json.loads(line)["record_id"]: line for line in said.stdout.splitlines()}
